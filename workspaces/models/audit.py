"""Who did what: one row per act of a person, a key or the system that matters. Added to, never changed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from workspaces.models.people import Workspace


class AuditEntry(models.Model):
    """One act, written in the transaction of what it did. The database refuses UPDATE, DELETE and TRUNCATE, by trigger and by role."""

    class ActorKind(models.TextChoices):
        PERSON = "person", "Person"
        API_KEY = "api_key", "API key"
        PAYER = "payer", "Payer"
        SYSTEM = "system", "System"

    at = models.DateTimeField(db_default=Now(), editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, null=True, related_name="audit_entries", db_index=False)
    action = models.CharField(max_length=60, help_text="What was done, as in member.role_changed; stable, for filters.")
    target = models.CharField(max_length=200, blank=True, help_text="What it was done to, as people know it: an address, a receipt number.")
    actor_kind = models.CharField(max_length=10, choices=ActorKind)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    actor_label = models.CharField(max_length=254, help_text="E-mail address, key prefix or the system's part, as it was then.")
    is_staff_act = models.BooleanField(default=False, help_text="Done by the operator's people, not by the customer's.")
    address = models.GenericIPAddressField(null=True, help_text="Where the request came from.")
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why, in the words of who did it.")

    class Meta:
        verbose_name_plural = "audit entries"
        constraints = [
            models.CheckConstraint(condition=Q(actor_kind="person") | Q(actor=None), name="audit_entry_of_a_person_alone_names_one"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-at"], name="audit_of_workspace"),
            models.Index(fields=["-at"], name="audit_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_label}"

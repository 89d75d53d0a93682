"""The webhook inbox: what Stripe told us, kept until its effect is committed."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class WebhookEvent(models.Model):
    """One event from Stripe, verified and kept before it is answered. Payloads are hints: the object is fetched afresh."""

    class Status(models.TextChoices):
        RECEIVED = "received", "Received"
        HANDLED = "handled", "Handled"
        IGNORED = "ignored", "Ignored"
        DEAD = "dead", "Dead"

    stripe_event_id = models.CharField(max_length=255, primary_key=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255, help_text="The id of the object the event is about.")
    payload = models.JSONField()
    status = models.CharField(max_length=8, choices=Status, default=Status.RECEIVED)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    handled_at = models.DateTimeField(null=True, help_text="Stamped in the transaction of its effect.")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, help_text="When the sweep tries again; null once it is handled, ignored or dead.")
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status="received", next_attempt_at__isnull=False) | (~Q(status="received") & Q(next_attempt_at=None)),
                name="webhook_event_is_due_or_done",
            ),
        ]
        indexes = [
            models.Index("next_attempt_at", condition=Q(next_attempt_at__isnull=False), name="webhook_event_due"),
            models.Index("object_id", "received_at", name="webhook_event_by_object"),
            models.Index("received_at", condition=Q(status="dead"), name="webhook_event_dead"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.stripe_event_id}"

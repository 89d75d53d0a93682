"""The API's own tables: keys, and requests that must not be carried out twice. Holds no secret that would open anything."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from workspaces.models.people import User, Workspace

API_KEY_NAME_CHARACTERS_MAX = 60


class Scope(models.TextChoices):
    """What a key may do."""

    EVENTS_WRITE = "events:write", "Report use"
    HOLDS_WRITE = "holds:write", "Ask before a use"
    WALLET_READ = "wallet:read", "Read the wallet"
    WALLET_WRITE = "wallet:write", "Ask for payments"
    WORKSPACES_WRITE = "workspaces:write", "Make workspaces"


PLATFORM_SCOPES = (Scope.WORKSPACES_WRITE,)
"""Scopes that only a key for all workspaces can have."""


class ApiKey(models.Model):
    """A key to the API: of one workspace, or the platform's own, which reaches all. Only the hash of its secret is kept."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, related_name="api_keys", help_text="Null is the platform's key: any workspace."
    )
    name = models.CharField(max_length=API_KEY_NAME_CHARACTERS_MAX, help_text="What it is for, in its maker's words.")
    prefix = models.CharField(max_length=20, help_text="How the key begins, to recognise it by; not secret.")
    secret_sha256 = models.CharField(
        max_length=64, unique=True, help_text="Of the whole key. A fast hash is right for 256 random bits (ASVS 6.5.2)."
    )
    scopes = ArrayField(models.CharField(max_length=40))
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, help_text="From here on it is refused; null lasts until it is revoked.")
    last_used_at = models.DateTimeField(null=True, help_text="To the minute: written at most once in one.")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="api_key_has_a_name"),
            models.CheckConstraint(condition=Q(scopes__len__gt=0) & Q(scopes__contained_by=Scope.values), name="api_key_scopes_are_known"),
            models.CheckConstraint(
                condition=Q(workspace=None) | ~Q(scopes__overlap=[scope.value for scope in PLATFORM_SCOPES]),
                name="api_key_of_a_workspace_makes_none",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_platform_key(self) -> bool:
        return self.workspace_id is None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and not self.is_expired


class IdempotentRequest(models.Model):
    """A request that was carried out once, with its answer: whoever sends it again gets the answer and no second effect.

    Written in the transaction of the effect, so that there is never one without the other. The caller's key belongs to
    its tenant, not to the one API key that sent it: a retry after the key was exchanged is still a retry.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, help_text="Null is the platform."
    )
    key = models.CharField(max_length=200, help_text="The caller's Idempotency-Key.")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body: the same key for something else is refused.")
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the answer; null only inside the transaction that makes it.")
    body = models.TextField(blank=True, help_text="The answer as it was sent, without what is secret in it.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"], nulls_distinct=False, name="idempotent_request_key_is_unique_in_its_workspace"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotent_request_by_age")]

    def __str__(self) -> str:
        return f"request {self.key}"

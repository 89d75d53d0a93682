"""Outgoing webhooks: who wants to hear of what, what there was to tell, and how the telling went. The row is the job.

A secret is kept sealed under SECRET_KEY (services.signing_secrets): a stolen copy of the database signs nothing.
"""

import secrets

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from wallet.models.wallets import Wallet

URL_CHARACTERS_MAX = 500
DESCRIPTION_CHARACTERS_MAX = 100


class EventType(models.TextChoices):
    """What an endpoint may be told of; docs/webhooks.md has each one's data."""

    LOW_BALANCE = "wallet.low_balance", "Balance is low"
    DEPLETED = "wallet.depleted", "Balance used up"
    PAUSED = "wallet.paused", "All calls paused"
    RESTORED = "wallet.restored", "Money is back"
    TOP_UP_SUCCEEDED = "top_up.succeeded", "Top-up succeeded"
    TOP_UP_FAILED = "top_up.failed", "Top-up failed"
    AUTOMATIC_PAYMENT_SUSPENDED = "automatic_payment.suspended", "Automatic payments suspended"
    HOLD_EXPIRED = "hold.expired", "Hold expired"
    PING = "test.ping", "Test"


CHOSEN_TYPES = tuple(kind for kind in EventType if kind is not EventType.PING)
"""What an endpoint chooses from: a test is sent to the one endpoint that it tests."""


def new_event_id() -> str:
    """The message's id, the same in every attempt: 96 random bits, no meaning."""
    return f"evt_{secrets.token_hex(12)}"


class WebhookEndpoint(models.Model):
    """An address that is told what happens: of one workspace, or the platform's own, which hears of all."""

    class DisabledReason(models.TextChoices):
        SWITCHED_OFF = "switched_off", "Switched off"
        GONE = "gone", "The address said that it is gone (410)"
        FAILING = "failing", "It failed for days"

    workspace = models.ForeignKey(
        "workspaces.Workspace",
        on_delete=models.PROTECT,
        null=True,
        related_name="webhook_endpoints",
        help_text="Null is the platform's endpoint: it hears of all workspaces.",
    )
    url = models.CharField(max_length=URL_CHARACTERS_MAX)
    description = models.CharField(max_length=DESCRIPTION_CHARACTERS_MAX, blank=True, help_text="What it is for, in its maker's words.")
    event_types = ArrayField(models.CharField(max_length=40), default=list, blank=True, help_text="Empty is all, those to come as well.")
    secret_sealed = models.TextField(help_text="What signs its messages; wiped when the endpoint is removed.")
    previous_secret_sealed = models.TextField(blank=True, help_text="Signs beside the new one until its time is over.")
    previous_secret_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    disabled_at = models.DateTimeField(null=True, help_text="From here on nothing is sent.")
    disabled_reason = models.CharField(max_length=12, choices=DisabledReason, blank=True)
    removed_at = models.DateTimeField(null=True, help_text="It is on no page any more; what it was told stays until it is forgotten.")
    failing_since = models.DateTimeField(null=True, help_text="The first failure since it last took a message.")
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts since it last took a message.")
    quiet_until = models.DateTimeField(null=True, help_text="It did not answer at all: it is left alone until then.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(url=""), name="webhook_endpoint_has_an_address"),
            models.CheckConstraint(
                condition=Q(event_types__contained_by=[kind.value for kind in CHOSEN_TYPES]), name="webhook_endpoint_types_are_known"
            ),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_reason="") | (Q(disabled_at__isnull=False) & ~Q(disabled_reason="")),
                name="webhook_endpoint_disabled_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(previous_secret_until=None, previous_secret_sealed="")
                | (Q(previous_secret_until__isnull=False) & ~Q(previous_secret_sealed="")),
                name="webhook_endpoint_previous_secret_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"webhook endpoint {self.pk} {self.url}"

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None and self.removed_at is None

    @property
    def is_failing(self) -> bool:
        """It is sent to, and does not take it."""
        return self.is_active and self.failing_since is not None


class OutgoingEvent(models.Model):
    """One thing to tell, made in the transaction of what it tells. Its id is the message's: receivers tell repeats by it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_event_id, editable=False)
    wallet = models.ForeignKey(
        Wallet,
        on_delete=models.PROTECT,
        null=True,
        related_name="outgoing_events",
        db_index=False,
        help_text="Null is a test of the platform's endpoint.",
    )
    type = models.CharField(max_length=40, choices=EventType)
    data = models.JSONField(help_text="What the message carries besides type and time; frozen.")
    occurred_at = models.DateTimeField(default=timezone.now, editable=False)
    key = models.CharField(max_length=200, help_text="The same thing told again is the same event.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "key"], name="outgoing_event_key_is_unique_in_its_wallet"),
            models.CheckConstraint(condition=Q(type__in=EventType.values), name="outgoing_event_type_is_known"),
            models.CheckConstraint(condition=Q(wallet__isnull=False) | Q(type="test.ping"), name="outgoing_event_has_a_wallet"),
        ]
        indexes = [models.Index("occurred_at", name="outgoing_event_by_age")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Delivery(models.Model):
    """One event on its way to one endpoint: due, delivered, or given up."""

    event = models.ForeignKey(OutgoingEvent, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    attempts = models.PositiveIntegerField(default=0, help_text="Of this round; sending it again by hand begins a new one.")
    next_attempt_at = models.DateTimeField(null=True, help_text="When it is tried (again); null once it is delivered or given up.")
    delivered_at = models.DateTimeField(null=True, help_text="When it was last taken.")
    last_status = models.PositiveIntegerField(null=True, help_text="The newest answer's code; null where there was none.")
    last_error = models.CharField(max_length=300, blank=True, help_text="What went wrong the last time.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_is_one_per_event_and_endpoint")]
        indexes = [
            models.Index("next_attempt_at", condition=Q(next_attempt_at__isnull=False), name="delivery_due"),
            models.Index("endpoint", "id", name="delivery_by_endpoint"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} of {self.event_id}"

    @property
    def is_waiting(self) -> bool:
        return self.next_attempt_at is not None

    @property
    def is_delivered(self) -> bool:
        return not self.is_waiting and self.delivered_at is not None and not self.last_error


class DeliveryAttempt(models.Model):
    """One try at a delivery, for the log; written once it is over."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="log")
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveIntegerField(null=True, help_text="The answer's code; null where there was none.")
    error = models.CharField(max_length=300, blank=True)
    answer = models.TextField(blank=True, help_text="How the answer began: its first kilobyte.")

    def __str__(self) -> str:
        return f"attempt {self.pk} at delivery {self.delivery_id}: {self.status or self.error}"

"""Top-ups (one attempt each to bring money in), and what may follow: refunds and disputes."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models.cards import Card
from wallet.models.payment_links import PaymentLink
from wallet.models.wallets import Wallet


class Origin(models.TextChoices):
    """Who asked for the money."""

    MANUAL = "manual", "Manual"
    PAYMENT_LINK = "payment_link", "Payment link"
    AUTOMATIC = "automatic", "Automatic"


IN_FLIGHT_STATUSES = ("created", "sending", "processing", "unknown")
"""A top-up on a saved card in one of these is on its way, as far as anybody knows: nobody need pay for the same."""

UNCLEAR_STATUSES = ("sending", "unknown", "manual_review")
"""A top-up in one of these may have brought money, and nobody knows yet whether it has."""

OPEN_STATUSES = ("created", "sending", "processing", "requires_action", "unknown", "manual_review")
"""A top-up in one of these may still bring money."""


class TopUp(models.Model):
    """One attempt to bring money in. Its id is the idempotency key at Stripe, so it is committed before Stripe is asked.

    States: created → sending → succeeded | failed | requires_action | processing | unknown | manual_review; canceled, expired.
    `services.settlement` alone moves it to succeeded, whatever state it was in: money that arrived is credited.
    """

    class Status(models.TextChoices):
        CREATED = "created", "Created"
        SENDING = "sending", "Sending"
        PROCESSING = "processing", "Processing"
        REQUIRES_ACTION = "requires_action", "Requires action"
        UNKNOWN = "unknown", "Outcome unknown"
        MANUAL_REVIEW = "manual_review", "Manual review"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Canceled"
        EXPIRED = "expired", "Expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="top_ups")
    origin = models.CharField(max_length=12, choices=Origin)
    amount_micros = models.BigIntegerField(help_text="Frozen: the same idempotency key with other parameters is an error at Stripe.")
    status = models.CharField(max_length=15, choices=Status, default=Status.CREATED)
    request_id = models.CharField(max_length=100, help_text="The form's or API's own id: the same request is the same top-up.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    payment_link = models.ForeignKey(PaymentLink, on_delete=models.PROTECT, null=True, related_name="top_ups")
    card = models.ForeignKey(
        Card, on_delete=models.PROTECT, null=True, related_name="top_ups", help_text="The card to charge, or the one that paid."
    )
    instead_of = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="replacement",
        help_text="The declined charge that this one, on the backup card, replaces.",
    )
    saves_card = models.BooleanField(default=False, help_text="The payer agreed that the card is kept for later.")
    checkout_session_id = models.CharField(max_length=255, unique=True, null=True)
    checkout_url = models.TextField(blank=True, help_text="Where the payer pays while the session is open.")
    checkout_expires_at = models.DateTimeField(null=True, help_text="Frozen before Stripe is asked; Stripe allows 30 minutes to 24 hours.")
    stripe_key_renewals = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How often the key under which the session is opened had to be renewed: services.renewed_keys. A charge's key never is.",
    )
    stripe_unclear_at = models.DateTimeField(null=True, help_text="When Stripe last left open whether it had opened the session.")
    payment_intent_id = models.CharField(max_length=255, unique=True, null=True)
    decline_code = models.CharField(max_length=100, blank=True)
    advice_code = models.CharField(max_length=100, blank=True)
    network_decline_code = models.CharField(max_length=100, blank=True)
    failure_message = models.TextField(blank=True, help_text="What went wrong, for the owner; never a card's data.")
    receipt_number = models.CharField(max_length=20, unique=True, null=True, help_text="Given when the money is credited.")
    # What the receipt says, frozen with the credit: a receipt never changes its words.
    paid_with = models.CharField(max_length=100, blank=True, help_text="For the receipt: Visa •••• 4242.")
    paid_by = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="For the receipt: the workspace's name of that day."
    )
    paid_to = models.TextField(
        blank=True, default="", db_default="", help_text="For the receipt: the operator's name and address of that day, a line each."
    )
    paid_zone = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="For the receipt: the zone in which it tells its time."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True, help_text="When Stripe was first asked.")
    next_check_at = models.DateTimeField(null=True, help_text="When the sweep looks at it again; null once it is resolved.")
    checks = models.PositiveIntegerField(default=0, help_text="How often the sweep has looked; spaces the next looks.")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "request_id"], name="top_up_request_is_unique_in_its_wallet"),
            models.UniqueConstraint(
                fields=["wallet"], condition=Q(origin="automatic", status__in=OPEN_STATUSES), name="top_up_automatic_is_one_open_per_wallet"
            ),
            models.UniqueConstraint(
                fields=["payment_link"], condition=Q(status__in=OPEN_STATUSES), name="top_up_is_one_open_per_payment_link"
            ),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="top_up_amount_is_positive"),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="top_up_origin_is_known"),
            models.CheckConstraint(
                condition=Q(status__in=OPEN_STATUSES, resolved_at=None)
                | (Q(status__in=("succeeded", "failed", "canceled", "expired")) & Q(resolved_at__isnull=False)),
                name="top_up_is_open_or_resolved",
            ),
            models.CheckConstraint(
                condition=~Q(status="succeeded") | Q(receipt_number__isnull=False), name="top_up_succeeded_has_a_receipt"
            ),
        ]
        indexes = [
            models.Index("wallet", "created_at", name="top_up_by_wallet"),
            models.Index("next_check_at", condition=Q(next_check_at__isnull=False), name="top_up_due"),
            models.Index("sent_at", condition=Q(origin="automatic"), name="top_up_automatic_by_sending"),
            models.Index("sent_at", condition=Q(status__in=UNCLEAR_STATUSES), name="top_up_unclear"),
        ]

    def __str__(self) -> str:
        return f"top-up {self.id} {self.status}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES


class Refund(models.Model):
    """Money of a top-up that goes back to the payer. One row per refund at Stripe; posts once, and once back if it fails."""

    stripe_refund_id = models.CharField(max_length=255, unique=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="refunds")
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="refunds")
    amount_micros = models.BigIntegerField()
    status = models.CharField(max_length=20, help_text="Stripe's word: pending, requires_action, succeeded, failed or canceled.")
    reason = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount_micros__gt=0), name="refund_amount_is_positive")]

    def __str__(self) -> str:
        return f"refund {self.stripe_refund_id}"


class Dispute(models.Model):
    """A payer's bank asks for the money back. While one is open, automatic payments pause.

    One in another currency than the wallet's moves nothing until the operator has said what it is in the wallet's.
    """

    stripe_dispute_id = models.CharField(max_length=255, unique=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="disputes")
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="disputes")
    amount_micros = models.BigIntegerField(
        null=True, help_text="In the wallet's currency; null while a dispute in another currency waits for the operator."
    )
    waits_because = models.TextField(
        blank=True, default="", db_default="", help_text="Why nothing of it is booked, for the operator; empty where it is."
    )
    status = models.CharField(max_length=30, help_text="Stripe's word: warning_needs_response … needs_response, under_review, won, lost.")
    reason = models.CharField(max_length=100, blank=True)
    withdrawn_micros = models.BigIntegerField(default=0, help_text="What Stripe took from us and we took from the wallet.")
    reinstated_micros = models.BigIntegerField(default=0, help_text="What Stripe gave back and we put back.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="dispute_amount_is_positive"),
            models.CheckConstraint(
                condition=Q(withdrawn_micros__gte=0) & Q(reinstated_micros__gte=0), name="dispute_sums_are_not_negative"
            ),
        ]
        indexes = [models.Index("wallet", condition=Q(closed_at=None), name="dispute_open")]

    def __str__(self) -> str:
        return f"dispute {self.stripe_dispute_id} {self.status}"

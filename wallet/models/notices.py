"""The outbox of e-mails about money, and who wants none of which. The row is the job; a worker sends it once."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models.wallets import Wallet


class Notice(models.Model):
    """One e-mail to one address, made in the transaction of what it tells."""

    class Kind(models.TextChoices):
        RECEIPT = "receipt", "Receipt"
        PAYMENT_LINK = "payment_link", "Payment link"
        AUTOMATIC_PAYMENT = "automatic_payment", "Automatic payment made"
        AUTOMATIC_FAILED = "automatic_failed", "Automatic payment failed"
        CONFIRM_PAYMENT = "confirm_payment", "Confirm your payment"
        CAP_REACHED = "cap_reached", "Limit of automatic payments reached"
        CARD_EXPIRING = "card_expiring", "Card about to expire"
        CARD_EXPIRED = "card_expired", "Card expired"
        CARD_RENEWED = "card_renewed", "Card renewed by your bank"
        LOW_BALANCE = "low_balance", "Low balance"
        BALANCE_USED_UP = "balance_used_up", "Balance used up"
        CALLS_PAUSED = "calls_paused", "All calls paused"
        USAGE_SPIKE = "usage_spike", "Unusual day"
        WEBHOOK_OFF = "webhook_off", "Webhook switched off"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=40, choices=Kind)
    recipient = models.EmailField(max_length=254)
    reference = models.CharField(max_length=200, help_text="The id of the top-up, link … it is about.")
    facts = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Figures that it tells and that are nowhere else; most are read when it is sent.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, help_text="When it is tried (again); null once it is sent or given up.")
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["wallet", "kind", "reference", "recipient"], name="notice_is_sent_once")]
        indexes = [models.Index("next_attempt_at", condition=Q(next_attempt_at__isnull=False), name="notice_due")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"


ALWAYS_TOLD = frozenset(
    {
        Notice.Kind.RECEIPT,
        Notice.Kind.AUTOMATIC_PAYMENT,
        Notice.Kind.AUTOMATIC_FAILED,
        Notice.Kind.CONFIRM_PAYMENT,
        Notice.Kind.PAYMENT_LINK,
    }
)
"""Nobody can switch these off: money was taken, or somebody was asked for it."""

CHOSEN_KINDS = tuple(kind for kind in Notice.Kind if kind not in ALWAYS_TOLD)
"""What each owner and admin may switch off for themselves, in each workspace."""


class NoticeChoice(models.Model):
    """Which e-mails a member wants none of. Without a row they get all; it goes with the membership."""

    membership = models.OneToOneField("workspaces.Membership", on_delete=models.CASCADE, primary_key=True, related_name="notice_choice")
    kinds_off = ArrayField(models.CharField(max_length=40), default=list, help_text="Of CHOSEN_KINDS: the others are always told.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kinds_off__contained_by=[kind.value for kind in CHOSEN_KINDS]), name="notice_choice_is_of_what_may_be_off"
            )
        ]

    def __str__(self) -> str:
        return f"e-mails of membership {self.membership_id}"

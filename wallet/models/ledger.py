"""The book: transfers, holds and promotions. Transfers are written by ledger.post alone and never changed."""

import uuid

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from wallet.models.wallets import Wallet


class ClockTimestamp(Func):
    """PostgreSQL's clock at this very row, not at the transaction's start: rises with seq, as it is read under the wallet's lock."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


class Account(models.TextChoices):
    """A place in a wallet's book. `WALLET` is the customer's money; the others are where it comes from and goes to."""

    WALLET = "wallet", "Wallet"
    STRIPE = "stripe", "Stripe"
    USAGE_REVENUE = "usage_revenue", "Usage revenue"
    PROMOTIONS = "promotions", "Promotions"
    ADJUSTMENTS = "adjustments", "Adjustments"
    REFUNDS = "refunds", "Refunds"
    DISPUTES = "disputes", "Disputes"
    WRITE_OFFS = "write_offs", "Write-offs"


class Kind(models.TextChoices):
    """The wallet's own kinds of transfer. `usage` adds its own to the same column: the wallet does not know them."""

    TOP_UP = "top_up", "Top-up"
    AUTOMATIC_PAYMENT = "automatic_payment", "Automatic payment"
    REFUND = "refund", "Refund"
    REFUND_FAILED = "refund_failed", "Refund failed"
    DISPUTE = "dispute", "Dispute"
    DISPUTE_WON = "dispute_won", "Dispute won"
    DISPUTE_LOST = "dispute_lost", "Dispute lost"
    PROMOTION = "promotion", "Promotion"
    PROMOTION_EXPIRED = "promotion_expired", "Promotion expired"
    ADJUSTMENT = "adjustment", "Adjustment"


class Transfer(models.Model):
    """One immutable row of the ledger: an amount that left one account of a wallet's book and entered another.

    The database refuses UPDATE, DELETE and TRUNCATE, by trigger and by role. Corrections are new rows.
    """

    pk = models.CompositePrimaryKey("wallet_id", "seq")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="transfers", db_index=False)
    seq = models.BigIntegerField(help_text="1, 2, 3 … per wallet, without a hole.")
    debit = models.CharField(max_length=16, choices=Account, help_text="The account the amount leaves.")
    credit = models.CharField(max_length=16, choices=Account, help_text="The account the amount enters.")
    amount_micros = models.BigIntegerField(
        help_text="Positive, as the accounts give the direction; 0 for a use that was free, which has its row all the same."
    )
    promotion_micros = models.BigIntegerField(
        default=0,
        help_text="How much of the amount was given credit: granted or returned when the wallet is credited, else spent or expired.",
    )
    balance_after_micros = models.BigIntegerField(help_text="The wallet's balance after this row.")
    kind = models.CharField(max_length=32, help_text="What it is, for filters: wallet.Kind or a kind of usage's.")
    reference = models.CharField(max_length=200, help_text="Opaque: the id of the top-up, event, refund … behind it.")
    description = models.CharField(max_length=300, help_text="What the customer reads; written once.")
    happened_at = models.DateTimeField(help_text="The world's time.")
    posted_at = models.DateTimeField(db_default=ClockTimestamp(), help_text="The book's time; never falls as seq rises.")
    idempotency_key = models.CharField(max_length=200, help_text="Posting the same key again answers this row.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "idempotency_key"], name="transfer_key_is_unique_in_its_wallet"),
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0) | Q(amount_micros=0, debit=Account.WALLET, credit=Account.USAGE_REVENUE),
                name="transfer_amount_is_positive_or_a_free_use",
            ),
            models.CheckConstraint(condition=Q(seq__gt=0), name="transfer_seq_is_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_moves_between_two_accounts"),
            models.CheckConstraint(condition=Q(debit__in=Account.values, credit__in=Account.values), name="transfer_accounts_are_known"),
            models.CheckConstraint(
                condition=Q(promotion_micros__gte=0) & Q(promotion_micros__lte=F("amount_micros")),
                name="transfer_promotion_is_part_of_amount",
            ),
            models.CheckConstraint(condition=~Q(kind="") & ~Q(idempotency_key=""), name="transfer_has_kind_and_key"),
        ]
        indexes = [
            models.Index("wallet", "kind", "seq", name="transfer_by_kind"),
            models.Index("wallet", "posted_at", name="transfer_by_posted_at"),
        ]

    def __str__(self) -> str:
        return f"{self.wallet_id}/{self.seq} {self.kind} {self.amount_micros}"

    @property
    def change_micros(self) -> int:
        """What it did to the wallet's balance: positive, negative, or 0 where the wallet was no party."""
        if self.credit == Account.WALLET:
            return self.amount_micros
        return -self.amount_micros if self.debit == Account.WALLET else 0


class Hold(models.Model):
    """Money set aside before a use starts, or until a refund is made. Resolved exactly once; open ones count in `Wallet.held_micros`."""

    class Purpose(models.TextChoices):
        USE = "use", "Use"
        REFUND = "refund", "Refund"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        CAPTURED = "captured", "Captured"
        RELEASED = "released", "Released"
        EXPIRED = "expired", "Expired"

    pk = models.CompositePrimaryKey("wallet_id", "id")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="holds", db_index=False)
    id = models.UUIDField(default=uuid.uuid4)
    amount_micros = models.BigIntegerField(help_text="What is set aside; grows by extension.")
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    purpose = models.CharField(
        max_length=6,
        choices=Purpose,
        default=Purpose.USE,
        db_default=Purpose.USE,
        help_text="Those for refunds are the operator's: no use is charged to them, the platform does not see them, and they have no end.",
    )
    reference = models.CharField(max_length=200, help_text="The caller's own id for the call or task.")
    idempotency_key = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(
        help_text="From here on it cannot be captured, whether the sweep has seen it or not. The database's clock decides."
    )
    resolved_at = models.DateTimeField(null=True)
    captured_micros = models.BigIntegerField(default=0, help_text="What was charged in the end; may exceed the amount.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "idempotency_key"], name="hold_key_is_unique_in_its_wallet"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="hold_amount_is_positive"),
            models.CheckConstraint(condition=Q(purpose__in=["use", "refund"]), name="hold_purpose_is_known"),
            models.CheckConstraint(condition=Q(captured_micros__gte=0), name="hold_capture_is_not_negative"),
            models.CheckConstraint(
                condition=Q(status="open", resolved_at=None) | (~Q(status="open") & Q(resolved_at__isnull=False)),
                name="hold_is_open_or_resolved",
            ),
        ]
        indexes = [
            models.Index("expires_at", condition=Q(status="open"), name="hold_open_by_expiry"),
            models.Index("wallet", condition=Q(status="open"), name="hold_open_by_wallet"),
            models.Index("wallet", "resolved_at", condition=Q(resolved_at__isnull=False), name="hold_ended_by_wallet"),
        ]

    def __str__(self) -> str:
        return f"hold {self.id} {self.status}"


class Promotion(models.Model):
    """Credit that was given: spent before paid money, soonest to expire first, never refunded to a card."""

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="promotions")
    amount_micros = models.BigIntegerField()
    remaining_micros = models.BigIntegerField(help_text="Unspent part; written by ledger.post alone.")
    reason = models.CharField(max_length=200, help_text="What the customer reads.")
    expires_at = models.DateTimeField(
        null=True, help_text="Spendable until the sweep books the expiry after this time; null never expires."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    idempotency_key = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "idempotency_key"], name="promotion_key_is_unique_in_its_wallet"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="promotion_amount_is_positive"),
            models.CheckConstraint(
                condition=Q(remaining_micros__gte=0) & Q(remaining_micros__lte=F("amount_micros")),
                name="promotion_remaining_is_part_of_amount",
            ),
        ]
        indexes = [
            models.Index("wallet", "expires_at", condition=Q(remaining_micros__gt=0), name="promotion_spendable"),
            models.Index("expires_at", condition=Q(remaining_micros__gt=0), name="promotion_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"promotion {self.reason}"

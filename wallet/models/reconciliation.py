"""What reconciliation found: each movement at Stripe, each run, and what did not match."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models.wallets import Wallet


class StripeMovement(models.Model):
    """A balance transaction of Stripe's, kept for the journal: above all what Stripe took for it. Written once."""

    id = models.CharField(primary_key=True, max_length=255)
    type = models.CharField(max_length=60)
    source_id = models.CharField(max_length=255)
    payment_id = models.CharField(max_length=255, blank=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, null=True, related_name="+", help_text="Null where it is no wallet's.")
    amount_micros = models.BigIntegerField(null=True, help_text="In the currency that was paid in; negative where it left.")
    currency = models.CharField(max_length=3)
    fee_minor = models.BigIntegerField(help_text="What Stripe took, in the smallest unit of the currency it pays out in.")
    net_minor = models.BigIntegerField()
    settled_currency = models.CharField(max_length=3)
    happened_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index("happened_at", name="stripe_movement_by_time")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class ReconciliationRun(models.Model):
    """One comparison of Stripe, the ledger and the cached balances."""

    started_at = models.DateTimeField(db_default=Now(), editable=False)
    since = models.DateTimeField(help_text="How far back Stripe was asked.")
    finished_at = models.DateTimeField(null=True, help_text="Null while it runs, and for good where it was cut off.")
    payments = models.PositiveIntegerField(default=0)
    movements = models.PositiveIntegerField(default=0)
    transfers = models.BigIntegerField(default=0)
    discrepancies = models.PositiveIntegerField(default=0, help_text="Open ones when it ended.")

    class Meta:
        indexes = [models.Index(fields=["-started_at"], name="reconciliation_newest")]

    def __str__(self) -> str:
        return f"reconciliation of {self.started_at:%Y-%m-%d %H:%M}"


class Discrepancy(models.Model):
    """Something that does not match, until a run finds that it does, or a person explains it."""

    class Kind(models.TextChoices):
        UNKNOWN_PAYMENT = "unknown_payment", "Payment at Stripe without a top-up"
        NOT_CREDITED = "not_credited", "Payment at Stripe without its credit"
        AMOUNT = "amount", "Amounts differ"
        NOT_TAKEN = "not_taken", "Refund or dispute at Stripe that the ledger does not have"
        NO_PAYMENT = "no_payment", "Credit in the ledger without a payment at Stripe"
        NOT_GONE_BACK = "not_gone_back", "Refund or dispute in the ledger that Stripe does not have"
        BOOKS = "books", "Books out of balance"

    kind = models.CharField(max_length=20, choices=Kind)
    reference = models.CharField(max_length=255, help_text="Stripe's id, or the top-up's, or the book's row.")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, null=True, related_name="+")
    words = models.TextField(help_text="What was found, and what should be.")
    amount_micros = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    happened_at = models.DateTimeField(null=True, help_text="When the money moved; null where it is about a book as a whole.")
    first_seen_at = models.DateTimeField(db_default=Now(), editable=False)
    last_seen_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, help_text="When a run did not find it any more, or a person explained it.")
    explained_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    explanation = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "discrepancies"
        constraints = [models.UniqueConstraint(fields=["kind", "reference"], name="discrepancy_is_listed_once")]
        indexes = [models.Index("first_seen_at", condition=Q(closed_at=None), name="discrepancy_open")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reference}"

    @property
    def what_to_do(self) -> str:
        """The next step, for whoever has to look."""
        return NEXT_STEPS[Discrepancy.Kind(self.kind)]


NEXT_STEPS = {
    Discrepancy.Kind.UNKNOWN_PAYMENT: "Open the payment at Stripe. If it is another business of yours, explain it here; "
    "else refund it there, or credit the customer by an adjustment and explain it.",
    Discrepancy.Kind.NOT_CREDITED: "Run the reconciliation again. If it stays, look at the top-up's status and the webhook's last error.",
    Discrepancy.Kind.AMOUNT: "Compare the payment at Stripe with the top-up; correct the wallet by an adjustment, and explain it here.",
    Discrepancy.Kind.NOT_TAKEN: "Run the reconciliation again. If it stays, see whether the refund or dispute is in another currency.",
    Discrepancy.Kind.NO_PAYMENT: "Look for the payment at Stripe. If it is not there, take the credit back by an adjustment.",
    Discrepancy.Kind.NOT_GONE_BACK: "Look for it at Stripe. If it is not there, put the money back into the wallet by an adjustment, "
    "and explain it here: nobody is told of it again then.",
    Discrepancy.Kind.BOOKS: "Stop charging (manage.py charging pause), keep a copy of the database, and find out who wrote to it.",
}

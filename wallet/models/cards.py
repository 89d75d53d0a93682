"""Saved cards, and the attempts to connect one. No card datum is kept but brand, last four and expiry."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models.payment_links import PaymentLink
from wallet.models.wallets import Wallet


class Card(models.Model):
    """A card saved at Stripe for use without its holder. Removed cards keep their row: top-ups name them."""

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="cards")
    payment_method_id = models.CharField(max_length=255, unique=True, help_text="Stripe's id; useless without our key.")
    brand = models.CharField(max_length=30)
    last_four = models.CharField(max_length=4)
    expiry_month = models.PositiveSmallIntegerField()
    expiry_year = models.PositiveSmallIntegerField()
    fingerprint = models.CharField(max_length=64, blank=True, help_text="The same card connected twice has the same one.")
    is_default = models.BooleanField(default=False, help_text="Charged first.")
    is_backup = models.BooleanField(default=False, help_text="Charged when the default card is declined.")
    refused_at = models.DateTimeField(
        null=True, help_text="When the bank refused it for good: not charged automatically until its owner or its network renews it."
    )
    connected_at = models.DateTimeField(db_default=Now(), editable=False)
    connected_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True)
    detached_at = models.DateTimeField(null=True, help_text="When Stripe forgot it; a removed card without it is still to be detached.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet"], condition=Q(is_default=True), name="card_default_is_one_per_wallet"),
            models.UniqueConstraint(fields=["wallet"], condition=Q(is_backup=True), name="card_backup_is_one_per_wallet"),
            models.CheckConstraint(condition=~Q(is_default=True, is_backup=True), name="card_is_not_its_own_backup"),
            models.CheckConstraint(condition=Q(removed_at=None) | Q(is_default=False, is_backup=False), name="card_removed_has_no_role"),
        ]
        indexes = [
            models.Index("wallet", condition=Q(removed_at=None), name="card_kept"),
            models.Index("removed_at", condition=Q(removed_at__isnull=False, detached_at=None), name="card_to_detach"),
            models.Index("last_four", name="card_by_last_four"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """How people name it: Visa •••• 4242."""
        return f"{BRAND_NAMES.get(self.brand, self.brand.title())} •••• {self.last_four}"

    @property
    def expiry(self) -> str:
        return f"{self.expiry_month:02d}/{self.expiry_year % 100:02d}"


BRAND_NAMES = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "eftpos_au": "Eftpos",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "Card",
}


class CardSetup(models.Model):
    """One attempt to connect a card without paying: a Checkout session in setup mode. Its id is the idempotency key."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        SUCCEEDED = "succeeded", "Succeeded"
        EXPIRED = "expired", "Expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="card_setups")
    payment_link = models.ForeignKey(PaymentLink, on_delete=models.PROTECT, related_name="card_setups")
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    card = models.ForeignKey(Card, on_delete=models.PROTECT, null=True, related_name="+")
    checkout_session_id = models.CharField(max_length=255, unique=True, null=True)
    checkout_url = models.TextField(blank=True)
    checkout_expires_at = models.DateTimeField(help_text="Frozen before Stripe is asked.")
    stripe_key_renewals = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often the key under which the session is opened had to be renewed: services.renewed_keys."
    )
    stripe_unclear_at = models.DateTimeField(null=True, help_text="When Stripe last left open whether it had opened the session.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    next_check_at = models.DateTimeField(null=True, help_text="When the sweep looks at it again; null once it is resolved.")
    checks = models.PositiveIntegerField(default=0)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payment_link"], condition=Q(status="open"), name="card_setup_is_one_open_per_payment_link"),
            models.CheckConstraint(
                condition=Q(status="open", resolved_at=None) | (~Q(status="open") & Q(resolved_at__isnull=False)),
                name="card_setup_is_open_or_resolved",
            ),
        ]
        indexes = [models.Index("next_check_at", condition=Q(next_check_at__isnull=False), name="card_setup_due")]

    def __str__(self) -> str:
        return f"card setup {self.id} {self.status}"

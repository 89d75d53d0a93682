"""Payment links: a public page that lets whoever holds it pay, or connect a card. Its QR code is the same link."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models.wallets import Wallet


class PaymentLink(models.Model):
    """One request for money or for a card; works once. The token is derived (services.payment_links) and only its hash is stored."""

    class Purpose(models.TextChoices):
        PAY = "pay", "Pay"
        CONNECT_CARD = "connect_card", "Connect a card"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="payment_links")
    purpose = models.CharField(max_length=12, choices=Purpose)
    amount_micros = models.BigIntegerField(null=True, help_text="What is to be paid; null where a card is to be connected.")
    request_id = models.CharField(max_length=100, help_text="The form's or API's own id: the same request is the same link.")
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True, help_text="When it was paid, or the card was connected.")
    declines = models.PositiveIntegerField(default=0, help_text="Declined payments; too many close the link, against card testing.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "request_id"], name="payment_link_request_is_unique_in_its_wallet"),
            models.CheckConstraint(
                condition=Q(purpose="pay", amount_micros__gt=0) | Q(purpose="connect_card", amount_micros=None),
                name="payment_link_has_an_amount_to_pay",
            ),
        ]
        indexes = [models.Index("wallet", "created_at", name="payment_link_by_wallet")]

    def __str__(self) -> str:
        return f"payment link {self.id} ({self.purpose})"

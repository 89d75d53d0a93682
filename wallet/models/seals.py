"""Seals: digests over what was booked, chained, so that a row that is changed or missing later is found."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from wallet.models.wallets import Wallet


class Seal(models.Model):
    """A digest over a stretch of one wallet's book, chained to the seal before it. Added to, never changed."""

    pk = models.CompositePrimaryKey("wallet_id", "number")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="seals", db_index=False)
    number = models.BigIntegerField(help_text="1, 2, 3 … per wallet, without a hole.")
    day = models.DateField(help_text="The day, in UTC, at whose end it was made.")
    after_seq = models.BigIntegerField(help_text="It covers the rows above this one …")
    through_seq = models.BigIntegerField(help_text="… up to and with this one.")
    rows_sha256 = models.BinaryField(max_length=32, help_text="Over the rows that it covers.")
    chain_sha256 = models.BinaryField(max_length=32, help_text="Over the chain so far: the seal before it, and this one's rows.")
    sealed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(through_seq__gt=models.F("after_seq")), name="seal_covers_rows")]
        indexes = [models.Index("day", name="seal_by_day")]

    def __str__(self) -> str:
        return f"seal {self.number} of {self.wallet_id}"


class DaySeal(models.Model):
    """One digest over all seals of a day, chained to the day before: the one line to keep outside of the database."""

    day = models.DateField(primary_key=True)
    seals = models.BigIntegerField()
    transfers = models.BigIntegerField()
    chain_sha256 = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"{self.day} {bytes(self.chain_sha256).hex()}"

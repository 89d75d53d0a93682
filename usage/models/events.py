"""What was used: events that were charged, events kept aside, and the sums of each day."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from usage.models.prices import Meter, Rate
from wallet.models import Wallet

STRETCH_BITS = 18
"""A stretch is 2 ** 18 rows of a wallet's ledger. What hardly comes twice is indexed stretch by stretch: new uses then go where the
newest went, however long the book is, and a search looks into each stretch once."""
_STRETCH = F("transfer_seq").bitrightshift(STRETCH_BITS)


class Event(models.Model):
    """One reported use, priced once and for ever. Its row is written with its transfer, under the wallet's lock.

    The identity of a CloudEvent is its source and id; `key` is the first 128 bits of SHA-256 over both, so that the
    index stays small and never depends on how long a platform's ids are.
    """

    pk = models.CompositePrimaryKey("wallet_id", "key")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="events", db_index=False)
    key = models.UUIDField(help_text="Identity: from source and id.")
    content = models.UUIDField(help_text="First 128 bits of SHA-256 over what was reported: the same id with other content is refused.")
    source = models.CharField(max_length=200)
    event_id = models.CharField(max_length=200)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+", db_index=False)
    happened_at = models.DateTimeField(help_text="The event's own time; the price in force then was taken.")
    received_at = models.DateTimeField(db_default=Now())
    day = models.DateField(
        db_default=Now(),
        help_text="The day it counts on, in the workspace's zone: its own, or that of its booking where its month was closed.",
    )
    is_late = models.BooleanField(db_default=False, help_text="Of an earlier month, which was closed when it was reported.")
    quantity = models.BigIntegerField(help_text="What was measured, in whole units of the meter.")
    billed_quantity = models.BigIntegerField(help_text="What was charged, after first block and step.")
    rate = models.ForeignKey(
        Rate,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Null where no rate is needed: lab and emergency calls.",
    )
    used_before = models.BigIntegerField(default=0, help_text="Billed units of this meter earlier in the month, where the rate has tiers.")
    remainder = models.BigIntegerField(default=0, help_text="What rounding dropped (+) or added (−), over the rate's per_units, in micros.")
    amount_micros = models.BigIntegerField()
    transfer_seq = models.BigIntegerField(null=True, help_text="The row in the ledger; null for lab use, which never reaches it.")
    hold_id = models.UUIDField(null=True, help_text="The hold that this use was started with.")
    agent = models.CharField(max_length=100, blank=True, help_text="The platform's name of the agent.")
    number = models.CharField(max_length=32, blank=True, help_text="The other side's number, E.164.")
    own_number = models.CharField(max_length=32, blank=True, help_text="The workspace's number that the use ran on, E.164.")
    api_key = models.CharField(max_length=64, blank=True, db_default="", help_text="The public part of the key that reported it.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=0) & Q(billed_quantity__gte=0), name="event_quantities_are_not_negative"),
            models.CheckConstraint(condition=Q(amount_micros__gte=0), name="event_amount_is_not_negative"),
            models.CheckConstraint(condition=Q(amount_micros=0) | Q(transfer_seq__isnull=False), name="event_charged_has_a_transfer"),
        ]
        indexes = [
            models.Index("wallet", "hold_id", condition=Q(hold_id__isnull=False), name="event_by_hold"),
            models.Index("wallet", "transfer_seq", condition=Q(transfer_seq__isnull=False), name="event_by_transfer"),
            models.Index("wallet", "agent", "transfer_seq", condition=~Q(agent=""), name="event_by_agent"),
            models.Index("wallet", _STRETCH, "number", "transfer_seq", condition=~Q(number=""), name="event_by_number_in_stretch"),
            models.Index(
                "wallet", _STRETCH, "event_id", "transfer_seq", condition=Q(transfer_seq__isnull=False), name="event_by_id_in_stretch"
            ),
            models.Index("wallet", "own_number", "transfer_seq", condition=~Q(own_number=""), name="event_by_own_number"),
        ]

    def __str__(self) -> str:
        return f"{self.meter_id} {self.source} {self.event_id}"


class UsageDay(models.Model):
    """The sums of one meter on one day in the workspace's zone, kept in the transaction of each charge: pages never scan events.

    A use that is reported after its month was closed stands on the day it was booked, as late: a closed month stays closed.
    """

    pk = models.CompositePrimaryKey("wallet_id", "day", "meter_id", "is_late")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="usage_days", db_index=False)
    day = models.DateField()
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_late = models.BooleanField(default=False, help_text="Uses of an earlier, closed month.")
    events = models.BigIntegerField()
    quantity = models.BigIntegerField()
    billed_quantity = models.BigIntegerField()
    amount_micros = models.BigIntegerField()

    class Meta:
        # For those who look at one day of all wallets. Rows are added day by day, so the smallest of indexes finds them.
        indexes = [BrinIndex(fields=["day"], name="usage_day_by_day", pages_per_range=32)]

    def __str__(self) -> str:
        return f"{self.meter_id} on {self.day}"


class KeptEvent(models.Model):
    """A report that could not be charged, kept with the reason until the operator mends, replays or discards it.

    The same report again is the same row, unless another key sent it, which may reach what this one does not.
    """

    class Status(models.TextChoices):
        KEPT = "kept", "Kept aside"
        REPLAYED = "replayed", "Replayed"
        DISCARDED = "discarded", "Discarded"

    source = models.CharField(max_length=200, blank=True)
    event_id = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    type = models.CharField(max_length=200, blank=True)
    body = models.TextField(help_text="What was received, as JSON text.")
    body_sha256 = models.CharField(max_length=64)
    reach = models.BigIntegerField(null=True, help_text="The workspace of the key that reported it; null for a platform key.")
    api_key = models.CharField(max_length=64, blank=True, db_default="", help_text="The public part of that key.")
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300, help_text="What is wrong and what to do, for a person.")
    status = models.CharField(max_length=9, choices=Status, default=Status.KEPT)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=300, blank=True, help_text="Why it was discarded, or what became of the replay.")
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, null=True, related_name="+", help_text="Whose event it became when it was replayed."
    )
    key = models.UUIDField(null=True, help_text="And which: the key of that event.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["body_sha256", "reach"],
                condition=Q(status="kept"),
                nulls_distinct=False,
                name="kept_event_is_kept_once_for_each_reach",
            ),
            models.CheckConstraint(
                condition=Q(status="kept", resolved_at=None) | (~Q(status="kept") & Q(resolved_at__isnull=False)),
                name="kept_event_is_kept_or_resolved",
            ),
            models.CheckConstraint(
                condition=Q(status="replayed", wallet__isnull=False, key__isnull=False)
                | (~Q(status="replayed") & Q(wallet=None, key=None)),
                name="kept_event_names_its_event_once_replayed",
            ),
        ]
        indexes = [models.Index("code", "received_at", condition=Q(status="kept"), name="kept_event_by_reason")]

    def __str__(self) -> str:
        return f"{self.code}: {self.source} {self.event_id}"

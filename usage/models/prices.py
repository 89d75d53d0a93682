"""Prices as data: meters, rate cards and rates. Facts and constraints only; what a use costs is rating.py's.

The guards beside migration 0002 keep what stands from being changed, and raise the price version at every change.
"""

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.functional import cached_property

from usage.kinds import UsageKind
from wallet.models import Wallet
from wallet.money import CURRENCIES, MAX_MICROS

if TYPE_CHECKING:
    from workspaces.models import Workspace

METER_KEY = r"^[a-z][a-z0-9_.-]*\Z"
PREFIX = r"^[0-9]*\Z"
TIERS_MAX = 20


class MeterKind(models.TextChoices):
    """What a meter's use is: a kind of use as it stands in the ledger, or lab use, which never gets there."""

    CALL_OUT = UsageKind.CALL_OUT.value, UsageKind.CALL_OUT.label
    CALL_IN = UsageKind.CALL_IN.value, UsageKind.CALL_IN.label
    MESSAGE_OUT = UsageKind.MESSAGE_OUT.value, UsageKind.MESSAGE_OUT.label
    MESSAGE_IN = UsageKind.MESSAGE_IN.value, UsageKind.MESSAGE_IN.label
    AI_TASK = UsageKind.AI_TASK.value, UsageKind.AI_TASK.label
    LAB = "lab", "Lab use"

    @property
    def is_inbound(self) -> bool:
        """Goes on for the grace time after the money ran out: nobody can tell a caller not to call."""
        return self in (MeterKind.CALL_IN, MeterKind.MESSAGE_IN)

    @property
    def is_free(self) -> bool:
        """Always allowed and never charged, whatever a rate says."""
        return self is MeterKind.LAB

    @property
    def is_call(self) -> bool:
        """Lasts, so that it has a clock and a longest duration."""
        return self in (MeterKind.CALL_OUT, MeterKind.CALL_IN)

    @property
    def is_message(self) -> bool:
        return self in (MeterKind.MESSAGE_OUT, MeterKind.MESSAGE_IN)

    @property
    def usage_kind(self) -> UsageKind | None:
        """The kind of the transfers that charge it; None for lab use, which is never charged."""
        return None if self is MeterKind.LAB else UsageKind(self.value)


class Meter(models.Model):
    """Something that is measured. Events name it by its key; unit and kind never change, or old prices would mean something else."""

    key = models.CharField(
        max_length=64, primary_key=True, validators=[RegexValidator(METER_KEY)], help_text="What an event's type says, as in call_out."
    )
    name = models.CharField(max_length=100, help_text="What the customer reads.")
    unit = models.CharField(max_length=30, help_text="One of what is counted: second, segment, message, task, token, run.")
    kind = models.CharField(max_length=16, choices=MeterKind)
    live_meter = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="lab_meters",
        limit_choices_to=~Q(kind=MeterKind.LAB),
        help_text="For lab use: what the same would have been counted on live, in the same unit, to say what it would have cost.",
    )
    is_active = models.BooleanField(default=True, help_text="Events of a meter that is switched off are kept aside.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(key__regex=METER_KEY), name="meter_key_is_a_slug"),
            models.CheckConstraint(condition=~Q(name="") & ~Q(unit=""), name="meter_has_name_and_unit"),
            models.CheckConstraint(condition=Q(kind__in=MeterKind.values), name="meter_kind_is_known"),
            models.CheckConstraint(condition=Q(live_meter=None) | Q(kind=MeterKind.LAB), name="meter_live_meter_is_for_lab_use"),
            models.CheckConstraint(condition=~Q(live_meter=F("key")), name="meter_is_not_its_own_live_meter"),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def use(self) -> MeterKind:
        """The kind, with what follows from it."""
        return MeterKind(self.kind)


class RateCard(models.Model):
    """The set of rates in one currency: the default for every workspace, or one workspace's own, which comes first."""

    name = models.CharField(max_length=100)
    currency = models.CharField(
        max_length=3, choices=[(code, known.name) for code, known in CURRENCIES.items()], help_text="ISO 4217, lower case. Never changes."
    )
    workspace: "models.ForeignKey[Workspace | None, Workspace | None]" = models.ForeignKey(
        "workspaces.Workspace",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rate_cards",
        help_text="Whose own card it is; empty for the default card. Never changes.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(currency__in=list(CURRENCIES)), name="rate_card_currency_is_known"),
            models.CheckConstraint(condition=~Q(name=""), name="rate_card_has_a_name"),
            models.UniqueConstraint(fields=["currency"], condition=Q(workspace=None), name="rate_card_default_is_one_per_currency"),
            models.UniqueConstraint(fields=["workspace"], condition=Q(workspace__isnull=False), name="rate_card_own_is_one_per_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.currency})"

    def clean(self) -> None:
        """Raises ValidationError for an own card in a currency that its workspace's wallet does not have: it would price nothing."""
        wallet = Wallet.objects.filter(pk=self.workspace_id).first() if self.workspace_id is not None else None
        if wallet is not None and wallet.currency != self.currency:
            raise ValidationError({"currency": f"This workspace's wallet is in {wallet.currency.upper()}."}, code="other_currency")


def valid_tiers(tiers: Any) -> None:
    """Raises ValidationError unless the tiers climb, each with a price, and the last has no end. The database checks the same."""
    if not isinstance(tiers, list) or len(tiers) > TIERS_MAX:
        raise ValidationError(f"Tiers are a list of at most {TIERS_MAX}.", code="bad_tiers")
    if not all(isinstance(tier, dict) and tier.keys() == {"up_to", "price_micros"} for tier in tiers):
        raise ValidationError("A tier has up_to and price_micros.", code="bad_tiers")
    if not all(_is_whole(tier["price_micros"]) for tier in tiers):
        raise ValidationError("A tier's price is a whole number of micros, zero or more.", code="bad_tiers")
    ends = [tier["up_to"] for tier in tiers]
    if tiers and (ends.pop() is not None or not all(_is_whole(end) and end > 0 for end in ends) or sorted(set(ends)) != ends):
        raise ValidationError("Tiers climb: each ends above the one before, and the last has no end (null).", code="bad_tiers")


def _is_whole(number: Any) -> bool:
    return type(number) is int and 0 <= number <= MAX_MICROS


class ValidityRange(Func):
    """The time in which a rate is in force, half open."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class Rate(models.Model):
    """The price of one meter for one prefix on one card. Never changed but for its end: events name it for ever."""

    card = models.ForeignKey(RateCard, on_delete=models.PROTECT, related_name="rates", db_index=False)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="rates")
    prefix = models.CharField(
        max_length=15,
        blank=True,
        default="",
        validators=[RegexValidator(PREFIX)],
        help_text="The first digits of the E.164 number that it is for, without the plus; empty for everything else.",
    )
    price_micros = models.BigIntegerField(
        validators=[MinValueValidator(0)], help_text="For per_units units. Where there are tiers, that of the first."
    )
    per_units = models.IntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="How many units the price is for: 60 for a price by the minute."
    )
    setup_fee_micros = models.BigIntegerField(
        default=0, validators=[MinValueValidator(0)], help_text="Added once to each use that is not zero."
    )
    first_block = models.IntegerField(default=1, validators=[MinValueValidator(1)], help_text="The least that is billed, in units.")
    step = models.IntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="After the first block, units are billed in steps of this many."
    )
    tiers = models.JSONField(
        default=list,
        blank=True,
        validators=[valid_tiers],
        help_text="Graduated prices by the month's billed units: up_to (null for the last) and price_micros for per_units units.",
    )
    valid_from = models.DateTimeField(help_text="In force from this moment of the use's own time.")
    valid_until = models.DateTimeField(
        null=True, blank=True, help_text="Until just before this moment; the same as valid_from where it never came into force."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(prefix__regex=PREFIX), name="rate_prefix_is_digits"),
            models.CheckConstraint(condition=Q(price_micros__gte=0), name="rate_price_is_not_negative"),
            models.CheckConstraint(condition=Q(setup_fee_micros__gte=0), name="rate_setup_fee_is_not_negative"),
            models.CheckConstraint(condition=Q(per_units__gt=0), name="rate_is_per_units"),
            models.CheckConstraint(condition=Q(first_block__gt=0) & Q(step__gt=0), name="rate_blocks_are_positive"),
            models.CheckConstraint(condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")), name="rate_ends_after_it_begins"),
            ExclusionConstraint(
                name="rate_is_one_at_a_time",
                expressions=[
                    ("card", RangeOperators.EQUAL),
                    ("meter", RangeOperators.EQUAL),
                    ("prefix", RangeOperators.EQUAL),
                    (ValidityRange("valid_from", "valid_until", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
            ),
        ]
        indexes = [models.Index("card", "meter", "prefix", name="rate_by_card_and_meter")]

    def __str__(self) -> str:
        return f"{self.meter_id} +{self.prefix}: {self.price_micros} per {self.per_units}"

    def clean(self) -> None:
        """Raises ValidationError where price and first tier contradict each other. The database checks the same."""
        if self.tiers and self.tiers[0]["price_micros"] != self.price_micros:
            raise ValidationError({"price_micros": "Where there are tiers, the price is that of the first."}, code="bad_tiers")


class PriceVersion(models.Model):
    """One row that changes with every change of meters, cards or rates, by trigger; what is cached is good for one token.

    The number rises and is for people. It may come again after a change was rolled back or the database restored; the
    token never does.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)
    token = models.UUIDField(default=uuid.uuid4)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="price_version_is_one_row")]

    def __str__(self) -> str:
        return f"prices, version {self.number}"

"""What a use costs: billing increments, prices, tiers, the longest prefix. Pure and exact: integers in, integers out.

It knows no database and no clock: which month counts, and what was used in it, is the caller's. Dividing is money.py's alone.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from phonenumbers.shortnumberinfo import SUPPORTED_SHORT_REGIONS, is_emergency_number

from usage.errors import AmountTooLarge, BadQuantity
from wallet.money import MAX_MICROS, divide_ceiling, divide_half_up

QUANTITY_MAX = 10**15
"""The most units that one use may have: with any block and step of the database it still fits into 64 bits."""

_EMERGENCY_DIGITS_MAX = 8
"""No country's emergency number is longer; E.164 numbers are not shorter than that."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a graduated price: the month's billed units up to `up_to`, that one included, at this price. None: all the rest."""

    up_to: int | None
    price_micros: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of a meter for a prefix, from `valid_from` until just before `valid_until`.

    `price_micros` is for `per_units` units: $1.50 per million tokens is 1_500_000 per 1_000_000. Where there are tiers,
    their prices count instead, per `per_units` too. Billing starts with `first_block` units and goes on in steps of `step`.
    """

    id: int
    meter: str
    prefix: str
    price_micros: int
    per_units: int
    setup_fee_micros: int
    first_block: int
    step: int
    tiers: tuple[Tier, ...]
    valid_from: datetime
    valid_until: datetime | None

    def is_in_force(self, at: datetime) -> bool:
        """Whether it is the price of that moment; `at` has a zone."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


class Rated(NamedTuple):
    """The price of one use and how it came about.

    `remainder` is what the one rounding dropped (+) or added (−), in micros over the rate's `per_units`: the exact price is
    amount_micros + remainder / per_units.
    """

    rate_id: int
    prefix: str
    quantity: int
    billed_quantity: int
    amount_micros: int
    remainder: int


def billed(quantity: int, *, first_block: int, step: int) -> int:
    """The units that are charged for: nothing for nothing, else the first block and as many whole steps as the use reaches into.

    Whole units come in: who measures fractions of a second rounds them up before, so that any answered call counts one second.
    """
    if quantity <= first_block:
        return first_block if quantity else 0
    return first_block + divide_ceiling(quantity - first_block, divisor=step) * step


def rate_use(rate: Rate, *, quantity: int, used_this_month: int = 0) -> Rated:
    """The price of a use, rounded once, half up at the micro. No use costs nothing, the set-up fee included.

    `used_this_month` is how many units of the meter were billed in the workspace's month before; only tiers ask for it.
    Raises: BadQuantity, AmountTooLarge.
    """
    if not 0 <= quantity <= QUANTITY_MAX:
        raise BadQuantity(quantity)
    billed_quantity = billed(quantity, first_block=rate.first_block, step=rate.step)
    exact = _tiered(rate.tiers, start=used_this_month, units=billed_quantity) if rate.tiers else billed_quantity * rate.price_micros
    rounded = divide_half_up(exact, divisor=rate.per_units)
    amount_micros = rounded + rate.setup_fee_micros if quantity else 0
    if amount_micros > MAX_MICROS:
        raise AmountTooLarge(rate_id=rate.id, quantity=quantity)
    return Rated(rate.id, rate.prefix, quantity, billed_quantity, amount_micros, exact - rounded * rate.per_units)


def first_block_cost(rate: Rate, *, used_this_month: int = 0) -> int:
    """What must be available before a use may start: set-up fee and first block, in micros."""
    return rate_use(rate, quantity=1, used_this_month=used_this_month).amount_micros


def affordable_quantity(rate: Rate, *, available_micros: int, used_this_month: int = 0, most: int) -> int:
    """The longest use, at most `most` units, that the money pays for: the exact inverse of rate_use. 0 where it cannot even start.

    What is free is not bought, so an overdrawn wallet still gets it: up to `most`, or to the end of a free tier.
    Raises: BadQuantity.
    """
    if not 0 <= most <= QUANTITY_MAX:
        raise BadQuantity(most)

    def cost(quantity: int) -> int:
        try:
            return rate_use(rate, quantity=quantity, used_this_month=used_this_month).amount_micros
        except AmountTooLarge:
            return MAX_MICROS + 1

    # The price never falls as the use grows, so a search over the prices themselves is exact; at most 50 steps.
    return bisect_right(range(most + 1), min(max(available_micros, 0), MAX_MICROS), key=cost) - 1


def _tiered(tiers: tuple[Tier, ...], *, start: int, units: int) -> int:
    return sum(inside * price_micros for inside, price_micros in tier_parts(tiers, start=start, units=units))


def tier_parts(tiers: tuple[Tier, ...], *, start: int, units: int) -> Iterator[tuple[int, int]]:
    """How many of the units fall into which tier, with its price, the month's first `start` units being used up already.

    Raises: BadQuantity.
    """
    if start < 0:
        raise BadQuantity(start)
    end = start + units
    for tier in tiers:
        top = end if tier.up_to is None or tier.up_to > end else tier.up_to
        if top > start:
            yield top - start, tier.price_micros
            start = top


class _Prefixes(NamedTuple):
    """The rates of one meter: which lengths of prefix there are, longest first, and the rates of each prefix."""

    lengths: tuple[int, ...]
    rates: dict[str, tuple[Rate, ...]]


class CardRates:
    """The rates of one card, all times included, prepared for look-up. Shared by every table that uses the card."""

    __slots__ = ("_meters",)

    def __init__(self, rates: Iterable[Rate]) -> None:
        ordered = sorted(rates, key=lambda rate: (rate.meter, rate.prefix))
        self._meters = {meter: _prefixes(of_meter) for meter, of_meter in groupby(ordered, key=lambda rate: rate.meter)}

    def find(self, meter: str, *, digits: str, at: datetime) -> Rate | None:
        """The rate of the longest prefix of `digits` that has one in force."""
        known = self._meters.get(meter)
        if known is None:
            return None
        for length in known.lengths:
            for rate in known.rates.get(digits[:length], ()):
                if rate.is_in_force(at):
                    return rate
        return None


def _prefixes(rates: Iterable[Rate]) -> _Prefixes:
    by_prefix = {prefix: tuple(same) for prefix, same in groupby(rates, key=lambda rate: rate.prefix)}
    # The newest first: most uses are reported within the hour.
    newest_first = {prefix: tuple(sorted(same, key=lambda rate: rate.valid_from, reverse=True)) for prefix, same in by_prefix.items()}
    return _Prefixes(tuple(sorted({len(prefix) for prefix in by_prefix}, reverse=True)), newest_first)


NO_RATES = CardRates(())
"""The card of a workspace that has none of its own."""


class RateTable:
    """The prices of one workspace: its own card, and the default card of its currency.

    The longest prefix that has a rate in force wins across both cards, and the workspace's own wins a tie: its own rate
    for +44 does not make +447 cheaper where the default card prices +447.
    """

    __slots__ = ("_default", "_own")

    def __init__(self, *, own: CardRates, default: CardRates) -> None:
        self._own = own
        self._default = default

    def find(self, meter: str, *, destination: str, at: datetime) -> Rate | None:
        """The rate in force at the event's own time, or None where nothing prices it.

        A destination is matched by its digits if it is E.164, with its plus. Short numbers, names and SIP addresses have
        no country, so they get the rate without a prefix, as uses without a destination do. `at` has a zone.
        """
        digits = destination[1:] if destination.startswith("+") else ""
        own = self._own.find(meter, digits=digits, at=at)
        default = self._default.find(meter, digits=digits, at=at)
        if own is None or (default is not None and len(default.prefix) > len(own.prefix)):
            return default
        return own


def is_emergency(destination: str) -> bool:
    """Whether the destination is an emergency number anywhere in the world, as 112 and 911 are. An E.164 number never is."""
    if len(destination) > _EMERGENCY_DIGITS_MAX or not (destination.isascii() and destination.isdigit()):
        return False
    return _is_emergency_somewhere(destination)


@lru_cache(maxsize=4096)
def _is_emergency_somewhere(digits: str) -> bool:
    """Any country's: the platform may not know where the caller stands, and a wrong no costs more than a free short call."""
    return any(is_emergency_number(digits, region) for region in SUPPORTED_SHORT_REGIONS)

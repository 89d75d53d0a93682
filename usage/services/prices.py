"""Prices in force: looked up by everything that charges, published and ended by whoever sets them.

What a use costs is rating.py's; here is only which rates there are. Whoever changes prices locks the price version first.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from usage import rating
from usage.errors import RateBackdated, RateEnded, RateOverlaps, TermsInvalid, UnknownMeter
from usage.models import Meter, PriceVersion, Rate, RateCard
from usage.rating import NO_RATES, CardRates, RateTable, Tier
from wallet.models import Wallet
from wallet.money import currency_of

OWN_CARDS_MAX = 5_000
"""Own cards that one process remembers; when there are more it forgets them all and starts over."""

RATES_MAX = 10_000
"""The most rates that one call publishes, so that the prices are locked for seconds at most."""


# ---------------------------------------------------------------- looking up
class Prices:
    """All prices of one version, read as they are asked for and shared by the threads of a process."""

    def __init__(self, token: UUID) -> None:
        self.token = token
        self._meters = {meter.key: meter for meter in Meter.objects.filter(is_active=True)}
        self._with_own_card = set(RateCard.objects.filter(workspace__isnull=False).values_list("workspace_id", flat=True))
        self._defaults: dict[str, CardRates] = {}
        self._own: dict[int, CardRates] = {}

    def meter(self, key: str) -> Meter | None:
        """The meter of that key, unless it is unknown or switched off."""
        return self._meters.get(key)

    def table(self, workspace_id: int, *, currency: str) -> RateTable:
        """The rate table of a workspace whose wallet is in that currency."""
        return RateTable(own=self._own_card(workspace_id, currency), default=self._default_card(currency))

    def _default_card(self, currency: str) -> CardRates:
        card = self._defaults.get(currency)
        if card is None:
            card = _read_card(Rate.objects.filter(card__workspace=None, card__currency=currency))
            if self._is_current():
                self._defaults[currency] = card
        return card

    def _own_card(self, workspace_id: int, currency: str) -> CardRates:
        if workspace_id not in self._with_own_card:
            return NO_RATES
        card = self._own.get(workspace_id)
        if card is None:
            card = _read_card(Rate.objects.filter(card__workspace_id=workspace_id, card__currency=currency))
            if self._is_current():
                self._remember(workspace_id, card)
        return card

    def _remember(self, workspace_id: int, card: CardRates) -> None:
        if len(self._own) >= OWN_CARDS_MAX:
            self._own = {}
        self._own[workspace_id] = card

    def _is_current(self) -> bool:
        """Asked after reading and before sharing: what this transaction has changed, or another since, is not of this version."""
        return _current_token() == self.token


_shared: Prices | None = None


def current_prices() -> Prices:
    """The prices as this transaction sees them: one tiny query, and some more where another version was seen last.

    The token is unique to each change, so that neither a change that is rolled back nor a database that is restored
    can pass for another. Everyone sees a change with their first look after its commit.
    """
    global _shared
    prices = _shared
    token = _current_token()
    if prices is None or prices.token != token:
        prices = Prices(token)
        if _current_token() == token:
            _shared = prices
    return prices


def rate_table(wallet: Wallet) -> RateTable:
    """The prices in force for a wallet, as this transaction sees them."""
    return current_prices().table(wallet.pk, currency=wallet.currency)


def rate_of_id(rate_id: int) -> rating.Rate:
    """One rate as it is for ever, in force or not. Raises: Rate.DoesNotExist."""
    return _prepared(Rate.objects.get(pk=rate_id))


def _current_token() -> UUID:
    return PriceVersion.objects.values_list("token", flat=True).get()


def _read_card(rates: QuerySet[Rate]) -> CardRates:
    return CardRates(_prepared(rate) for rate in rates)


def _prepared(rate: Rate) -> rating.Rate:
    return rating.Rate(
        id=rate.pk,
        meter=rate.meter_id,
        prefix=rate.prefix,
        price_micros=rate.price_micros,
        per_units=rate.per_units,
        setup_fee_micros=rate.setup_fee_micros,
        first_block=rate.first_block,
        step=rate.step,
        tiers=tuple(Tier(**tier) for tier in rate.tiers),
        valid_from=rate.valid_from,
        valid_until=rate.valid_until,
    )


# ---------------------------------------------------------------- publishing
@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a rate says, apart from when: see usage.models.Rate. Where there are tiers, the price is that of the first."""

    meter: str
    price_micros: int
    prefix: str = ""
    per_units: int = 1
    setup_fee_micros: int = 0
    first_block: int = 1
    step: int = 1
    tiers: tuple[Tier, ...] = ()

    def as_rate(self, card: RateCard, *, valid_from: datetime, valid_until: datetime | None) -> Rate:
        """The row to be. Raises: TermsInvalid."""
        rate = Rate(
            card=card,
            meter_id=self.meter,
            prefix=self.prefix,
            price_micros=self.price_micros,
            per_units=self.per_units,
            setup_fee_micros=self.setup_fee_micros,
            first_block=self.first_block,
            step=self.step,
            tiers=[{"up_to": tier.up_to, "price_micros": tier.price_micros} for tier in self.tiers],
            valid_from=valid_from,
            valid_until=valid_until,
        )
        try:
            rate.full_clean(exclude=["card", "meter"], validate_unique=False, validate_constraints=False)
        except ValidationError as error:
            raise TermsInvalid(f"{self.meter} +{self.prefix}: {' '.join(error.messages)}") from error
        return rate


_TERMS = ("price_micros", "per_units", "setup_fee_micros", "first_block", "step", "tiers")


def open_default_card(currency: str, *, name: str) -> RateCard:
    """The card for every workspace with that currency. Idempotent by: the currency. Raises: UnknownCurrency."""
    card, _ = RateCard.objects.get_or_create(workspace=None, currency=currency_of(currency).code, defaults={"name": name})
    return card


def open_own_card(wallet: Wallet, *, name: str) -> RateCard:
    """The workspace's own card, in its wallet's currency. Idempotent by: the workspace."""
    card, _ = RateCard.objects.get_or_create(workspace_id=wallet.pk, defaults={"name": name, "currency": wallet.currency})
    return card


@transaction.atomic
def publish_rates(card: RateCard, *, terms: Sequence[Terms], valid_from: datetime | None = None) -> list[Rate]:
    """Put the terms in force from `valid_from`, or from now: ends what stands and opens the new, all or nothing.

    What says the same as before is left as it is; a rate planned for later stays, and the new one ends where it begins.
    A rate may begin in the past where nothing stood, so that uses which were kept aside for want of one can be replayed.

    Locks: price version. Idempotent by: the terms.
    Raises: RateBackdated, RateOverlaps, TermsInvalid, UnknownMeter, with nothing changed; ValueError over RATES_MAX.
    """
    if len(terms) > RATES_MAX:
        raise ValueError(f"At most {RATES_MAX} rates in one call, not {len(terms)}.")
    now = lock_prices()
    starts = valid_from or now
    _demand_meters(terms)
    _demand_once(terms, at=starts)
    known = _not_ended(card, at=starts)
    changes = [_change(card, one, known=known[one.meter, one.prefix], starts=starts, now=now) for one in terms]
    Rate.objects.filter(pk__in=[change.ended.pk for change in changes if change.ended is not None]).update(valid_until=starts)
    Rate.objects.bulk_create([change.rate for change in changes if change.is_new], batch_size=1000)
    return [change.rate for change in changes]


@transaction.atomic
def end_rate(rate_id: int) -> Rate:
    """End a rate now; one that is planned for later never comes into force. Nothing takes its place.

    Locks: price version. Raises: RateEnded, Rate.DoesNotExist.
    """
    now = lock_prices()
    rate = Rate.objects.get(pk=rate_id)
    if rate.valid_until is not None and rate.valid_until <= max(now, rate.valid_from):
        raise RateEnded(rate_id)
    rate.valid_until = max(now, rate.valid_from)
    rate.save(update_fields=["valid_until"])
    return rate


def lock_prices() -> datetime:
    """The database's time, read once everybody else who changes prices has finished: the last to come has the last word.

    The lock lasts until the caller's transaction ends.

    Without this lock first, one who inserts before another's version is raised, and waits for it, could be waited for.
    """
    PriceVersion.objects.select_for_update().get()
    now: datetime = PriceVersion.objects.values_list(Now(), flat=True).get()
    return now


def _demand_meters(terms: Sequence[Terms]) -> None:
    known = set(Meter.objects.values_list("key", flat=True))
    for one in terms:
        if one.meter not in known:
            raise UnknownMeter(one.meter)


def _demand_once(terms: Sequence[Terms], *, at: datetime) -> None:
    seen: set[tuple[str, str]] = set()
    for one in terms:
        if (one.meter, one.prefix) in seen:
            raise RateOverlaps(meter=one.meter, prefix=one.prefix, at=at)
        seen.add((one.meter, one.prefix))


def _not_ended(card: RateCard, *, at: datetime) -> dict[tuple[str, str], list[Rate]]:
    """The card's rates in force at that moment or later, by meter and prefix, the earliest first."""
    known: dict[tuple[str, str], list[Rate]] = defaultdict(list)
    still = Rate.objects.filter(Q(valid_until=None) | Q(valid_until__gt=at), card=card)
    for rate in still.exclude(valid_from=F("valid_until")).order_by("valid_from"):
        known[rate.meter_id, rate.prefix].append(rate)
    return known


@dataclass(frozen=True)
class _Change:
    """What publishing one rate comes to: the rate in force then, new or as it stood, and the one that ends for it."""

    rate: Rate
    is_new: bool
    ended: Rate | None = None


def _change(card: RateCard, terms: Terms, *, known: list[Rate], starts: datetime, now: datetime) -> _Change:
    standing = next((rate for rate in known if rate.valid_from <= starts), None)
    planned = next((rate for rate in known if rate.valid_from > starts), None)
    ends = planned.valid_from if planned is not None else None
    rate = terms.as_rate(card, valid_from=starts, valid_until=ends)
    if standing is None:
        return _Change(rate, is_new=True)
    if standing.valid_until == ends and _says_the_same(standing, rate):
        return _Change(standing, is_new=False)
    if standing.valid_from == starts:
        raise RateOverlaps(meter=terms.meter, prefix=terms.prefix, at=starts)
    if starts < now:
        raise RateBackdated(meter=terms.meter, prefix=terms.prefix, at=starts)
    return _Change(rate, is_new=True, ended=standing)


def _says_the_same(one: Rate, other: Rate) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _TERMS)

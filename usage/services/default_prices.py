"""Gives an installation that has no prices the default meters and price list. Never touches a price that somebody set."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from usage.default_prices import CURRENCIES, IN_FORCE_SINCE, METERS, RATES
from usage.models import Meter, PriceVersion, RateCard
from usage.services.prices import Terms, open_default_card, publish_rates


@dataclass(frozen=True)
class Seeded:
    """What was missing and has been added."""

    meters: int
    cards: int
    rates: int


@transaction.atomic
def seed_default_prices() -> Seeded:
    """Add the default meters and default cards that are missing.

    A card that is new gets the whole list. A card that stood before gets prices for meters that are new with this run
    and for nothing else: what an operator leaves without a price, or has ended, stays so.

    Locks: price version, so that two that start at once seed once. Idempotent.
    """
    PriceVersion.objects.select_for_update().get()
    meters = _add_missing_meters()
    standing = set(RateCard.objects.filter(workspace=None, currency__in=CURRENCIES).values_list("currency", flat=True))
    rates = 0
    for currency in CURRENCIES:
        priced = meters if currency in standing else {meter.key for meter in METERS}
        card = open_default_card(currency, name=f"Standard {currency.upper()}")
        rates += len(publish_rates(card, terms=_terms(currency, meters=priced), valid_from=IN_FORCE_SINCE))
    return Seeded(meters=len(meters), cards=len(CURRENCIES) - len(standing), rates=rates)


def _add_missing_meters() -> set[str]:
    standing = set(Meter.objects.values_list("key", flat=True))
    missing = [meter for meter in METERS if meter.key not in standing]
    Meter.objects.bulk_create(
        Meter(key=meter.key, name=meter.name, unit=meter.unit, kind=meter.kind, live_meter_id=meter.live_meter) for meter in missing
    )
    return {meter.key for meter in missing}


def _terms(currency: str, *, meters: Collection[str]) -> list[Terms]:
    column = CURRENCIES.index(currency)
    return [
        Terms(
            meter=rate.meter,
            prefix=prefix,
            price_micros=rate.micros[column],
            per_units=rate.per_units,
            first_block=rate.block,
            step=rate.block,
        )
        for rate in RATES
        if rate.meter in meters
        for prefix in rate.prefixes
    ]

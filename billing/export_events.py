"""The uses of a wallet as CSV: what was measured, the price that stood, what was billed. Those of the history; lab use is in neither."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from billing.export import Sheet, defused, local_times
from usage.event_queries import events_of_rows
from usage.models import Event, Meter, Rate
from wallet.csv_text import Cells
from wallet.models import Transfer, Wallet
from wallet.money import plain_decimal

COLUMNS = (
    "booked_at",
    "happened_at",
    "meter",
    "event",
    "source",
    "number",
    "own_number",
    "agent",
    "measured",
    "billed",
    "unit",
    "price",
    "per_units",
    "setup_fee",
    "prefix",
    "amount",
    "currency",
    "of_an_earlier_month",
    "hold",
    "entry",
)


def _event_lines(wallet: Wallet, transfers: list[Transfer], zone: ZoneInfo) -> Iterator[Cells]:
    """One line for each use; money that came in has none."""
    events = events_of_rows(wallet, [transfer.seq for transfer in transfers])
    # Few of each among thousands of uses: read once for all of them, not once more in every row.
    units = dict(Meter.objects.filter(pk__in={event.meter_id for event in events.values()}).values_list("pk", "unit"))
    rates = Rate.objects.in_bulk({event.rate_id for event in events.values() if event.rate_id is not None})
    for transfer in transfers:
        if event := events.get(transfer.seq):
            rate = rates[event.rate_id] if event.rate_id is not None else None
            yield _cells(transfer, event, rate=rate, unit=units[event.meter_id], currency=wallet.currency, zone=zone)


EVENTS = Sheet("events", COLUMNS, _event_lines)


def _cells(transfer: Transfer, event: Event, *, rate: Rate | None, unit: str, currency: str, zone: ZoneInfo) -> Cells:
    """The price is the rate's first: tiers, first block and step are explained on the charge's own page."""
    return (
        *local_times(zone, transfer.posted_at, event.happened_at),
        event.meter_id,
        defused(event.event_id),
        defused(event.source),
        defused(event.number),
        defused(event.own_number),
        defused(event.agent),
        event.quantity,
        event.billed_quantity,
        defused(unit),
        plain_decimal(rate.price_micros) if rate else "",
        rate.per_units if rate else "",
        plain_decimal(rate.setup_fee_micros) if rate else "",
        rate.prefix if rate else "",
        plain_decimal(event.amount_micros),
        currency.upper(),
        "yes" if event.is_late else "",
        str(event.hold_id or ""),
        transfer.seq,
    )

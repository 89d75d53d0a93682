"""The uses of a wallet as CSV: what was measured, the price that stood, what was billed. Those of the history; lab use is in neither."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from billing.export import Cells, Sheet, defused, local_times
from usage.models import Event
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
    rows = Event.objects.select_related("meter", "rate").filter(wallet=wallet, transfer_seq__in=[transfer.seq for transfer in transfers])
    events = {event.transfer_seq: event for event in rows}
    found = ((transfer, events.get(transfer.seq)) for transfer in transfers)
    return (_cells(transfer, event, wallet.currency, zone) for transfer, event in found if event is not None)


EVENTS = Sheet("events", COLUMNS, _event_lines)


def _cells(transfer: Transfer, event: Event, currency: str, zone: ZoneInfo) -> Cells:
    """The price is the rate's first: tiers, first block and step are explained on the charge's own page."""
    rate = event.rate
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
        defused(event.meter.unit),
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

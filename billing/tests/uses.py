"""Reported uses for tests of the pages: taken in as the platform reports them, with prices of round figures."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from usage.cloud_events import CloudEvent, UseData, made_here
from usage.models import Meter, Rate, RateCard
from usage.services.ingestion import Outcome, Reporter, Taken, take_events
from wallet.models import Transfer, Wallet

SOURCE = "/calls/eu-1"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_numbers = count(1)


def set_prices(*, currency: str = "usd", **call_out: Any) -> Rate:
    """Meters of each kind and a price for each; `call_out` changes that of outbound calls, which is 1.5 cents a minute in steps of 6 s."""
    units = {"call_out": "second", "call_in": "second", "message_out": "segment", "ai_task": "task", "ai_tokens": "token"}
    card = RateCard.objects.create(name="Standard", currency=currency)
    for key, unit in units.items():
        Meter.objects.create(key=key, name=key.replace("_", " ").capitalize(), unit=unit, kind="ai_task" if key.startswith("ai") else key)
    for key in units:
        if key != "call_out":
            Rate.objects.create(card=card, meter_id=key, price_micros=10_000, valid_from=LONG_AGO)
    facts: dict[str, Any] = {"prefix": "1", "price_micros": 15_000, "per_units": 60, "first_block": 6, "step": 6} | call_out
    rate: Rate = Rate.objects.create(card=card, meter_id="call_out", valid_from=LONG_AGO, **facts)
    return rate


def event(
    wallet: Wallet, meter: str = "call_out", *, event_id: str = "", at: datetime | None = None, source: str = SOURCE, **data: Any
) -> CloudEvent:
    """An event of 62 seconds to a number in North America, unless told otherwise."""
    given: dict[str, Any] = (
        {"duration_seconds": 62} if meter.startswith("call") and "quantity" not in data and "answered" not in data else {}
    )
    if meter in ("call_out", "message_out"):
        given["to"] = "+14155550142"
    return CloudEvent(
        id=event_id or f"evt-{next(_numbers)}",
        source=source,
        type=meter,
        specversion="1.0",
        subject=wallet.workspace.public_id,
        time=at,
        data=UseData(**(given | data)),
    )


def report(*events: CloudEvent) -> list[Outcome]:
    """Taken in at once; all must be charged."""
    outcomes = take_events([made_here(one) for one in events], reporter=Reporter())
    assert all(outcome.taken is Taken.CHARGED for outcome in outcomes), outcomes
    return outcomes


def newest(wallet: Wallet) -> Transfer:
    """The last row of the book."""
    return Transfer.objects.filter(wallet=wallet).latest("seq")

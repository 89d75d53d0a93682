"""What tests of uses begin with: a price list of round figures, a wallet with money, the platform's key, and events to report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from usage.cloud_events import BATCH, SINGLE
from usage.models import Event, KeptEvent, Meter
from usage.rating import Tier
from usage.services.prices import Terms, open_default_card, publish_rates
from wallet.ledger import post
from wallet.models import Account, Transfer, Wallet
from wallet.tests.builders import adjustment, entry, make_wallet
from workspaces.models import Workspace
from workspaces.tests.api_caller import Answer, Caller, caller, new_key

CENT, DOLLAR = 10_000, 1_000_000
MINUTE_MICROS = 60 * CENT
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

METERS = (
    ("call_out", "second", "call_out"),
    ("call_in", "second", "call_in"),
    ("message_out", "segment", "message_out"),
    ("message_in", "segment", "message_in"),
    ("ai_task", "task", "ai_task"),
    ("ai_tokens", "token", "ai_task"),
    ("voice_lab", "second", "lab"),
)
PRICES = (
    # A cent a second, by the minute; twice that to the United Kingdom.
    Terms(meter="call_out", price_micros=CENT, first_block=60, step=60),
    Terms(meter="call_out", prefix="44", price_micros=2 * CENT, first_block=60, step=60),
    Terms(meter="call_in", price_micros=CENT // 2),
    Terms(meter="message_out", price_micros=CENT),
    Terms(meter="message_in", price_micros=CENT // 10),
    Terms(meter="ai_task", price_micros=5 * CENT, tiers=(Tier(10, 5 * CENT), Tier(None, 2 * CENT))),
    Terms(meter="ai_tokens", price_micros=15),
)
US, UK = "+14155550142", "+442079460000"
_numbers = count(1)


def seed_prices() -> None:
    """The meters and the default card in dollars."""
    Meter.objects.bulk_create(Meter(key=key, name=key, unit=unit, kind=kind) for key, unit, kind in METERS)
    publish_rates(open_default_card("usd", name="Standard USD"), terms=PRICES, valid_from=LONG_AGO)


def new_event(**changes: Any) -> dict[str, Any]:
    """A call of a minute to the United States, never reported before; `data` adds to its data, None leaves something out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e-{next(_numbers)}",
        "source": "/calls",
        "type": "call_out",
    } | changes
    if event["type"] in ("call_out", "call_in", "voice_lab"):
        event["data"] = {"duration_seconds": 60, "to": US} | changes.get("data", {})
    for name in [name for name, value in event.items() if value is None]:
        del event[name]
    event["data"] = {name: value for name, value in event.get("data", {}).items() if value is not None}
    return event


@dataclass
class Metering:
    """Alice's wallet, and the platform that reports what she uses."""

    wallet: Wallet
    platform: Caller

    # ---------------------------------------------------------------- what the platform does
    @property
    def subject(self) -> str:
        return self.wallet.workspace.public_id

    def event(self, **changes: Any) -> dict[str, Any]:
        return new_event(**{"subject": self.subject, **changes})

    def report(self, *events: Mapping[str, Any], by: Caller | None = None) -> Answer:
        """A batch."""
        return (by or self.platform).send("POST", "/events", body=json.dumps(events), content_type=BATCH)

    def report_one(self, event: Mapping[str, Any] | bytes, *, by: Caller | None = None) -> Answer:
        """One, structured."""
        body = event if isinstance(event, bytes) else json.dumps(event)
        return (by or self.platform).send("POST", "/events", body=body, content_type=SINGLE)

    def hold(self, *, key: str = "", by: Caller | None = None, **use: Any) -> Answer:
        """A call to the United States, unless said otherwise."""
        asked = {"subject": self.subject, "meter": "call_out", "destination": US, "expected_quantity": 60} | use
        return (by or self.platform).post(
            "/holds", {name: value for name, value in asked.items() if value is not None}, key=key or new_key()
        )

    def act(self, verb: str, hold: str, *, key: str = "", **more: Any) -> Answer:
        """Extend, capture or release."""
        return self.platform.post(f"/holds/{hold}/{verb}", {"subject": self.subject, **more}, key=key or new_key())

    def look(self, **asked: Any) -> Answer:
        query = {"subject": self.subject, "meter": "call_out", "destination": US} | asked
        return self.platform.get("/gate?" + "&".join(f"{name}={value}".replace("+", "%2B") for name, value in query.items()))

    # ---------------------------------------------------------------- what the operator does
    def fund(self, micros: int) -> None:
        post(self.wallet.pk, [adjustment(micros)])

    def leave(self, micros: int) -> None:
        """Put money in or take it out, so that this is the balance."""
        more = micros - self.balance
        if more:
            taken = entry(-more, kind="adjustment", debit=Account.WALLET, credit=Account.ADJUSTMENTS)
            post(self.wallet.pk, [adjustment(more) if more > 0 else taken])

    def call_it(self, external_id: str) -> None:
        """The platform's own id for the workspace, from now on."""
        Workspace.objects.filter(pk=self.wallet.pk).update(external_id=external_id)

    def change(self, **columns: Any) -> None:
        """Set columns of the wallet's row, as an operator or as time would."""
        Wallet.objects.filter(pk=self.wallet.pk).update(**columns)

    # ---------------------------------------------------------------- what stands
    @property
    def fresh(self) -> Wallet:
        """The wallet as it is now."""
        return Wallet.objects.select_related("workspace").get(pk=self.wallet.pk)

    @property
    def balance(self) -> int:
        return self.fresh.balance_micros

    @property
    def held(self) -> int:
        return self.fresh.held_micros

    @property
    def charged(self) -> int:
        """The sum of what uses were charged."""
        rows = Transfer.objects.filter(wallet=self.wallet, credit="usage_revenue")
        return rows.aggregate(sum=Sum("amount_micros"))["sum"] or 0

    @property
    def events(self) -> int:
        return Event.objects.filter(wallet=self.wallet).count()

    @property
    def kept(self) -> list[KeptEvent]:
        """What is kept aside now, oldest first."""
        return list(KeptEvent.objects.filter(status="kept").order_by("pk"))


def make_metering(*, name: str = "Alice's Bakery", time_zone: str = "UTC", dollars: int = 10) -> Metering:
    """A workspace with money, and a key of the platform's."""
    wallet = make_wallet(name=name)
    wallet.workspace.time_zone = time_zone
    wallet.workspace.save(update_fields=["time_zone"])
    made = Metering(wallet, caller(None))
    if dollars:
        made.fund(dollars * DOLLAR)
    return made


@pytest.fixture
def prices(db: None) -> None:
    """The meters and prices above."""
    seed_prices()


@pytest.fixture
def metering(prices: None) -> Metering:
    """Ten dollars, and prices."""
    return make_metering()


def seconds_ago(seconds: float) -> str:
    """That moment, as events write it."""
    return datetime.fromtimestamp(timezone.now().timestamp() - seconds, UTC).isoformat()

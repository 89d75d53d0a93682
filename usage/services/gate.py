"""The gate: whether a use may start now, for how long, and why not. Money decides; who asks and how stands in api.py.

Outbound calls, messages and AI work need the price of their first block. Inbound calls and messages go on for the
wallet's grace time and overdraft after the money ran out. Lab use and emergency calls always pass, free.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from usage.errors import Reason
from usage.models import Meter
from usage.queries import units_this_month
from usage.rating import Rate, affordable_quantity, is_emergency
from usage.services.prices import Prices
from wallet.models import Wallet

QUANTITY_MAX = 4 * 3600
"""The longest use that one answer allows: four hours for a call; extend the hold to go on."""


@dataclass(frozen=True)
class Answer:
    """The gate's word. `reason` is None where the use may start; `rate` is None where it is free.

    `max_quantity` units are what the available money buys, in the meter's unit; `floor_micros` is how far available may
    fall, below zero only in the grace time.
    """

    reason: Reason | None
    rate: Rate | None = None
    max_quantity: int = 0
    used_this_month: int = 0
    floor_micros: int = 0
    starts_grace: bool = False

    @property
    def allowed(self) -> bool:
        return self.reason is None


def ask_gate(
    wallet: Wallet, meter: Meter, *, destination: str, expected_quantity: int | None, prices: Prices, now: datetime | None = None
) -> Answer:
    """Whether the use may start. Reads only: whoever places a hold asks under the wallet's lock, whoever just looks need not."""
    now = now or timezone.now()
    if meter.use.is_free or is_emergency(destination):
        return Answer(None, max_quantity=QUANTITY_MAX)
    if wallet.closed_at is not None:
        return Answer(Reason.WALLET_CLOSED)
    if wallet.frozen_at is not None:
        return Answer(Reason.WALLET_FROZEN)
    rate = prices.table(wallet.pk, currency=wallet.currency).find(meter.pk, destination=destination, at=now)
    if rate is None:
        return Answer(Reason.NO_RATE)
    used_this_month = units_this_month(wallet, meter, now=now) if rate.tiers else 0
    return _by_money(wallet, meter, rate, expected_quantity=expected_quantity, used_this_month=used_this_month, now=now)


def _by_money(wallet: Wallet, meter: Meter, rate: Rate, *, expected_quantity: int | None, used_this_month: int, now: datetime) -> Answer:
    # A call may stop when the money does; a message or a task is done whole or not at all.
    wanted = 1 if meter.use.is_call else expected_quantity or 1
    bought = _bought(rate, available_micros=wallet.available_micros, used_this_month=used_this_month)
    if bought >= wanted:
        return Answer(None, rate, bought, used_this_month)
    if not meter.use.is_inbound:
        return Answer(Reason.INSUFFICIENT_FUNDS, rate)
    return _in_grace(wallet, rate, used_this_month=used_this_month, wanted=wanted, now=now)


def _in_grace(wallet: Wallet, rate: Rate, *, used_this_month: int, wanted: int, now: datetime) -> Answer:
    """Nobody can tell a caller not to call: inbound goes on for the grace time, as far as the overdraft reaches."""
    if wallet.grace_until is not None and wallet.grace_until <= now:
        return Answer(Reason.CALLS_PAUSED, rate)
    room_micros = wallet.available_micros + wallet.overdraft_micros
    bought = _bought(rate, available_micros=room_micros, used_this_month=used_this_month)
    if bought < wanted:
        return Answer(Reason.CALLS_PAUSED, rate)
    return Answer(None, rate, bought, used_this_month, floor_micros=-wallet.overdraft_micros, starts_grace=wallet.depleted_at is None)


def _bought(rate: Rate, *, available_micros: int, used_this_month: int) -> int:
    return affordable_quantity(rate, available_micros=available_micros, used_this_month=used_this_month, most=QUANTITY_MAX)

"""The gate: whether a use may start now, for how long, and why not. Money decides; who asks and how stands in the API.

Outbound calls, messages and AI work need the price of their first block. Inbound calls and messages go on for the
wallet's grace time and overdraft after the money ran out. Lab use and emergency calls always pass, free.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from usage.errors import BudgetReached, NotAllowed, Reason
from usage.models import Meter
from usage.queries import units_this_month
from usage.rating import Rate, affordable_quantity
from usage.services.budgets import NO_SCOPE, Room, Scoped, tightest_room
from usage.services.measuring import passes_free
from usage.services.prices import Prices
from wallet.models import Wallet
from wallet.queries import database_time

CALL_SECONDS_MAX = 4 * 3600
"""The longest call that one answer allows: extend the hold to go on."""
UNITS_MAX = 10**9
"""The most of anything else."""


@dataclass(frozen=True)
class Answer:
    """The gate's word. `reason` is None where the use may start; `rate` is None where it is free.

    `max_quantity` units are what the available money buys, in the meter's unit; `floor_micros` is how far available may
    fall, below zero only in the grace time. `room` is that of the budget which says no.
    """

    reason: Reason | None
    rate: Rate | None = None
    max_quantity: int = 0
    used_this_month: int = 0
    floor_micros: int = 0
    starts_grace: bool = False
    room: Room | None = None

    @property
    def allowed(self) -> bool:
        return self.reason is None

    def refusal(self, wallet: Wallet) -> NotAllowed | BudgetReached:
        """The no, as an exception."""
        assert self.reason is not None, "There is nothing to refuse."
        return self.room.refusal() if self.room is not None else NotAllowed(self.reason, grace_until=wallet.grace_until)


def ask_gate(
    wallet: Wallet,
    meter: Meter,
    *,
    destination: str,
    expected_quantity: int | None,
    prices: Prices,
    scoped: Scoped = NO_SCOPE,
    now: datetime | None = None,
) -> Answer:
    """Whether the use may start. Reads only: whoever places a hold asks under the wallet's lock, whoever just looks need not.

    `now` is the database's time, which alone decides what is over (faults: D10).
    """
    if passes_free(meter, destination):
        return Answer(None, max_quantity=longest(meter))
    reason = standing_reason(wallet)
    if reason is not None:
        return Answer(reason)
    now = now or database_time()
    rate = prices.table(wallet.pk, currency=wallet.currency).find(meter.pk, destination=destination, at=now)
    if rate is None:
        return Answer(Reason.NO_RATE)
    # A call may stop when the money does; a message or a task is done whole or not at all.
    wanted = 1 if meter.use.is_call else expected_quantity or 1
    used_this_month = units_this_month(wallet, meter, now=now) if rate.tiers else 0
    answer = _by_money(wallet, meter, rate, wanted=wanted, used_this_month=used_this_month, now=now)
    return _by_budget(answer, tightest_room(wallet, scoped=scoped, now=now), meter, rate, wanted=wanted) if answer.allowed else answer


def standing_reason(wallet: Wallet) -> Reason | None:
    """Why nothing that costs money may start in this wallet, whatever it holds."""
    if wallet.closed_at is not None:
        return Reason.WALLET_CLOSED
    return Reason.WALLET_FROZEN if wallet.frozen_at is not None else None


def longest(meter: Meter) -> int:
    """The most of one use that one answer allows, in the meter's unit."""
    return CALL_SECONDS_MAX if meter.unit == "second" else UNITS_MAX


def grace_is_over(wallet: Wallet, *, now: datetime) -> bool:
    """Whether inbound calls have had their time since the money ran out."""
    return wallet.grace_until is not None and wallet.grace_until <= now


def _by_money(wallet: Wallet, meter: Meter, rate: Rate, *, wanted: int, used_this_month: int, now: datetime) -> Answer:
    bought = _bought(meter, rate, micros=wallet.available_micros, used_this_month=used_this_month)
    if bought >= wanted:
        return Answer(None, rate, bought, used_this_month)
    if not meter.use.is_inbound:
        return Answer(Reason.INSUFFICIENT_FUNDS, rate)
    return _in_grace(wallet, meter, rate, wanted=wanted, used_this_month=used_this_month, now=now)


def _in_grace(wallet: Wallet, meter: Meter, rate: Rate, *, wanted: int, used_this_month: int, now: datetime) -> Answer:
    """Nobody can tell a caller not to call: inbound goes on for the grace time, as far as the overdraft reaches."""
    room_micros = wallet.available_micros + wallet.overdraft_micros
    bought = _bought(meter, rate, micros=room_micros, used_this_month=used_this_month)
    if grace_is_over(wallet, now=now) or bought < wanted:
        return Answer(Reason.CALLS_PAUSED, rate)
    return Answer(None, rate, bought, used_this_month, floor_micros=-wallet.overdraft_micros, starts_grace=wallet.depleted_at is None)


def _by_budget(answer: Answer, room: Room | None, meter: Meter, rate: Rate, *, wanted: int) -> Answer:
    """The same answer, as far as the tightest budget reaches."""
    if room is None:
        return answer
    bought = _bought(meter, rate, micros=room.left_micros, used_this_month=answer.used_this_month)
    if bought < wanted:
        return Answer(Reason.BUDGET_REACHED, rate, room=room)
    return replace(answer, max_quantity=min(answer.max_quantity, bought))


def _bought(meter: Meter, rate: Rate, *, micros: int, used_this_month: int) -> int:
    return affordable_quantity(rate, available_micros=micros, used_this_month=used_this_month, most=longest(meter))

"""How a wallet stands, from its row and the time alone: fine, low, depleted or paused. Pure: no Django, no clock.

The gate decides each use by itself; this is what people and the platform are told of.
"""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from wallet.money import currency_of


class Standing(StrEnum):
    """From best to worst."""

    FINE = "fine"
    LOW = "low"
    DEPLETED = "depleted"
    PAUSED = "paused"

    @property
    def gravity(self) -> int:
        """0 is fine."""
        return list(Standing).index(self)

    @property
    def is_out(self) -> bool:
        """Whether the money ran out: nothing starts but inbound calls in their grace time."""
        return self in (Standing.DEPLETED, Standing.PAUSED)


class Row(Protocol):
    """What of a wallet's row counts."""

    currency: str
    balance_micros: int
    last_seq: int
    overdraft_micros: int
    low_balance_micros: int | None
    depleted_at: datetime | None

    @property
    def available_micros(self) -> int: ...

    @property
    def grace_until(self) -> datetime | None: ...


def standing_of(wallet: Row, *, now: datetime) -> Standing:
    """`now` is the database's time. A wallet that never had money is fine: nothing has run out.

    Money that is only set aside has not run out either, however little is left available.
    """
    if wallet.last_seq == 0 and wallet.depleted_at is None:
        return Standing.FINE
    if wallet.depleted_at is not None or wallet.balance_micros <= 0:
        is_over = wallet.grace_until is not None and wallet.grace_until <= now
        return Standing.PAUSED if is_over or wallet.available_micros + wallet.overdraft_micros <= 0 else Standing.DEPLETED
    return Standing.LOW if wallet.available_micros < low_level_micros(wallet) else Standing.FINE


def low_level_micros(wallet: Row) -> int:
    """With less available the balance is low: what the workspace chose, or the least top-up of its currency."""
    return currency_of(wallet.currency).top_up_least_micros if wallet.low_balance_micros is None else wallet.low_balance_micros


def occurrence_of(wallet: Row) -> str:
    """Which running out it is: each is mailed once."""
    return f"{wallet.depleted_at:%Y-%m-%dT%H:%M:%S.%f}" if wallet.depleted_at is not None else f"row {wallet.last_seq}"

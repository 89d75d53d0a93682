"""A wallet and its uses in plain Python, with the prices of usage.tests.stage: what the real one is held against. Reads no database."""

from dataclasses import dataclass, field
from typing import Literal

from usage.tests.stage import CENT
from wallet.models import Hold, Promotion

OVERDRAFT = 50 * CENT
MINUTE, CALL_IN, FAX = 60 * CENT, CENT // 2, 3 * CENT

Kept = tuple[str, str, int, str]
"""Key, meter and quantity of an event that is kept aside, and the hold that it names."""
Holdable = Literal["call_out", "call_in", "ai_task"]


def price(meter: str, quantity: int, *, used: int = 0) -> int:
    """What so much of a meter costs, worked out by hand."""
    if meter == "call_out":
        return (quantity + 59) // 60 * MINUTE
    if meter == "ai_task":
        cheap = max(0, used + quantity - max(10, used))
        return (quantity - cheap) * 5 * CENT + cheap * 2 * CENT
    return quantity * (CALL_IN if meter == "call_in" else FAX)


def buys(meter: Holdable, micros: int, *, used: int = 0) -> int:
    """How many seconds, or tasks, the money pays for."""
    micros = max(0, micros)
    if meter == "call_out":
        return micros // MINUTE * 60
    if meter == "call_in":
        return micros // CALL_IN
    dear = min(max(0, 10 - used), micros // (5 * CENT))
    return dear if used + dear < 10 else dear + (micros - dear * 5 * CENT) // (2 * CENT)


@dataclass
class Held:
    """A hold, as the model knows it."""

    row: Hold
    meter: Holdable
    quantity: int
    amount: int
    placed: int
    used: int
    """Tasks of the month when it was placed: what its tiers are counted from for as long as it is open."""
    status: str = "open"
    charged: bool = False
    captured: int | None = None
    cost: int = 0


@dataclass
class Given:
    """A promotion, as the model knows it."""

    row: Promotion
    left: int


@dataclass
class Model:
    """What the wallet must be: nothing of it is read from the database. `tick` is the order in which things happened."""

    balance: int = 0
    held: int = 0
    tasks: int = 0
    rows: int = 0
    tick: int = 0
    depleted: int | None = None
    has_grace: bool = True
    faxes: bool = False
    given: list[Given] = field(default_factory=list)
    fixed: dict[str, int] = field(default_factory=dict)
    charged: dict[str, tuple[str, int]] = field(default_factory=dict)
    kept: set[Kept] = field(default_factory=set)

    @property
    def available(self) -> int:
        return self.balance - self.held

    @property
    def is_paused(self) -> bool:
        return self.depleted is not None and not self.has_grace

    @property
    def promotion(self) -> int:
        return sum(one.left for one in self.given)

    def move(self, change: int) -> None:
        """A row of the book. What comes in ends the grace time once something is available; what goes out may begin it."""
        self.balance += change
        self.rows += 1
        if self.available <= 0:
            self.run_out()
        elif change > 0:
            self.depleted = None

    def run_out(self) -> None:
        if self.depleted is None:
            self.depleted = self.tick

    def use(self, meter: str, quantity: int) -> int:
        """A use, at its price: given credit first, soonest to expire first."""
        amount = price(meter, quantity, used=self.tasks)
        self.tasks += quantity if meter == "ai_task" else 0
        left = amount
        for one in self.given:
            part = min(left, one.left)
            one.left -= part
            left -= part
        self.move(-amount)
        return amount

    def give_back(self, hold: Held, status: str) -> None:
        hold.status = status
        self.held -= hold.amount
        if self.depleted is not None and self.available > 0 and hold.placed < self.depleted:
            self.depleted = None

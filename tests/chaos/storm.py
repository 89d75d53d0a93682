"""The storm: one cycle after the other something is killed, Stripe changes its weather, time passes, and what was killed comes back."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis
from django.db import InterfaceError, OperationalError, connections

from tests.chaos import audit, clock
from tests.chaos.cast import Cast
from tests.chaos.world import WORKERS, World

Faults = tuple[tuple[str, float, dict[str, Any]], ...]
CYCLE_SECONDS = (0.25, 0.95)
DAY_SECONDS, DAYS_A_MONTH = 12.0, 4
WEATHER_SECONDS = 8.0
MAKING = ("payment_intents.create", "checkout.sessions.create", "checkout.sessions.expire", "payment_intents.cancel")
ASKING = ("*.retrieve", "*.list", "customers.*")
MAKING_FAULTS: Faults = (
    # Kind, how often, and what besides: answers lost before and after, hung, refused, and failures that are saved or not.
    ("drop_before", 0.06, {}),
    ("reset_after", 0.12, {}),
    ("hang_after", 0.05, {"seconds": 4}),
    ("delay_before", 0.06, {"seconds": 0.8}),
    ("delay_after", 0.06, {"seconds": 0.8}),
    ("error_before", 0.04, {}),
    ("error_after", 0.06, {}),
    ("error_before", 0.04, {"saved": False}),
    ("error_after", 0.04, {"saved": False}),
    ("conflict", 0.04, {}),
    ("rate_limit", 0.05, {}),
)
ASKING_FAULTS: Faults = (("drop_before", 0.06, {}), ("rate_limit", 0.06, {}), ("error_before", 0.04, {"saved": False}))
WEBHOOK_FAULTS: Faults = (
    ("webhook_delay", 0.15, {"seconds": 4}),
    ("webhook_duplicate", 0.2, {"copies": 3}),
    ("webhook_shuffle", 0.3, {"seconds": 3}),
    ("webhook_drop", 0.15, {}),
    ("webhook_bad_signature", 0.05, {}),
    ("webhook_old_timestamp", 0.05, {}),
)


@dataclass
class Storm:
    """Runs in the main thread, which alone may start processes."""

    world: World
    cast: Cast
    dice: random.Random = field(init=False)
    weather_at: float = 0.0
    day_at: float = 0.0
    tick_at: float = 0.0
    days: int = 0

    def __post_init__(self) -> None:
        self.dice = self.cast.dice("storm")

    def blow(self, *, seconds: float) -> None:
        """Cycle after cycle, for so long."""
        until, self.day_at = time.monotonic() + seconds, time.monotonic() + DAY_SECONDS
        while time.monotonic() < until:
            self.change_weather()
            self.strike()
            time.sleep(self.dice.uniform(*CYCLE_SECONDS))
            self.revive()
            self.pass_time()
            self.cast.tally.add("cycles")

    def revive(self) -> None:
        """Whatever has ended is started again, as an operator's supervisor would."""
        for name in self.world.revive():
            self.cast.tally.add(f"started again: {name.partition('-')[0]}")

    # ---------------------------------------------------------------- what is killed
    def strike(self) -> None:
        """One thing is killed, or for once nothing."""
        strikes: list[tuple[str, Callable[[], object], int]] = [
            ("killed: a worker's child", self._kill_worker_child, 40),
            ("killed: a worker, whole", self._kill_worker, 7),
            ("killed: a session of PostgreSQL", lambda: self.world.kill_backend(dice=self.dice), 4),
            ("killed: PostgreSQL, whole", self.world.kill_postgres, 4),
            ("killed: Valkey", self.world.kill_valkey, 7),
            ("flushed: Valkey", self._flush, 4),
            ("killed: a web process", lambda: self.world.kill_child_of("web", dice=self.dice), 3),
            ("killed: beat", lambda: self.world.kill("beat"), 2),
            ("nothing", lambda: None, 20),
        ]
        name, act, _ = self.dice.choices(strikes, [weight for _, _, weight in strikes])[0]
        if act() is not False:
            self.cast.tally.add(name)

    def _kill_worker(self) -> bool:
        """One that is up: while it starts there is nothing to lose, and a worker that is never up does no work."""
        name = self._a_worker()
        if is_up := self.world.is_up(name):
            self.world.kill(name)
        return is_up

    def _kill_worker_child(self) -> bool:
        return self.world.kill_child_of(self._a_worker(), dice=self.dice)

    def _a_worker(self) -> str:
        return f"worker-{self.dice.randrange(WORKERS)}"

    def _flush(self) -> None:
        client = redis.Redis.from_url(self.world.valkey.url())
        client.flushall()
        client.close()

    # ---------------------------------------------------------------- Stripe
    def change_weather(self) -> None:
        """Calm, rough, or away altogether for a few seconds."""
        if time.monotonic() < self.weather_at:
            return
        sandbox, kind = self.world.sandbox, self.dice.choices(["calm", "rough", "away"], [3, 9, 1])[0]
        if not self.weather_at:
            kind = "rough"
        sandbox.clear_faults()
        if kind == "away":
            sandbox.fault("drop_before", match="*", count=None)
        if kind == "rough":
            for operations, faults in ((MAKING, MAKING_FAULTS), (ASKING, ASKING_FAULTS), (("*.*",), WEBHOOK_FAULTS)):
                for operation in operations:
                    for fault, probability, more in faults:
                        sandbox.fault(fault, match=operation, count=None, probability=probability, **more)
        self.cast.tally.add(f"Stripe: {kind}")
        self.weather_at = time.monotonic() + (WEATHER_SECONDS if kind != "away" else 3.0)

    # ---------------------------------------------------------------- time
    def pass_time(self) -> None:
        """Rows that wait wait less; now and then a day or a month is over, and what was charged in it is looked at."""
        now = time.monotonic()
        if now < self.tick_at:
            return
        self.tick_at = now + clock.TICK_SECONDS
        try:
            self.look()
            clock.tick()
            if now >= self.day_at:
                self.days += 1
                clock.turn_day(month=self.days % DAYS_A_MONTH == 0)
                self.day_at = now + DAY_SECONDS
                self.cast.tally.add("days that passed")
        except (OperationalError, InterfaceError):
            # PostgreSQL is just coming back: the next tick does it.
            connections.close_all()

    def look(self) -> None:
        """The caps and the one open charge, while everything moves."""
        for fault in [*audit.caps(), *audit.one_open_each()]:
            self.cast.tally.fault(fault)
        self.cast.tally.add("looks at caps and open charges")

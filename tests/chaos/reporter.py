"""The platform: reports uses over HTTP, again and again until each is accepted, as its engineers were told to."""

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from tests.chaos.cast import DOLLAR, Cast, Customer
from tests.chaos.world import World
from usage.cloud_events import BATCH
from usage.tests.stage import US

MINUTE_MICROS = 600_000
"""What a minute to the United States costs at the stage's prices."""
EVENTS_MAX, MINUTES = 3, (5, 13, 34, 55)
AT_ONCE_MAX = 40
PAUSE_SECONDS = 0.12
ANSWER_SECONDS, NO_PATIENCE_SECONDS = 8.0, 0.03
ONE_IN = 12
"""How often an answer is not waited for, or what was accepted is sent once more."""


@dataclass(eq=False)
class Reporter(threading.Thread):
    """`sent` is every event there ever was, with its workspace and what it costs; `accepted` those that were answered 2xx."""

    world: World
    cast: Cast
    sent: dict[str, tuple[str, int]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ended_well = False
        super().__init__(daemon=True, name="reporter")
        self.dice = self.cast.dice("reporter")
        self.again: list[dict[str, Any]] = []
        self.session = requests.Session()

    def run(self) -> None:
        """Until it is told to stop."""
        while not self.cast.stop.wait(PAUSE_SECONDS):
            customer = self.dice.choice(self.cast.customers)
            self.waiting += [self._use(customer) for _ in range(self.dice.randint(1, EVENTS_MAX))]
            self.send(self.waiting[:AT_ONCE_MAX], patient=self.dice.randrange(ONE_IN) > 0)
            if self.again and self.dice.randrange(ONE_IN) == 0:
                self.cast.tally.add("reports repeated though accepted")
                self.send(self.again, patient=True)
        self.ended_well = True

    def flush(self, *, until: float) -> None:
        """What is waiting is accepted, or the time is over."""
        while self.waiting and time.monotonic() < until:
            if not self.send(self.waiting[:AT_ONCE_MAX], patient=True):
                time.sleep(0.3)

    def send(self, events: list[dict[str, Any]], *, patient: bool) -> bool:
        """One request; whether it was accepted."""
        tally = self.cast.tally
        tally.add("reports sent")
        try:
            answer = self.session.post(
                f"{self.world.site_url}/api/v1/events",
                json=events,
                headers={"Authorization": f"Bearer {self.cast.secret}", "Content-Type": BATCH},
                timeout=ANSWER_SECONDS if patient else NO_PATIENCE_SECONDS,
            )
        except requests.RequestException:
            tally.add("reports without an answer")
            return False
        if answer.status_code not in (204, 207):
            tally.add("reports refused for now")
            if answer.status_code not in (429, 503):
                tally.fault(f"a report was answered {answer.status_code}: {answer.text[:200]}")
            return False
        if answer.status_code == 207:
            tally.fault(f"a report was not charged: {answer.text[:300]}")
        self._note_accepted(events)
        return True

    def _note_accepted(self, events: list[dict[str, Any]]) -> None:
        done = {event["id"] for event in events}
        self.accepted |= done
        self.waiting = [event for event in self.waiting if event["id"] not in done]
        self.again = events

    def _use(self, customer: Customer) -> dict[str, Any]:
        minutes = self.dice.choice(MINUTES)
        number = len(self.sent)
        self.sent[f"call-{number}"] = (customer.subject, minutes * MINUTE_MICROS)
        return {
            "specversion": "1.0",
            "id": f"call-{number}",
            "source": "/chaos/calls",
            "type": "call_out",
            "subject": customer.subject,
            "time": datetime.now(UTC).isoformat(),
            "data": {"duration_seconds": minutes * 60 - self.dice.randrange(50), "to": US},
        }

    @property
    def spent_dollars(self) -> float:
        """What all of it costs."""
        return sum(micros for _, micros in self.sent.values()) / DOLLAR


def new_address(dice: random.Random) -> str:
    """Each payer comes from somewhere else."""
    return f"203.0.{dice.randrange(256)}.{dice.randrange(1, 255)}"

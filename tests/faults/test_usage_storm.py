"""Everything at once, of uses: many clients hold, extend, report, repeat, contradict, capture and release, while money comes and goes
and the database cuts connections off at random. Whatever was answered stands, and nothing is charged twice.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from usage.models import Event
from usage.services.kept_aside import replay_kept_event
from usage.tests.stage import DOLLAR, MINUTE_MICROS, Metering
from wallet.models import Hold
from wallet.services.holds import expire_due_holds
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import paid_top_up, refund_of
from workspaces.tests.api_caller import Answer, Caller, new_key
from workspaces.tests.threads import at_once, errors

# One after the other even where tests run side by side: the server has connections for one race at a time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races"), pytest.mark.thorough]

Result = TypeVar("Result")

CLIENTS, ACTS_EACH, ACTS_MAX = 5, 14, 500
CUT_EVERY_ANSWERS = 4
"""However slow the machine is, the clients get on."""
LOOKS_EVERY_SECONDS = 0.01
TRIES_MAX = 100


@dataclass
class Tally:
    """What one client was answered, and what must therefore stand."""

    charged: int = 0
    events: int = 0
    kept: int = 0
    cut_off: int = 0
    reported: list[dict[str, Any]] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)


class Client:
    """One of the platform's processes: whatever was not answered it sends again, the very same."""

    def __init__(self, metering: Metering, *, seed: int) -> None:
        self.metering, self.dice = metering, random.Random(seed)
        self.by, self.tally = Caller(metering.platform.secret), Tally()

    def run(self) -> Tally:
        acts = [self.report, self.report, self.repeat, self.contradict, self.report_nonsense, self.call, self.call, self.call, self.pay]
        for number in range(ACTS_MAX):
            self.dice.choice(acts)()
            # Whoever was never cut off has shown nothing yet.
            if number >= ACTS_EACH and self.tally.cut_off:
                break
        return self.tally

    def insist(self, act: Callable[[], Result]) -> Result:
        """Until it is answered. A 5xx and a connection that was cut off are no answer: nobody knows what became of it."""
        for _ in range(TRIES_MAX):
            try:
                found = act()
            except (DatabaseError, InterfaceError):
                found = None
            if found is not None and not (isinstance(found, Answer) and found.status >= 500):
                return found
            self.tally.cut_off += 1
            connection.close()
        raise AssertionError("It was never answered.")

    def send(self, act: Callable[[], Answer]) -> Answer:
        answer = self.insist(act)
        self.tally.answers[answer.status] += 1
        return answer

    # ---------------------------------------------------------------- what it does
    def report(self) -> None:
        batch = [self.metering.event() for _ in range(self.dice.randint(1, 5))]
        assert self.send(partial(self.metering.report, *batch, by=self.by)).status == 204
        self.tally.reported += batch
        self.tally.events += len(batch)
        self.tally.charged += len(batch) * MINUTE_MICROS

    def repeat(self) -> None:
        batch = self.dice.sample(self.tally.reported, k=min(4, len(self.tally.reported)))
        if batch:
            assert self.send(partial(self.metering.report, *batch, by=self.by)).status == 204

    def contradict(self) -> None:
        if self.tally.reported:
            event = self.dice.choice(self.tally.reported) | {
                "data": {"duration_seconds": 600 + len(self.tally.answers), "to": "+14155550142"}
            }
            answer = self.send(partial(self.metering.report, event, by=self.by))
            assert [entry["code"] for entry in answer.body["not_charged"]] == ["conflict"]

    def report_nonsense(self) -> None:
        answer = self.send(partial(self.metering.report, self.metering.event(type="fax"), by=self.by))
        assert answer.status == 207
        self.tally.kept += 1

    def call(self) -> None:
        placed = self.send(partial(self.metering.hold, by=self.by, key=new_key()))
        if placed.status == 402:
            return
        assert placed.status == 201, placed.raw
        self.dice.choice([self.capture, self.capture_by_event, self.release, self.vanish])(placed.body["hold"])

    def capture(self, hold: str) -> None:
        if self.dice.random() < 0.5:
            assert self.act("extend", hold, by_quantity=60).status in (200, 402)
        assert self.act("capture", hold, quantity=60).status == 200
        self.tally.events += 1
        self.tally.charged += MINUTE_MICROS

    def capture_by_event(self, hold: str) -> None:
        event = self.metering.event(data={"hold": hold})
        assert self.send(partial(self.metering.report, event, by=self.by)).status == 204
        self.tally.events += 1
        self.tally.charged += MINUTE_MICROS
        assert self.act("capture", hold, quantity=60).status == 409

    def release(self, hold: str) -> None:
        assert self.act("release", hold).status == 200

    def vanish(self, hold: str) -> None:
        """Nothing more is heard of it. Its time passes, and the sweep comes by."""
        self.insist(lambda: Hold.objects.filter(id=hold).update(expires_at=Now()))
        self.insist(expire_due_holds)

    def act(self, verb: str, hold: str, **more: Any) -> Answer:
        body, key = {"subject": self.metering.subject, **more}, new_key()
        return self.send(lambda: self.by.post(f"/holds/{hold}/{verb}", body, key=key))

    def pay(self) -> None:
        """Not through the API, so it is not sent again: the books tell what became of it."""
        try:
            top_up = paid_top_up(self.metering.wallet, DOLLAR)
            if self.dice.random() < 0.4:
                refund_of(top_up, DOLLAR // 2, number=str(top_up.pk))
        except (DatabaseError, InterfaceError):
            self.tally.cut_off += 1
            connection.close()


@contextmanager
def connections_cut_off(clients: Sequence[Client], *, seed: int) -> Iterator[None]:
    """Every few answers the database ends a session of the clients', whatever it is at."""
    over, dice, spared = threading.Event(), random.Random(seed), backend_pid()

    def cut() -> None:
        own, seen = {spared, backend_pid()}, 0
        while not over.wait(LOOKS_EVERY_SECONDS):
            answers = sum(client.tally.answers.total() for client in clients)
            sessions = [pid for pid in client_pids() if pid not in own]
            if sessions and answers >= seen + CUT_EVERY_ANSWERS:
                seen = answers
                end_session(dice.choice(sessions))
        connection.close()

    saboteur = threading.Thread(target=cut)
    saboteur.start()
    try:
        yield
    finally:
        over.set()
        saboteur.join()


def backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def client_pids() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user ORDER BY pid")
        return [pid for (pid,) in cursor.fetchall()]


def end_session(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


@pytest.mark.parametrize("seed", range(2))
def test_it_charges_what_it_answered_and_nothing_twice(metering: Metering, seed: int) -> None:
    clients = [Client(metering, seed=seed * CLIENTS + number) for number in range(CLIENTS)]

    with connections_cut_off(clients, seed=seed):
        tallies = at_once([client.run for client in clients])

    assert errors(tallies) == []
    known = [tally for tally in tallies if isinstance(tally, Tally)]
    assert all(tally.cut_off for tally in known), "somebody was never cut off: the storm is too weak to show anything"
    assert (metering.events, metering.charged) == (sum(tally.events for tally in known), sum(tally.charged for tally in known))
    # The sweep leaves a hold that it was cut off from to the next one.
    expire_due_holds()
    assert metering.held == 0
    assert Hold.objects.filter(status="open").count() == 0
    conflicts = [kept for kept in metering.kept if kept.code == "conflict"]
    assert len(metering.kept) - len(conflicts) == sum(tally.kept for tally in known)
    for kept in metering.kept:
        assert replay_kept_event(kept.pk).kept.status == "kept", "Nothing was mended."
    assert Event.objects.values("key").distinct().count() == metering.events
    assert_books_balance()

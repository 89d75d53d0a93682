"""Holds under faults: rows D1 to D13 of the fault matrix, through the API. The races of D2, D6 and D7 stand in test_usage_races.py."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psycopg2
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from usage import ingest
from usage.models import Event
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, Metering, make_metering
from wallet.models import Hold
from wallet.services import holds as wallet_holds
from wallet.services.holds import expire_due_holds, place_hold
from wallet.tasks import expire_due_holds as expire_task
from wallet.tests.books import assert_books_balance
from workspaces.tests.api_caller import Answer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_balance_in_the_end(metering: Metering) -> Iterator[None]:
    yield
    assert_books_balance()


def placed(metering: Metering, **use: Any) -> str:
    answer = metering.hold(**use)
    assert answer.status == 201, answer.raw
    hold: str = answer.body["hold"]
    return hold


def let_expire(hold: str = "") -> None:
    """Its time is over, or that of all; no sweep has seen it yet."""
    holds = Hold.objects.filter(id=hold) if hold else Hold.objects.all()
    holds.update(expires_at=Now() - timedelta(seconds=1))


def status_of(hold: str) -> str:
    return Hold.objects.get(id=hold).status


def outcome(answer: Answer) -> tuple[int, str]:
    return (answer.status, answer.body.get("code") or answer.body["status"])


def test_it_places_one_hold_for_one_key(metering: Metering) -> None:
    """D1: asked again, also by another key of the same tenant, it is the same hold."""
    first, again = metering.hold(key="call-1"), metering.hold(key="call-1")

    assert first.body == again.body
    assert again.headers["Idempotent-Replayed"] == "true"
    assert metering.held == MINUTE_MICROS


def test_it_gives_the_last_money_to_one(metering: Metering) -> None:
    """D2, one after the other: what is held counts at once."""
    metering.leave(MINUTE_MICROS)

    answers = [metering.hold(), metering.hold()]

    assert [answer.status for answer in answers] == [201, 402]
    assert metering.held == MINUTE_MICROS


def test_it_captures_once(metering: Metering) -> None:
    """D3: the first result, and no second debit: under the same key, and under a new one."""
    hold = placed(metering)

    answers = [metering.act("capture", hold, key=key, quantity=50) for key in ("a", "a", "b")]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[0].body == answers[1].body == answers[2].body
    assert answers[0].body["amount_micros"] == MINUTE_MICROS
    assert (metering.charged, metering.held, metering.events) == (MINUTE_MICROS, 0, 1)


def test_it_refuses_to_capture_something_else_the_second_time(metering: Metering) -> None:
    """D3."""
    hold = placed(metering)
    metering.act("capture", hold, quantity=50)

    answer = metering.act("capture", hold, quantity=500)

    assert outcome(answer) == (409, "already_resolved")
    assert metering.charged == MINUTE_MICROS


@pytest.mark.parametrize("event_first", [True, False])
def test_it_captures_once_by_event_and_by_call(metering: Metering, event_first: bool) -> None:
    """D3: an event that names the hold is its capture: one use, told twice, is charged once, and its second telling is kept aside."""
    hold = placed(metering)
    event = metering.event(data={"hold": hold})
    if event_first:
        assert metering.report_one(event).status == 204
        assert outcome(metering.act("capture", hold, quantity=60)) == (409, "already_resolved")
        assert metering.charged == MINUTE_MICROS
    else:
        assert outcome(metering.act("capture", hold, quantity=60)) == (200, "captured")
        assert metering.report_one(event).body["not_charged"][0]["code"] == "hold_charged"
        assert metering.charged == MINUTE_MICROS
    assert Hold.objects.get(id=hold).captured_micros == MINUTE_MICROS
    assert metering.held == 0


def test_it_charges_more_than_was_held_as_debt(metering: Metering) -> None:
    """D4: the use is delivered, so all of it is charged; nothing is rolled back."""
    metering.leave(MINUTE_MICROS)
    hold = placed(metering)

    answer = metering.act("capture", hold, quantity=600)

    assert (answer.status, answer.body["amount_micros"], answer.body["balance_micros"]) == (200, 6 * DOLLAR, MINUTE_MICROS - 6 * DOLLAR)
    assert metering.held == 0
    assert metering.fresh.depleted_at is not None


def test_it_gives_the_rest_back_with_the_capture(metering: Metering) -> None:
    """D5."""
    hold = placed(metering, expected_quantity=600)
    assert metering.held == 6 * DOLLAR

    metering.act("capture", hold, quantity=61)

    assert (metering.charged, metering.held, metering.fresh.available_micros) == (2 * MINUTE_MICROS, 0, 10 * DOLLAR - 2 * MINUTE_MICROS)
    assert Hold.objects.get(id=hold).captured_micros == 2 * MINUTE_MICROS


@pytest.mark.parametrize(
    ("first", "second"), [("capture", "release"), ("release", "capture"), ("release", "extend"), ("capture", "extend")]
)
def test_it_resolves_a_hold_once(metering: Metering, first: str, second: str) -> None:
    """D6, D7, one after the other: whoever comes second is told so."""
    more: dict[str, dict[str, Any]] = {"capture": {"quantity": 60}, "extend": {"by_quantity": 60}, "release": {}}
    hold = placed(metering)
    metering.act(first, hold, **more[first])
    before = (metering.balance, metering.held)

    assert outcome(metering.act(second, hold, **more[second])) == (409, "already_resolved")
    assert (metering.balance, metering.held) == before


def test_it_releases_once(metering: Metering) -> None:
    """D7: releasing again changes nothing."""
    hold = placed(metering)

    assert [outcome(metering.act("release", hold)) for _ in range(2)] == [(200, "released")] * 2
    assert metering.held == 0


def test_it_expires_the_rest_where_one_cannot_be_now(metering: Metering) -> None:
    """D8: each in a transaction of its own; what is left over is found by the next sweep."""
    holds = [placed(metering, key=f"call-{number}") for number in range(5)]
    let_expire()
    expire, calls = wallet_holds.expire_hold, []

    def killed_at_the_third(wallet_id: int, hold_id: UUID) -> bool:
        calls.append(hold_id)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return expire(wallet_id, hold_id)

    with patch.object(wallet_holds, "expire_hold", killed_at_the_third), pytest.raises(KeyboardInterrupt):
        expire_due_holds()
    assert metering.held == 3 * MINUTE_MICROS

    assert expire_due_holds() == 3
    assert metering.held == 0
    assert {status_of(hold) for hold in holds} == {"expired"}


@pytest.mark.django_db(transaction=True)
def test_it_does_not_wait_for_one_busy_wallet_with_all_others(metering: Metering) -> None:
    """D8: somebody sits on the lock of the wallet whose hold is first in the line."""
    other = make_metering(name="Charlie's Garage")
    first, second = placed(metering), placed(other)
    let_expire(first)
    let_expire(second)
    holder = psycopg2.connect(os.environ["DATABASE_URL"])
    with holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM wallet_wallet WHERE workspace_id = %s FOR UPDATE", [metering.wallet.pk])
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")

    assert expire_due_holds() == 1

    holder.rollback()
    holder.close()
    assert (status_of(first), status_of(second)) == ("open", "expired")
    assert expire_due_holds() == 1


def test_it_does_not_capture_what_has_expired_though_no_sweep_has_seen_it(metering: Metering) -> None:
    """D9: the time on the row decides. The use is charged all the same: late is a debt, not a gift."""
    hold = placed(metering)
    let_expire(hold)
    assert (status_of(hold), metering.held) == ("open", MINUTE_MICROS)

    answer = metering.act("capture", hold, quantity=60)

    assert outcome(answer) == (200, "expired")
    assert (metering.charged, metering.held) == (MINUTE_MICROS, 0)
    assert Hold.objects.get(id=hold).captured_micros == 0
    assert outcome(metering.act("capture", hold, key="again", quantity=60)) == (200, "expired")
    assert metering.charged == MINUTE_MICROS


@pytest.mark.parametrize("swept", [False, True])
def test_it_charges_a_late_event_whose_hold_has_expired(metering: Metering, swept: bool) -> None:
    """D9."""
    hold = placed(metering)
    let_expire(hold)
    if swept:
        expire_due_holds()

    assert metering.report_one(metering.event(data={"hold": hold})).status == 204

    expire_due_holds()
    assert (status_of(hold), metering.charged, metering.held) == ("expired", MINUTE_MICROS, 0)


@pytest.mark.parametrize("verb", ["extend", "release"])
def test_it_refuses_to_extend_or_release_what_has_expired(metering: Metering, verb: str) -> None:
    """D9."""
    hold = placed(metering)
    let_expire(hold)

    more: dict[str, Any] = {"by_quantity": 60} if verb == "extend" else {}

    answer = metering.act(verb, hold, **more)

    assert outcome(answer) == (409, "hold_expired")


@pytest.mark.parametrize("days", [-3, 3])
def test_it_goes_by_the_databases_clock_alone(metering: Metering, days: int) -> None:
    """D10: this host is days off, and nothing of it shows."""
    hold = placed(metering)
    metering.change(depleted_at=timezone.now() - timedelta(hours=1), overdraft_micros=5 * DOLLAR)
    metering.leave(metering.held)
    moment = timezone.now() + timedelta(days=days)

    with patch("django.utils.timezone.now", return_value=moment):
        assert metering.hold(meter="call_in", expected_quantity=60).status == 201, "The grace time has three hours left."
        assert expire_due_holds() == 0
        assert metering.act("extend", hold, by_quantity=1).status == 402
        assert outcome(metering.act("release", hold)) == (200, "released")


def test_it_gives_back_what_a_lost_client_has_held(metering: Metering) -> None:
    """D11: nobody ever says what became of it; the beat's task finds it."""
    hold = placed(metering)
    answer = metering.platform.get(f"/holds/{hold}?subject={metering.subject}")
    assert answer.body["status"] == "open"
    let_expire(hold)

    expire_task()

    assert (status_of(hold), metering.held, metering.fresh.available_micros) == ("expired", 0, 10 * DOLLAR)
    assert metering.platform.get(f"/holds/{hold}?subject={metering.subject}").body["status"] == "expired"


def test_it_never_holds_for_longer_than_a_day(metering: Metering) -> None:
    """D11: whatever was asked for, a lost hang-up gives the money back within a day."""
    hold = place_hold(metering.wallet.pk, amount_micros=CENT, reference="", idempotency_key="long", lifetime=timedelta(days=40))

    assert hold.expires_at - hold.created_at <= timedelta(days=1, seconds=5)


@pytest.mark.django_db(transaction=True)
def test_it_captures_whole_or_not_at_all(metering: Metering) -> None:
    """D12: the database goes away in the middle of a capture."""
    hold = placed(metering)

    def cut(*args: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other = psycopg2.connect(os.environ["DATABASE_URL"])
        with other, other.cursor() as killing:
            killing.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    with patch.object(ingest, "add_to_days", cut):
        answer = metering.act("capture", hold, key="capture-1", quantity=60)
    connection.close()

    assert answer.status == 503
    assert (status_of(hold), metering.charged, metering.held, Event.objects.count()) == ("open", 0, MINUTE_MICROS, 0)
    assert outcome(metering.act("capture", hold, key="capture-1", quantity=60)) == (200, "captured")
    assert metering.charged == MINUTE_MICROS


@pytest.mark.parametrize(("column", "reason"), [("frozen_at", "wallet_frozen"), ("closed_at", "wallet_closed")])
def test_it_lets_what_runs_finish_and_nothing_new_start(metering: Metering, column: str, reason: str) -> None:
    """D13."""
    captured, released, reported = (placed(metering, key=f"call-{number}") for number in range(3))
    metering.change(**{column: timezone.now()})

    refused = [metering.hold(), metering.act("extend", captured, by_quantity=60)]

    assert [(answer.code, answer.body["reason"]) for answer in refused] == [(reason, reason)] * 2
    assert all(metering.subject in answer.body["pay_url"] for answer in refused)
    assert outcome(metering.act("capture", captured, quantity=60)) == (200, "captured")
    assert outcome(metering.act("release", released)) == (200, "released")
    assert metering.report_one(metering.event(data={"hold": reported})).status == 204
    assert (metering.charged, metering.held) == (2 * MINUTE_MICROS, 0)

"""Reports of use under faults: rows C1 to C15 of the fault matrix, through the API; C3 and C12 are races, in test_usage_races.py."""

import os
import threading
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import psycopg2
import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction

from usage import ingest
from usage.models import Event, KeptEvent, Rate
from usage.services import charging, ingestion
from usage.services.prices import Terms, publish_rates
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, US, Metering, make_metering, seconds_ago
from wallet.models import Hold
from wallet.tests.books import assert_books_balance
from workspaces.api import limits
from workspaces.tests.api_caller import caller, new_key

pytestmark = pytest.mark.django_db


def publish(micros: int) -> None:
    """Outbound calls at another price by the second, from now on."""
    card = Rate.objects.filter(meter="call_out", prefix="")[0].card
    publish_rates(card, terms=[Terms(meter="call_out", price_micros=micros, first_block=60, step=60)])


# ---------------------------------------------------------------- the same again


@pytest.mark.parametrize("times", [2, 5])
def test_it_charges_once_however_often_it_is_sent(metering: Metering, times: int) -> None:
    """C1: the client timed out and sends the same again."""
    event = metering.event()

    answers = {metering.report_one(event).status for _ in range(times)} | {metering.report(*[event] * times).status}

    assert answers == {204}
    assert metering.charged == MINUTE_MICROS
    assert KeptEvent.objects.count() == 0


def test_it_answers_a_hold_asked_for_again_as_before(metering: Metering) -> None:
    """C1."""
    first, again = metering.hold(key="call-1"), metering.hold(key="call-1")

    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert Hold.objects.count() == 1


@pytest.mark.parametrize("change", [{"data": {"duration_seconds": 61}}, {"type": "call_in"}, {"time": "2026-11-20T12:00:00Z"}])
def test_it_refuses_the_same_id_with_other_content(metering: Metering, change: dict[str, Any]) -> None:
    """C2: nothing of it is charged, and it is not lost either."""
    event = metering.event()
    metering.report_one(event)

    answer = metering.report_one({**event, **metering.event(**change), "id": event["id"]})

    assert (answer.status, [one["code"] for one in answer.body["not_charged"]]) == (207, ["conflict"])
    assert metering.charged == MINUTE_MICROS
    assert [kept.event_id for kept in metering.kept] == [event["id"]]


def test_it_refuses_the_second_of_two_that_contradict_each_other_in_one_batch(metering: Metering) -> None:
    """C2."""
    event = metering.event()

    answer = metering.report(event, {**event, "data": {"duration_seconds": 600}}, event)

    assert [(one["index"], one["code"]) for one in answer.body["not_charged"]] == [(1, "conflict")]
    assert metering.charged == MINUTE_MICROS


def test_it_refuses_a_key_that_was_used_for_another_hold(metering: Metering) -> None:
    """C2."""
    metering.hold(key="call-1")

    answer = metering.hold(key="call-1", expected_quantity=120)

    assert (answer.status, answer.code) == (409, "idempotency_conflict")
    assert metering.held == MINUTE_MICROS


# ---------------------------------------------------------------- killed


@pytest.mark.parametrize("at", ["copy_events", "add_to_days"])
def test_it_takes_nothing_where_it_was_killed_before_it_was_done(metering: Metering, at: str) -> None:
    """C4: the ledger's rows are written by then, and go with the rest; the retry charges once."""
    event = metering.event()
    with patch.object(ingest, at, side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        metering.report_one(event)

    assert metering.events == metering.charged == 0
    assert metering.report_one(event).status == 204
    assert metering.charged == MINUTE_MICROS
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_it_takes_nothing_where_the_database_cut_it_off(metering: Metering) -> None:
    """C4, D12: the server ends the session in the middle of the batch; it is taken whole by the next try."""
    cut_off = threading.Event()
    copy_events = ingest.copy_events

    def cut(rows: Any) -> None:
        if not cut_off.is_set():
            cut_off.set()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (pid,) = cursor.fetchone()
            other = psycopg2.connect(os.environ["DATABASE_URL"])
            with other, other.cursor() as killing:
                killing.execute("SELECT pg_terminate_backend(%s)", [pid])
            other.close()
        copy_events(rows)

    with patch.object(ingest, "copy_events", cut):
        answer = metering.report(metering.event(), metering.event())

    assert cut_off.is_set()
    assert answer.status == 204
    assert metering.charged == 2 * MINUTE_MICROS
    assert_books_balance()


def test_it_answers_the_retry_where_it_was_killed_after_it_was_done(metering: Metering) -> None:
    """C5: committed, and the answer was lost."""
    event = metering.event()
    with patch("usage.api.events.HttpResponse", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        metering.report_one(event)
    assert metering.charged == MINUTE_MICROS

    assert metering.report_one(event).status == 204
    assert metering.charged == MINUTE_MICROS


# ---------------------------------------------------------------- the money is gone


def test_it_does_not_use_up_the_key_of_a_refused_hold(metering: Metering) -> None:
    """C6: 402 now, and once there is money the same key holds once."""
    metering.leave(0)

    refused = metering.hold(key="call-1")
    metering.leave(DOLLAR)
    placed, again = metering.hold(key="call-1"), metering.hold(key="call-1")

    assert (refused.status, refused.code) == (402, "insufficient_funds")
    assert (placed.status, placed.body) == (201, again.body)
    assert metering.held == MINUTE_MICROS


def test_it_charges_what_already_happened_below_zero(metering: Metering) -> None:
    """C6: a report is no question."""
    assert metering.report(*(metering.event(data={"duration_seconds": 600}) for _ in range(3))).status == 204

    assert metering.balance == -8 * DOLLAR
    assert metering.fresh.depleted_at is not None
    assert_books_balance()


# ---------------------------------------------------------------- good and bad together


def test_it_decides_each_event_of_a_batch_for_itself(metering: Metering) -> None:
    """C7: a good one, a bad one, a repeated one, one in conflict, one that nothing prices, and another good one."""
    before = metering.event()
    metering.report(before)
    batch = [
        metering.event(),
        metering.event(subject="nobody"),
        before,
        {**before, "data": {"duration_seconds": 600, "to": US}},
        metering.event(type="fax_out"),
        metering.event(),
    ]

    answer = metering.report(*batch)

    assert answer.status == 207
    assert [(one["index"], one["code"]) for one in answer.body["not_charged"]] == [
        (1, "unknown_workspace"),
        (3, "conflict"),
        (4, "unknown_meter"),
    ]
    assert metering.charged == 3 * MINUTE_MICROS
    assert metering.report(*batch).body == answer.body, "Sent again it says the same, and charges nothing."
    assert metering.charged == 3 * MINUTE_MICROS
    assert len(metering.kept) == 3
    assert_books_balance()


def test_it_gives_the_second_of_two_the_chance_that_the_first_did_not_have(metering: Metering) -> None:
    """C7: the first could not be priced, so its id is not used up."""
    bad = metering.event(type="ai_tokens", data={"quantity": 10**10}, source="/one")
    with patch.object(charging, "AMOUNT_MAX_MICROS", DOLLAR):
        answer = metering.report(bad, bad, {**bad, "data": {"quantity": 2}})

    assert [(one["index"], one["code"]) for one in answer.body["not_charged"]] == [(0, "amount_too_large"), (1, "amount_too_large")]
    assert metering.charged == 30


# ---------------------------------------------------------------- times and prices


def test_it_takes_the_price_of_the_events_own_time(metering: Metering) -> None:
    """C8: late, it is booked now under its own time, at the price of then."""
    late = metering.event(time=seconds_ago(3600))
    publish(2 * CENT)

    metering.report(late, metering.event())

    rows = list(Event.objects.order_by("transfer_seq"))
    assert [row.amount_micros for row in rows] == [MINUTE_MICROS, 2 * MINUTE_MICROS]
    assert rows[0].happened_at.isoformat() == late["time"]


@pytest.mark.parametrize(("seconds", "code"), [(91 * 86400, "too_late"), (-11 * 60, "in_the_future")])
def test_it_keeps_what_is_far_out_of_the_window(metering: Metering, seconds: int, code: str) -> None:
    """C8."""
    answer = metering.report_one(metering.event(time=seconds_ago(seconds)))

    assert [one["code"] for one in answer.body["not_charged"]] == [code]
    assert [kept.code for kept in metering.kept] == [code]
    assert metering.charged == 0


def test_it_bears_a_clock_that_is_somewhat_ahead(metering: Metering) -> None:
    """C8."""
    assert metering.report_one(metering.event(time=seconds_ago(-9 * 60))).status == 204


def test_it_keeps_the_price_on_the_row(metering: Metering) -> None:
    """C9: a price that changes later changes nothing that was charged."""
    metering.report(metering.event())
    event = Event.objects.get()
    publish(9 * CENT)

    event.refresh_from_db()
    assert event.rate is not None
    assert event.rate.price_micros * event.billed_quantity == event.amount_micros == MINUTE_MICROS


# ---------------------------------------------------------------- what may be away


def test_it_takes_reports_without_redis(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    """C10: flushed or gone. Nothing that is owed rests on it."""
    limits.storage.cache_clear()
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setattr(limits, "_away_until", 0.0)

    assert metering.report(metering.event()).status == 204
    assert metering.hold().status == 201
    assert metering.charged == MINUTE_MICROS
    limits.storage.cache_clear()
    monkeypatch.setattr(limits, "_away_until", 0.0)


@pytest.mark.django_db(transaction=True)
def test_it_tries_again_after_a_deadlock(metering: Metering) -> None:
    """C11."""
    calls = []

    def deadlocked(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) < ingestion.TRIES_MAX:
            raise OperationalError("deadlock detected")
        return charging.charge_uses(*args, **kwargs)

    with patch.object(ingestion, "charge_uses", deadlocked):
        answer = metering.report(metering.event())

    assert answer.status == 204
    assert metering.charged == MINUTE_MICROS


@pytest.mark.django_db(transaction=True)
def test_it_asks_the_client_to_come_again_while_the_wallet_is_busy(metering: Metering) -> None:
    """C11: somebody sits on the lock. 503 with Retry-After, nothing taken, and the same again is charged once."""
    event = metering.event()
    hold = metering.hold().body["hold"]
    holder = psycopg2.connect(os.environ["DATABASE_URL"])
    with holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM wallet_wallet WHERE workspace_id = %s FOR UPDATE", [metering.wallet.pk])
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")

    answers = [metering.report(event), metering.act("capture", hold, quantity=60), metering.hold()]

    holder.rollback()
    holder.close()
    assert [(answer.status, answer.code) for answer in answers] == [(503, "overloaded"), (503, "unavailable"), (503, "unavailable")]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert metering.events == KeptEvent.objects.count() == 0
    assert [metering.report(event).status for _ in range(2)] == [204, 204]
    assert metering.charged == MINUTE_MICROS


# ---------------------------------------------------------------- amounts, tenants, for ever


@pytest.mark.parametrize("quantity", [-1, 1.5, 1e30, 10**30, "1", "١", True, None, [1]])
def test_it_takes_no_number_that_is_none(metering: Metering, quantity: Any) -> None:
    """C13: kept aside with the reason, and nothing charged. The API's own bodies refuse it outright."""
    event = metering.event(type="ai_tokens")
    event["data"] = {"quantity": quantity}

    answer = metering.report_one(event)
    asked = metering.platform.post(
        "/holds", {"subject": metering.subject, "meter": "ai_tokens", "expected_quantity": quantity}, key=new_key()
    )

    assert answer.body["not_charged"][0]["code"] in ("bad_data", "bad_quantity", "no_quantity")
    assert asked.status == (201 if quantity is None else 422)
    assert metering.charged == 0


@pytest.mark.parametrize("column", ["quantity", "billed_quantity", "amount_micros"])
def test_it_has_a_database_that_takes_no_such_number_either(metering: Metering, column: str) -> None:
    """C13: the constraints behind the code."""
    metering.report(metering.event())
    event = Event.objects.get()
    event.key = uuid4()
    setattr(event, column, -1)

    with pytest.raises(IntegrityError), transaction.atomic():
        event.save(force_insert=True)


def test_it_charges_nobody_with_anothers_key(metering: Metering) -> None:
    """C14, S14: Charlie's key names Alice's workspace, alone and in a batch. It looks exactly as if there were none."""
    charlie = make_metering(name="Charlie's Garage")
    key = caller(charlie.wallet.workspace)

    his = charlie.event(source=f"{charlie.subject}/crm")
    answer = metering.report(metering.event(), his, metering.event(subject="nobody"), by=key)
    hold = metering.hold(by=key)

    hers, nobodys = answer.body["not_charged"]
    assert (hers["code"], hers["detail"]) == (nobodys["code"], nobodys["detail"])
    assert (hold.status, hold.code) == (404, "not_found")
    assert (metering.charged, metering.events, charlie.charged) == (0, 0, MINUTE_MICROS)
    assert [kept.reach for kept in metering.kept] == [charlie.wallet.pk] * 2


@pytest.mark.django_db(transaction=True)
def test_it_knows_a_repeat_for_ever(metering: Metering, owner_connection: Any) -> None:
    """C15: no key of an event is ever dropped, however old the event is; the table is one, so its key is unique over all of it."""
    event = metering.event()
    metering.report(event)
    with owner_connection.cursor() as cursor:
        cursor.execute("UPDATE usage_event SET happened_at = '2015-01-01', received_at = '2015-01-01', day = '2015-01-01'")

    assert metering.report(event).status == 204
    assert metering.charged == MINUTE_MICROS
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind FROM pg_class WHERE relname = 'usage_event'")
        assert cursor.fetchone() == ("r",)
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'usage_event'::regclass AND contype = 'p'")
        assert cursor.fetchone() == ("PRIMARY KEY (wallet_id, key)",)

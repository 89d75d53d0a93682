"""POST /api/v1/events: what is answered, what was charged, and what is kept aside. Rows C1, C2, C7, C13 and C14 stand in tests/faults."""

import json
from datetime import UTC
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from usage.cloud_events import BATCH, PLAIN_JSON, SINGLE
from usage.models import Event, KeptEvent, UsageDay
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, UK, Metering, make_metering
from wallet.models import Transfer
from wallet.tests.books import assert_books_balance
from workspaces.models import Scope, Workspace
from workspaces.tests.api_caller import Caller, caller

pytestmark = pytest.mark.django_db


def test_it_charges_one_event_as_it_happens(metering: Metering) -> None:
    answer = metering.report_one(metering.event(data={"duration_seconds": 61, "agent": "Sales agent", "from": "+12125550100"}))

    assert (answer.status, answer.raw) == (204, b"")
    event, transfer = Event.objects.get(), Transfer.objects.get(kind="call_out")
    assert (event.quantity, event.billed_quantity, event.amount_micros) == (61, 120, 2 * MINUTE_MICROS)
    assert (event.agent, event.number, event.own_number) == ("Sales agent", "+14155550142", "+12125550100")
    assert event.api_key == (metering.platform.api_key.prefix if metering.platform.api_key else "")
    assert (transfer.seq, transfer.amount_micros, transfer.reference) == (event.transfer_seq, event.amount_micros, event.key.hex)
    assert transfer.description == "+14155550142 · Sales agent · 1 min 01 s"
    assert transfer.idempotency_key == f"event:{transfer.posted_at.astimezone(UTC):%Y%m%d}:{event.key.hex}"
    assert metering.balance == 10 * DOLLAR - event.amount_micros
    assert_books_balance()


def test_it_takes_all_three_modes(metering: Metering) -> None:
    event = metering.event(type="ai_task", data={"agent": "Notes"})
    headers = {f"ce-{name}": str(event[name]) for name in ("specversion", "id", "source", "type", "subject")}

    structured = metering.report_one(event)
    batched = metering.report(event)
    binary = metering.platform.send("POST", "/events", body=json.dumps(event["data"]), content_type=PLAIN_JSON, headers=headers)

    assert [structured.status, batched.status, binary.status] == [204, 204, 204]
    assert metering.events == 1, "It is one and the same event."


def test_it_finds_the_workspace_by_the_platforms_own_id(metering: Metering) -> None:
    metering.call_it("customer-1042")
    event = metering.event()

    assert metering.report(event, {**event, "subject": "customer-1042"}).status == 204
    assert metering.events == 1, "Both name Alice's, so it is one and the same event."


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", SINGLE),
        (b"{", SINGLE),
        (b"[]", SINGLE),
        (b"{}", BATCH),
        (b"hello", "text/plain"),
        (b"{}", PLAIN_JSON),
        (b"", ""),
        (b"[" * 200_000, BATCH),
        (b"\xff\xfe", BATCH),
    ],
)
def test_it_refuses_what_is_no_cloud_event(metering: Metering, body: bytes, content_type: str) -> None:
    answer = metering.platform.send("POST", "/events", body=body, content_type=content_type)

    assert (answer.status, answer.code) == (400, "not_cloud_events")
    assert metering.events == KeptEvent.objects.count() == 0


def test_it_refuses_too_much_at_once(metering: Metering) -> None:
    answer = metering.platform.send("POST", "/events", body=b"[" + b" " * 5 * 1024 * 1024 + b"]", content_type=BATCH)

    assert (answer.status, answer.code) == (413, "too_large")


def test_it_refuses_whoever_may_not_report(metering: Metering) -> None:
    nobody, reader = Caller("wk_test_00000000_" + "0" * 43), caller(None, Scope.WALLET_READ)

    assert metering.report(metering.event(), by=nobody).status == 401
    assert metering.report(metering.event(), by=reader).code == "scope_missing"
    assert metering.events == KeptEvent.objects.count() == 0


def test_it_answers_an_empty_batch(metering: Metering) -> None:
    assert metering.report().status == 204


def test_it_says_of_each_that_was_not_charged_what_to_do(metering: Metering) -> None:
    good = [metering.event() for _ in range(2)]
    bad = [
        metering.event(subject="nobody"),
        metering.event(type="fax_out"),
        metering.event(data={"duration_seconds": -1}),
        metering.event(type="call_in", data={"duration_seconds": 1e30}),
        {"hello": "world"},
    ]

    answer = metering.report(good[0], *bad, good[1])

    assert answer.status == 207
    assert [(one["index"], one["code"]) for one in answer.body["not_charged"]] == [
        (1, "unknown_workspace"),
        (2, "unknown_meter"),
        (3, "bad_quantity"),
        (4, "bad_quantity"),
        (5, "not_a_cloud_event"),
    ]
    assert [one["id"] for one in answer.body["not_charged"]] == [*(event.get("id") for event in bad)]
    assert all(one["detail"].endswith(".") for one in answer.body["not_charged"])
    assert metering.charged == 2 * MINUTE_MICROS
    assert len(metering.kept) == len(bad)
    assert_books_balance()


def poison(metering: Metering) -> list[Any]:
    """Events that are wrong in ways which a database or an encoder stumbles over."""
    return [
        metering.event(id="nul\0"),
        metering.event(source="\ud800", id="half"),
        metering.event(subject="\0"),
        metering.event(type="\0"),
        metering.event(data={"agent": "\0"}),
        metering.event(data={"agent": "\\N\t\n\\."}),
        metering.event(data={"description": "\ud83d"}),
        metering.event(type="message_out", data={"text": "\0\ud83d" * 99}),
        metering.event(type="ai_tokens", data={"quantity": 10**30}),
        metering.event(data={"duration_seconds": 1e300}),
        metering.event(data={"hold": "{" * 50}),
        metering.event(data={"to": "+" + "1" * 4000}),
        metering.event(time="0001-01-01T00:00:00+23:59"),
        metering.event(time="9999-12-31T23:59:59-23:59"),
        metering.event(subject="ws_" + "0" * 190),
        *({}, [], None, 1, "a", True, {"id": {"a": 1}, "source": [], "type": None}),
    ]


def test_it_keeps_any_nonsense_aside_and_charges_the_good_one_beside_it(metering: Metering) -> None:
    nonsense = poison(metering)

    answer = metering.report(*nonsense, metering.event())

    # Half an emoji is replaced wherever it stands, and those three are good.
    assert answer.status == 207
    assert len(answer.body["not_charged"]) == len(metering.kept) == len(nonsense) - 3
    assert metering.events == 4
    assert_books_balance()


@pytest.mark.parametrize("number", range(22))
def test_it_never_fails_over_one_event(metering: Metering, number: int) -> None:
    answer = metering.report_one(json.dumps(poison(metering)[number]).encode())

    assert answer.status in (204, 207, 400), answer.raw


def test_it_refuses_a_use_that_cannot_have_cost_so_much(metering: Metering) -> None:
    """Each alone would fit; together they would leave 64 bits, and fail the whole batch for ever."""
    absurd = [metering.event(data={"duration_seconds": 10**10, "to": UK}) for _ in range(99)]

    answer = metering.report(*absurd, metering.event())

    assert {one["code"] for one in answer.body["not_charged"]} == {"amount_too_large"}
    assert metering.charged == MINUTE_MICROS
    assert_books_balance()


def test_it_never_takes_a_wallet_out_of_what_it_can_count(metering: Metering) -> None:
    with patch("usage.services.charging.DEBT_MAX_MICROS", DOLLAR):
        answer = metering.report(*(metering.event(data={"duration_seconds": 600}) for _ in range(3)))

    assert [one["index"] for one in answer.body["not_charged"]] == [1, 2]
    assert metering.balance == 4 * DOLLAR


def test_it_keeps_aside_what_a_workspace_without_a_wallet_used(metering: Metering) -> None:
    other = Workspace.objects.create(name="No wallet yet")

    answer = metering.report(metering.event(subject=other.public_id), metering.event())

    assert [one["code"] for one in answer.body["not_charged"]] == ["no_wallet"]
    assert metering.events == 1


def test_it_charges_lab_use_nothing_and_shows_it(metering: Metering) -> None:
    metering.leave(0)
    metering.change(frozen_at=metering.wallet.created_at)

    assert metering.report(metering.event(type="voice_lab")).status == 204
    event = Event.objects.get()
    assert (event.amount_micros, event.transfer_seq) == (0, None)
    assert UsageDay.objects.get().quantity == 60
    assert not Transfer.objects.filter(kind="lab").exists()


def test_it_gives_a_free_use_its_row(metering: Metering) -> None:
    answered_not = metering.event(data={"answered": False, "duration_seconds": None})

    assert metering.report(answered_not, metering.event(data={"to": "911"})).status == 204
    rows = Transfer.objects.filter(kind="call_out").order_by("seq")
    assert [(row.amount_micros, row.description) for row in rows] == [(0, "+14155550142 · not answered"), (0, "911 · 1 min 00 s")]
    assert metering.balance == 10 * DOLLAR
    assert_books_balance()


def test_it_counts_the_segments_of_a_text(metering: Metering) -> None:
    texts = ["a" * 160, "a" * 161, "ä" * 71, "😀" * 35, "😀" * 36]

    assert metering.report(*(metering.event(type="message_out", data={"text": text}) for text in texts)).status == 204
    assert list(Event.objects.order_by("transfer_seq").values_list("quantity", flat=True)) == [1, 2, 1, 1, 2]
    assert metering.charged == 7 * CENT


def test_it_sums_each_day_in_the_transaction_of_its_charges(metering: Metering) -> None:
    metering.report(metering.event(), metering.event(data={"duration_seconds": 61}), metering.event(type="ai_task"))
    metering.report(metering.event())

    sums = {day.meter_id: (day.events, day.quantity, day.billed_quantity, day.amount_micros) for day in UsageDay.objects.all()}
    assert sums == {"call_out": (3, 181, 240, 4 * MINUTE_MICROS), "ai_task": (1, 1, 1, 5 * CENT)}


def test_it_walks_through_the_tiers_of_a_month(metering: Metering) -> None:
    tasks = [metering.event(type="ai_task", data={"quantity": quantity}) for quantity in (4, 4, 4, 1)]

    metering.report(*tasks[:2])
    metering.report(*tasks[2:])

    # Ten at five cents, the rest at two: the third use spans the step.
    rows = Event.objects.order_by("transfer_seq").values_list("used_before", "amount_micros")
    assert list(rows) == [(0, 20 * CENT), (4, 20 * CENT), (8, 14 * CENT), (12, 2 * CENT)]


def test_it_asks_the_database_as_often_for_a_thousand_events_as_for_one(metering: Metering) -> None:
    """Over many wallets too, with holds, tiers and budgets: no statement is one event's. None of them runs low, which would be told."""
    metering.fund(1_000 * DOLLAR)
    others = [make_metering(name=f"Customer {number}", dollars=1_000) for number in range(9)]
    everyone = [metering, *others]
    for one in everyone:
        # Or some would run low on the way, which is told, and that is more than charging.
        one.leave(10_000 * DOLLAR)

    def batch(size: int) -> list[Any]:
        found = []
        for number in range(size):
            one = everyone[number % len(everyone)]
            kind = ("call_out", "ai_task", "voice_lab")[number % 3]
            hold = one.hold().body["hold"] if number < 20 else None
            found.append(one.event(type=kind, data={"agent": "Sales agent", "hold": hold}))
        return found

    counts = []
    for size in (30, 300):
        events = batch(size)
        with CaptureQueriesContext(connection) as asked:
            assert metering.report(*events).status == 204
        counts.append(len(asked))
    assert counts[0] == counts[1] < 30
    assert_books_balance()

"""Exports that workers make: what the page would show, exactly once, whoever dies or books meanwhile; nobody else's, and for a while."""

import csv
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing import export, export_making, export_requests, export_sources
from billing.export import csv_lines
from billing.export_making import make_export, pieces_of, sweep_exports
from billing.export_requests import ExportUnderWay, TooManyExports, history_order, request_export
from billing.export_sources import SHEETS, HistorySource
from billing.history import read_query
from billing.models import Export, ExportChunk
from billing.tests.conftest import SignedIn
from billing.tests.uses import event, report, set_prices
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment, entry
from wallet_billing.celery import app
from workspaces.models import AuditEntry, User
from workspaces.tests.threads import at_once

pytestmark = pytest.mark.django_db

Kind, State = Export.Kind, Export.State


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows to a part, and a part to a turn."""
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(export_making, "PART_CHARACTERS_MAX", 1)
    monkeypatch.setattr(export_making, "TURN_SECONDS", 0.0)


def booked(wallet: Wallet, count: int) -> Wallet:
    post(wallet.pk, [entry(1_000, description=f"Call {number}") for number in range(count)])
    wallet.refresh_from_db()
    return wallet


def asked_for(
    wallet: Wallet, by: User, *, kind: Export.Kind = Export.Kind.TRANSACTIONS, asked: str = "", is_operators: bool = False
) -> Export:
    order = history_order(wallet, kind=kind, query=read_query(QueryDict(asked)), zone=wallet.workspace.zone, is_operators=is_operators)
    return request_export(order, by=by)


def fresh(asked: Export) -> Export:
    return Export.objects.get(pk=asked.pk)


def made(asked: Export) -> Export:
    """After as many turns as it takes."""
    for _ in range(100):
        make_export(str(asked.pk))
        if not fresh(asked).is_open:
            break
    return fresh(asked)


def text_of(asked: Export) -> str:
    return b"".join(pieces_of(fresh(asked))).decode()


def entries_of(asked: Export) -> list[int]:
    return [int(row["entry"]) for row in csv.DictReader(StringIO(text_of(asked).removeprefix("\ufeff"), newline=""))]


def left_alone(asked: Export) -> None:
    """As whoever was killed at it leaves it, some minutes later."""
    Export.objects.filter(pk=asked.pk).update(worked_at=timezone.now() - timedelta(minutes=3))


@pytest.mark.parametrize("kind", list(SHEETS))
@pytest.mark.usefixtures("short_turns")
def test_it_makes_the_very_file_that_a_request_would_write(alice: User, wallet: Wallet, kind: Export.Kind) -> None:
    set_prices()
    post(wallet.pk, [adjustment(10 * DOLLAR)])
    report(*(event(wallet, agent="=HYPERLINK(1)" if number == 2 else "Sales") for number in range(5)))
    wallet.refresh_from_db()
    query, zone = read_query(QueryDict("show=calls")), wallet.workspace.zone

    ready = made(asked_for(wallet, alice, kind=kind, asked="show=calls"))

    direct = "".join(csv_lines(wallet, query, sheet=SHEETS[kind], zone=zone))
    assert text_of(ready) == direct
    assert (ready.state, ready.rows_done, ready.bytes) == (State.READY, 5, len(direct.encode()))
    assert (ready.percent, ready.claim) == (100, None)
    assert "'=HYPERLINK(1)" in direct


def test_it_tells_of_a_use_what_was_measured_priced_and_billed(alices: Client, wallet: Wallet, page: str) -> None:
    set_prices()
    report(event(wallet, event_id="=1+1", agent="Sales"))

    text = b"".join(alices.get(f"{page}/events.csv")).decode()
    (row,) = csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline=""))

    assert (row["event"], row["number"], row["agent"]) == ("'=1+1", "'+14155550142", "Sales")
    assert (row["measured"], row["billed"], row["unit"], row["price"], row["per_units"]) == ("62", "66", "second", "0.015000", "60")
    assert (row["amount"], row["currency"], row["entry"]) == ("0.016500", "USD", "1")


@pytest.mark.usefixtures("short_turns")
def test_it_has_each_row_once_though_workers_die_and_rows_are_booked(alice: User, wallet: Wallet) -> None:
    asked = asked_for(booked(wallet, 9), alice)
    make_export(str(asked.pk))
    assert (fresh(asked).rows_done, fresh(asked).rows_total, fresh(asked).state) == (2, 9, State.WORKING)

    with patch.object(ExportChunk.objects, "create", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        make_export(str(asked.pk))
    booked(wallet, 3)
    make_export(str(asked.pk))
    assert fresh(asked).rows_done == 2, "who died is still taken to be at it"
    left_alone(asked)

    assert made(asked).state == State.READY
    assert entries_of(asked) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.usefixtures("short_turns")
def test_it_writes_nothing_once_another_worker_has_taken_over(alice: User, wallet: Wallet) -> None:
    asked = asked_for(booked(wallet, 5), alice)
    real = export_making._next_part

    def slowly(*arguments: Any) -> Any:
        """Meanwhile its claim runs out, and another worker has a whole turn."""
        part = real(*arguments)
        left_alone(asked)
        with patch.object(export_making, "_next_part", real):
            make_export(str(asked.pk))
        return part

    with patch.object(export_making, "_next_part", slowly):
        make_export(str(asked.pk))

    assert (fresh(asked).rows_done, fresh(asked).chunks, ExportChunk.objects.count()) == (2, 1, 1)
    made(asked)
    assert entries_of(asked) == [5, 4, 3, 2, 1]


@pytest.mark.usefixtures("short_turns")
def test_it_is_given_up_after_turns_that_came_to_nothing(alice: User, wallet: Wallet) -> None:
    asked = asked_for(booked(wallet, 5), alice)
    make_export(str(asked.pk))

    for _ in range(export_making.ATTEMPTS_MAX):
        with patch.object(export_making, "_next_part", side_effect=MemoryError), pytest.raises(MemoryError):
            make_export(str(asked.pk))
        left_alone(asked)
    make_export(str(asked.pk))

    assert (fresh(asked).state, fresh(asked).error) == (State.FAILED, export_making.GIVEN_UP)
    assert not ExportChunk.objects.exists()


def test_it_costs_the_same_for_each_part_and_is_read_part_by_part(alice: User, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(export_making, "PART_CHARACTERS_MAX", 1)
    asked = asked_for(booked(wallet, 100), alice)

    with CaptureQueriesContext(connection) as writing:
        make_export(str(asked.pk))
    ready = fresh(asked)
    with CaptureQueriesContext(connection) as reading:
        parts = list(pieces_of(ready))

    assert len(parts) == len(reading) == 10
    assert max(part.count(b"\r\n") for part in parts) == 11
    assert len(writing) <= 12 + 10 * 10


def test_it_is_woken_after_the_one_that_waited_longest(alice: User, wallet: Wallet, elsewhere: Wallet) -> None:
    first, second = asked_for(booked(wallet, 3), alice), asked_for(booked(elsewhere, 3), alice)
    Export.objects.filter(pk=first.pk).update(worked_at=timezone.now())

    with patch.object(export_making, "wake") as woken:
        sweep_exports()
    assert [call.args for call in woken.call_args_list] == [("billing.tasks.make_export", str(second.pk))]
    app.loader.import_default_modules()
    assert {"billing.tasks.make_export", "billing.tasks.sweep_exports"} <= app.tasks.keys()

    Export.objects.filter(pk=second.pk).update(claim=first.pk, worked_at=timezone.now(), state=State.WORKING)
    make_export(str(first.pk))
    assert fresh(first).state == State.WAITING, "so many at a time"
    left_alone(second)
    assert made(first).state == State.READY


@pytest.mark.django_db(transaction=True)
def test_it_is_one_file_though_it_is_asked_for_by_many_at_once(alice: User, wallet: Wallet, queued_tasks: Callable[[], list[str]]) -> None:
    booked(wallet, 3)

    outcomes = at_once([lambda: asked_for(wallet, alice).pk] * 4)

    assert len(set(outcomes)) == Export.objects.count() == 1
    assert queued_tasks() == ["billing.tasks.make_export"]
    assert AuditEntry.objects.filter(action="export.made").count() == 1


def test_it_makes_one_of_a_kind_at_a_time_and_so_many_a_day(alice: User, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked_for(booked(wallet, 3), alice)

    assert asked_for(wallet, alice) == first
    with pytest.raises(ExportUnderWay):
        asked_for(wallet, alice, asked="show=calls")
    made(first)
    assert asked_for(wallet, alice) == first, "nothing was booked since: it would be the very same"
    monkeypatch.setattr(export_requests, "EXPORTS_A_DAY_MAX", 2)
    assert asked_for(booked(wallet, 1), alice, kind=Kind.EVENTS) != first
    with pytest.raises(TooManyExports):
        asked_for(wallet, alice)
    assert asked_for(wallet, alice, is_operators=True).is_operators, "the operator's are counted apart"


def test_it_is_kept_for_a_while(alice: User, alices: Client, wallet: Wallet, page: str) -> None:
    ready = made(asked_for(booked(wallet, 3), alice))
    assert ready.expires_at is not None
    assert timedelta(days=6) < ready.expires_at - timezone.now() < timedelta(days=8)

    sweep_exports()
    assert alices.get(f"{page}/exports/{ready.pk}.csv").status_code == 200
    Export.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert alices.get(f"{page}/exports/{ready.pk}.csv").status_code == 302, "over, whether the sweep has seen it or not"
    sweep_exports()
    assert (fresh(ready).state, ExportChunk.objects.count()) == (State.EXPIRED, 0)
    Export.objects.update(expires_at=timezone.now() - timedelta(days=31))
    sweep_exports()
    assert not Export.objects.exists()


def test_it_is_small_where_few_are_found_in_a_long_book(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    set_prices()
    report(*(event(wallet, agent="Sales" if number == 3 else "Reception") for number in range(9)))
    booked(wallet, 1)
    monkeypatch.setattr(export_sources, "SMALL_ROWS_MAX", 3)
    monkeypatch.setattr(export_sources, "SEARCHED_PAGE_ROWS", 2)
    monkeypatch.setattr(export_sources, "SEARCHED_PAGES_MAX", 2)

    def is_small(asked: str) -> bool:
        return HistorySource(wallet, read_query(QueryDict(asked)), SHEETS[Kind.TRANSACTIONS], wallet.workspace.zone).is_small()

    searches = ("", "show=calls", "q=reception", "q=sales", "show=top-ups", "until=2020-01-01")
    assert [is_small(asked) for asked in searches] == [False, False, False, True, True, True]


# ---------------------------------------------------------------- the page
def test_it_is_asked_for_and_downloaded_on_the_page(alices: Client, wallet: Wallet, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    booked(wallet, 5)
    assert "Prepare file" not in alices.get(f"{page}/exports").content.decode()
    monkeypatch.setattr(export_sources, "SMALL_ROWS_MAX", 3)

    sent_on = alices.get(f"{page}/transactions.csv", {"from": "2020-01-01"})
    assert sent_on["Location"].endswith("/settings/billing/exports?from=2020-01-01")
    assert "Prepare file" in alices.get(sent_on["Location"]).content.decode()
    alices.post(f"{page}/exports", {"kind": "transactions", "from": "2020-01-01"})
    asked = Export.objects.get()
    shown = alices.get(f"{page}/exports").content.decode()
    assert "Waiting for its turn" in shown
    assert 'hx-trigger="every 2s"' in shown
    make_export(str(asked.pk))
    part = alices.get(f"{page}/exports", headers={"HX-Request": "true", "HX-Target": "export-files"}).content.decode()
    file: Any = alices.get(f"{page}/exports/{asked.pk}.csv")

    assert f"/exports/{asked.pk}.csv" in part
    assert "<h1>" not in part
    assert "hx-trigger" not in part
    assert b"".join(file).decode() == text_of(asked)
    assert (file["Content-Length"], file["Content-Type"]) == (str(len(text_of(asked).encode())), "text/csv; charset=utf-8")
    assert file["Content-Disposition"].startswith('attachment; filename="northside-realty-transactions-2020-01-01-to-')
    told = AuditEntry.objects.get(action="export.made")
    assert (told.workspace_id, told.target, told.after["from"]) == (wallet.pk, "transactions", "2020-01-01")


@pytest.mark.parametrize("kind", ["", "journal", "nothing"])
def test_it_makes_no_other_kinds_for_customers(alices: Client, wallet: Wallet, page: str, kind: str) -> None:
    assert alices.post(f"{page}/exports", {"kind": kind}).status_code == 404
    assert not Export.objects.exists()


def test_it_is_nobody_elses(
    alice: User, bob: User, charlie: User, alices: Client, elsewhere: Wallet, wallet: Wallet, signed_in: SignedIn, page: str
) -> None:
    mine = made(asked_for(booked(wallet, 3), alice))
    operators = made(asked_for(wallet, alice, is_operators=True))

    assert signed_in(bob).get(f"{page}/exports/{mine.pk}.csv").status_code == 403
    assert signed_in(charlie).get(f"{page}/exports/{mine.pk}.csv").status_code == 404
    charlies = f"/w/{elsewhere.workspace.public_id}/settings/billing"
    assert signed_in(charlie).get(f"{charlies}/exports/{mine.pk}.csv").status_code == 404
    assert alices.get(f"{page}/exports/{operators.pk}.csv").status_code == 404
    assert str(operators.pk) not in alices.get(f"{page}/exports").content.decode()

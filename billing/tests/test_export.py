"""Export CSV: the rows of the page, exact, piece by piece, and nothing that a spreadsheet would run."""

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing import export
from billing.export import TRANSACTIONS, csv_lines, defused, file_name
from billing.history import read_query
from billing.tests.conftest import SignedIn
from billing.tests.uses import event, report, set_prices
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment, entry
from workspaces import services
from workspaces.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db

NEW_YORK = ZoneInfo("America/New_York")
AT = datetime(2026, 3, 8, 12, tzinfo=UTC)


def rows_of(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeffbooked_at,")
    return list(csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline="")))


def test_it_writes_every_row_exactly(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [adjustment(10 * DOLLAR, posted_at=AT, happened_at=AT)])
    post(wallet.pk, [entry(16_501, kind="call_out", description="A call", reference="ref", posted_at=AT, happened_at=AT)])

    newest, _ = rows_of(alices.get(f"{page}/transactions.csv"))

    assert newest == {
        # New York went over to summer time that very night.
        "booked_at": "2026-03-08T08:00:00-04:00",
        "happened_at": "2026-03-08T08:00:00-04:00",
        "kind": "call_out",
        "description": "A call",
        "number": "",
        "agent": "",
        "amount": "-0.016501",
        "currency": "USD",
        "balance_after": "9.983499",
        "reference": "ref",
        "entry": "2",
    }


def test_it_names_number_and_agent_of_a_use(alices: Client, wallet: Wallet, page: str) -> None:
    set_prices()
    report(event(wallet, agent="=HYPERLINK(1)"))

    (row,) = rows_of(alices.get(f"{page}/transactions.csv"))

    assert row["number"] == "'+14155550142"
    assert row["agent"] == "'=HYPERLINK(1)"
    assert row["description"] == "'+14155550142 · =HYPERLINK(1) · 1 min 02 s"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_it_defuses_what_a_spreadsheet_would_run(begin: str) -> None:
    assert defused(f"{begin}1+1") == f"'{begin}1+1"


@pytest.mark.parametrize("text", ["", "A call", "1-2", "a=b", "−$5", "'=1"])
def test_it_leaves_other_text_as_it_is(text: str) -> None:
    assert defused(text) == text


def test_it_leaves_no_cell_that_would_run(alices: Client, wallet: Wallet, page: str) -> None:
    for begin in "=+-@\t\r":
        post(wallet.pk, [entry(1_000, description=f"{begin}cmd", reference=f"{begin}cmd")])

    for row in rows_of(alices.get(f"{page}/transactions.csv")):
        for column, cell in row.items():
            if column in ("amount", "balance_after"):
                assert float(cell) < 0, "an amount stays a number"
            else:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (column, cell)


def test_it_takes_the_same_filters_as_the_page(alices: Client, wallet: Wallet, page: str) -> None:
    set_prices()
    report(event(wallet, agent="Sales agent"), event(wallet, agent="Reception"), event(wallet, "ai_task", agent="Sales agent"))

    asked = {"show": "calls", "q": "sales", "from": "2020-01-01"}

    assert [row["entry"] for row in rows_of(alices.get(f"{page}/transactions.csv", asked))] == ["1"]
    assert [row["entry"] for row in rows_of(alices.get(f"{page}/transactions.csv", {"q": "sales"}))] == ["3", "1"]


def test_it_is_named_after_workspace_and_period(wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(created_at=datetime(2026, 1, 1, 2, tzinfo=UTC))
    wallet.refresh_from_db()

    chosen = read_query(QueryDict("from=2026-02-01&until=2026-02-28"))
    open_end = read_query(QueryDict("until=2026-02-28"))

    assert file_name(wallet, chosen, sheet=TRANSACTIONS, zone=NEW_YORK) == "northside-realty-transactions-2026-02-01-to-2026-02-28.csv"
    assert file_name(wallet, open_end, sheet=TRANSACTIONS, zone=NEW_YORK) == "northside-realty-transactions-2025-12-31-to-2026-02-28.csv"


def test_it_names_a_workspace_that_has_no_latin_letters_by_its_id(wallet: Wallet) -> None:
    wallet.workspace.name = "不動産"

    name = file_name(wallet, read_query(QueryDict()), sheet=TRANSACTIONS, zone=NEW_YORK)

    assert name.startswith(f"{wallet.workspace.public_id}-transactions-")


def pieces(wallet: Wallet) -> Iterable[str]:
    return csv_lines(wallet, read_query(QueryDict()), sheet=TRANSACTIONS, zone=NEW_YORK)


def test_it_hands_out_a_long_book_piece_by_piece(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
    post(wallet.pk, [entry(1_000) for _ in range(95)])
    wallet.refresh_from_db()

    parts = list(pieces(wallet))

    assert len(parts) == 11
    assert max(part.count("\r\n") for part in parts) == 10
    assert "".join(parts).count("\r\n") == 96


def test_it_reads_no_further_than_it_was_asked(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
    post(wallet.pk, [entry(1_000) for _ in range(95)])
    wallet.refresh_from_db()
    lines = iter(pieces(wallet))
    next(lines)

    with CaptureQueriesContext(connection) as queries:
        next(lines)

    assert len(queries) <= 4


def test_it_leaves_out_what_is_booked_meanwhile(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    post(wallet.pk, [entry(1_000) for _ in range(4)])
    wallet.refresh_from_db()
    lines = iter(pieces(wallet))
    begin = next(lines) + next(lines)
    post(wallet.pk, [entry(1_000)])

    rest = "".join(lines)

    assert [line.rpartition(",")[2] for line in (begin + rest).splitlines()[1:]] == ["4", "3", "2", "1"]


def test_it_says_where_a_file_ends_that_would_be_too_long(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_MAX", 3)
    post(wallet.pk, [entry(1_000, posted_at=AT) for _ in range(5)])
    wallet.refresh_from_db()

    lines = "".join(pieces(wallet)).splitlines()

    assert len(lines) == 5
    assert lines[-1] == ",,not_complete,Not complete: a file has 3 rows at most. Export again until 2026-03-08 for the rest.,,,,,,,"


def test_it_is_not_for_bob_or_charlie(bob: User, charlie: User, signed_in: SignedIn, wallet: Wallet, page: str) -> None:
    assert signed_in(bob).get(f"{page}/transactions.csv").status_code == 403
    assert signed_in(charlie).get(f"{page}/transactions.csv").status_code == 404


def test_it_holds_no_row_of_anyone_else(alices: Client, wallet: Wallet, elsewhere: Wallet, page: str) -> None:
    post(elsewhere.pk, [entry(1_000)])

    assert rows_of(alices.get(f"{page}/transactions.csv")) == []


def test_it_stops_after_many_by_one_person(
    alice: User, alices: Client, signed_in: SignedIn, workspace: Workspace, wallet: Wallet, page: str, two_a_minute: Callable[[str], None]
) -> None:
    # Each file of a long book is a quarter of a minute's work.
    dana = services.add_user("dana@northside.example")
    Membership.objects.create(workspace=workspace, user=dana, role=Role.ADMIN)
    two_a_minute("EXPORTS_PER_PERSON")

    answers = [alices.get(f"{page}/transactions.csv", {"show": "calls"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "You can export 2 files in 10 minutes" in answers[2].content.decode()
    assert f'href="{page}?show=calls#history"' in answers[2].content.decode()
    assert answers[2]["Retry-After"] == "60"
    assert signed_in(dana).get(f"{page}/transactions.csv").status_code == 200


@pytest.mark.usefixtures("no_redis")
def test_it_goes_on_where_nobody_can_count(alices: Client, wallet: Wallet, page: str) -> None:
    assert rows_of(alices.get(f"{page}/transactions.csv")) == []


def test_it_is_a_download(alices: Client, wallet: Wallet, page: str) -> None:
    response = alices.get(f"{page}/transactions.csv", {"from": "2026-02-01", "until": str(date(2026, 2, 2))})

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="northside-realty-transactions-2026-02-01-to-2026-02-02.csv"'

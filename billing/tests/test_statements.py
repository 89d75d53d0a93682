"""Statements: each month begins where the one before it ended, and says what came in and what was used, to the micro."""

from datetime import UTC, date, datetime
from io import BytesIO

import pytest
from django.test import Client
from pypdf import PdfReader

from billing.kind_words import kind_name
from billing.statements import statement_of, statement_pdf
from billing.tests.conftest import SignedIn
from usage.kinds import UsageKind
from wallet.ledger import post
from wallet.models import Account, Kind, Wallet
from wallet.tests.builders import DOLLAR, adjustment, entry
from workspaces.models import User

pytestmark = pytest.mark.django_db


def book(wallet: Wallet, moment: str, *entries: tuple[str, float]) -> None:
    """Kind and dollars of each; what comes in is positive."""
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    rows = []
    for kind, dollars in entries:
        micros = round(abs(dollars) * DOLLAR)
        if dollars > 0:
            rows.append(adjustment(micros, kind=kind, posted_at=at))
        elif kind == "adjustment":
            rows.append(entry(micros, kind=kind, credit=Account.ADJUSTMENTS, posted_at=at))
        else:
            rows.append(entry(micros, kind=kind, posted_at=at))
    post(wallet.pk, rows)
    wallet.refresh_from_db()


@pytest.fixture
def two_months(wallet: Wallet) -> Wallet:
    """New York's September and October; the very first call of October was in UTC's September still no more."""
    Wallet.objects.filter(pk=wallet.pk).update(created_at=datetime(2026, 8, 1, tzinfo=UTC))
    book(wallet, "2026-09-10T12:00", ("adjustment", 50), ("call_out", -1.25), ("call_out", -0.0165))
    book(wallet, "2026-10-01T03:59", ("message_out", -2))
    book(wallet, "2026-10-01T04:00", ("message_out", -3))
    book(wallet, "2026-10-15T12:00", ("adjustment", 10), ("adjustment", -4), ("ai_task", -0.000001))
    return wallet


def test_it_adds_up_to_the_micro(two_months: Wallet) -> None:
    september = statement_of(two_months, month=date(2026, 9, 1))
    october = statement_of(two_months, month=date(2026, 10, 1))

    assert (september.opening, september.closing, september.used) == ("$0.0000", "$46.7335", "−$3.2665")
    assert [(line.label, line.rows, line.amount) for line in september.uses] == [
        ("Outbound calls", 2, "−$1.2665"),
        ("Text message", 1, "−$2.0000"),
    ]
    assert (october.opening, october.closing) == ("$46.7335", "$49.733499")
    assert [(line.label, line.amount) for line in october.money] == [("Adjustment", "+$10.0000"), ("Adjustment", "−$4.0000")]
    assert (september.is_over, september.status) == (True, "Final")


def test_it_shows_page_and_file(alices: Client, two_months: Wallet, page: str) -> None:
    shown = alices.get(f"{page}/statements/2026-10").content.decode()
    file = alices.get(f"{page}/statements/2026-10.pdf")
    text = "\n".join(one.extract_text() for one in PdfReader(BytesIO(file.content)).pages)

    assert "/settings/billing/transactions.csv?from=2026-10-01&amp;until=2026-10-31" in shown
    for said in (shown, text):
        for fact in ("October 2026", "Northside Realty", "$46.7335", "$49.733499", "AI task", "Adjustment"):
            assert fact in said, fact


def test_it_gives_its_lines_as_a_table(alices: Client, two_months: Wallet, page: str) -> None:
    post(two_months.pk, [adjustment(1, kind="=cmd", posted_at=datetime(2026, 10, 20, tzinfo=UTC))])

    text = alices.get(f"{page}/statements/2026-10.csv").content.decode()

    assert text.startswith("\ufeffmonth,currency,section,line,rows,amount\r\n")
    assert [line.removeprefix("2026-10,USD,") for line in text.splitlines()[1:]] == [
        "opening,Balance at the beginning,,46.733500",
        "money,Adjustment,1,10.000000",
        "money,Adjustment,1,-4.000000",
        "money,'=cmd,1,0.000001",
        "use,Text message,1,-3.000000",
        "use,AI task,1,-0.000001",
        "used,Used in all,2,-3.000001",
        "closing,Balance at the end,,49.733500",
    ]


@pytest.mark.parametrize(("ending", "content_type"), [("pdf", "application/pdf"), ("csv", "text/csv; charset=utf-8")])
def test_it_names_its_files(alices: Client, two_months: Wallet, page: str, ending: str, content_type: str) -> None:
    file = alices.get(f"{page}/statements/2026-10.{ending}")

    name = f"statement-{two_months.workspace.public_id}-2026-10.{ending}"
    assert (file["Content-Type"], file["Content-Disposition"]) == (content_type, f'attachment; filename="{name}"')


@pytest.mark.parametrize("month", ["2026-06", "2199-01", "2026-13", "2026-1", "x", "0000-01", "2026-10-01"])
def test_it_has_no_statement_of_other_months(alices: Client, two_months: Wallet, page: str, month: str) -> None:
    assert alices.get(f"{page}/statements/{month}").status_code == 404
    assert alices.get(f"{page}/statements/{month}.pdf").status_code == 404
    assert alices.get(f"{page}/statements/{month}.csv").status_code == 404


@pytest.mark.parametrize("ending", ["", ".pdf", ".csv"])
def test_it_refuses_bob_and_does_not_exist_for_charlie(
    signed_in: SignedIn, bob: User, charlie: User, two_months: Wallet, page: str, ending: str
) -> None:
    assert signed_in(bob).get(f"{page}/statements/2026-10{ending}").status_code == 403
    assert signed_in(charlie).get(f"{page}/statements/2026-10{ending}").status_code == 404


def test_it_takes_any_name(two_months: Wallet) -> None:
    """As long as names get, with what no font has and what turns a line around."""
    two_months.workspace.name = f"ab\u202ecd\u0007 🏡👨‍👩‍👧 עברית {'W' * 100}"

    file = PdfReader(BytesIO(statement_pdf(statement_of(two_months, month=date(2026, 9, 1)))))

    text = "".join(page.extract_text() for page in file.pages)
    assert len(file.pages) == 1
    assert "$46.7335" in text
    assert "WWWW" in text
    assert not {"\u202e", "\u0007"} & set(text)


def test_it_names_one_and_many_of_every_kind() -> None:
    for kind in (*Kind, *UsageKind):
        assert kind_name(kind) == kind.label
        assert kind_name(kind, count=2) not in (kind.label, kind.value)

"""Files for staff: a wallet's rows for support and finance, the journal for finance alone, day by day."""

import csv
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from billing.export_making import make_export, pieces_of
from billing.models import Export
from wallet.ledger import post
from wallet.models import Wallet
from wallet.services.journal import journal_lines
from wallet.tests.builders import DOLLAR, adjustment, entry, make_wallet
from workspaces.models import AuditEntry

JOURNAL = {"journal-first_day": "2026-10-01", "journal-last_day": "2026-10-03", "journal-zone": "Europe/Berlin"}


def file_of(asked: Export) -> str:
    asked.refresh_from_db()
    return b"".join(pieces_of(asked)).decode()


@pytest.mark.django_db(transaction=True)  # The journal reads a whole day at one moment, in a transaction of its own.
def test_it_makes_the_journal_day_by_day(frances: Client) -> None:
    for currency in ("usd", "eur"):
        book = make_wallet(currency=currency)
        for day in (1, 2, 3):
            at = datetime(2026, 10, day, 21, 30, tzinfo=UTC)
            post(book.pk, [adjustment(DOLLAR, posted_at=at), entry(16_501, posted_at=at)])

    frances.post(reverse("admin:console_export_journal"), JOURNAL)
    asked = Export.objects.get()
    make_export(str(asked.pk))

    journal = journal_lines(first_day=date(2026, 10, 1), last_day=date(2026, 10, 3), zone=ZoneInfo("Europe/Berlin"))
    assert file_of(asked) == "\ufeff" + "".join(journal)
    assert (asked.state, asked.rows_done) == ("ready", 12)
    assert len(list(csv.reader(file_of(asked).splitlines()))) == 13
    assert AuditEntry.objects.get(action="export.made").is_staff_act


@pytest.mark.django_db
def test_it_gives_support_a_wallets_rows_and_not_the_journal(wallet: Wallet, sam: Client, frances: Client) -> None:
    frances.post(reverse("admin:console_export_journal"), JOURNAL)
    journal = Export.objects.get()
    sam.post(reverse("admin:console_export_rows"), {"rows-workspace": wallet.workspace.public_id, "rows-kind": "transactions"})
    rows = Export.objects.get(kind="transactions")
    make_export(str(rows.pk))

    shown = sam.get(reverse("admin:console_exports")).content.decode()
    file = sam.get(reverse("admin:console_export_file", args=[rows.pk]))

    assert "Transactions of Alice" in shown
    assert str(journal.pk) not in shown
    assert b"".join(file).decode() == file_of(rows)
    assert sam.get(reverse("admin:console_export_file", args=[journal.pk])).status_code == 403
    assert frances.get(reverse("admin:console_export_file", args=[journal.pk])).status_code == 302
    assert AuditEntry.objects.get(action="export.made", workspace=wallet.pk).is_staff_act


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"journal-zone": "Mars/Base"},
        {"journal-last_day": "2026-09-30"},
        {"journal-last_day": "2027-10-03"},
        {"journal-first_day": "x"},
        {"journal-first_day": "9999-12-31", "journal-last_day": "9999-12-31"},
    ],
)
def test_it_says_what_is_wrong_with_the_days(frances: Client, wrong: dict[str, str]) -> None:
    assert frances.post(reverse("admin:console_export_journal"), JOURNAL | wrong).status_code == 422
    assert not Export.objects.exists()


@pytest.mark.django_db
def test_it_says_that_no_workspace_is_meant(frances: Client) -> None:
    answer = frances.post(reverse("admin:console_export_rows"), {"rows-workspace": "nobody", "rows-kind": "events"})

    assert answer.status_code == 422
    assert "No workspace is found by that." in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["posixrules", "localtime", "../UTC", "Europe"])
def test_it_takes_no_zone_that_the_database_does_not_know(frances: Client, zone: str) -> None:
    """ZoneInfo opens whatever file of the machine has that name; the worker would fail, and keep every other journal waiting."""
    assert frances.post(reverse("admin:console_export_journal"), JOURNAL | {"journal-zone": zone}).status_code == 422

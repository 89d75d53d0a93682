"""The accounting journal: by day, currency, accounts and kind, to the micro, and with what Stripe took."""

import csv
import io
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from wallet.ledger import post
from wallet.models import StripeMovement
from wallet.services.journal import journal_lines
from wallet.tests.builders import DOLLAR, adjustment, entry, make_wallet

pytestmark = pytest.mark.django_db(transaction=True)


def rows(first: str, last: str, *, zone: str = "UTC") -> list[tuple[str, ...]]:
    lines = journal_lines(first_day=date.fromisoformat(first), last_day=date.fromisoformat(last), zone=ZoneInfo(zone))
    return [tuple(row) for row in csv.reader("".join(lines).splitlines())][1:]


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_it_sums_by_day_currency_accounts_and_kind() -> None:
    for currency in ("usd", "usd", "eur"):
        wallet = make_wallet(currency=currency)
        post(wallet.pk, [adjustment(10 * DOLLAR, posted_at=at("2026-10-01T10:00")), entry(16_501, posted_at=at("2026-10-01T23:30"))])

    assert rows("2026-10-01", "2026-10-01") == [
        ("2026-10-01", "EUR", "adjustments", "wallet", "adjustment", "1", "10.000000"),
        ("2026-10-01", "EUR", "wallet", "usage_revenue", "use", "1", "0.016501"),
        ("2026-10-01", "USD", "adjustments", "wallet", "adjustment", "2", "20.000000"),
        ("2026-10-01", "USD", "wallet", "usage_revenue", "use", "2", "0.033002"),
    ]
    assert [row[0] for row in rows("2026-10-01", "2026-10-02", zone="Europe/Berlin")] == [
        "2026-10-01",
        "2026-10-01",
        "2026-10-02",
        "2026-10-02",
    ]


def test_it_tells_what_stripe_took() -> None:
    StripeMovement.objects.create(
        id="txn_1",
        type="charge",
        source_id="ch_1",
        payment_id="pi_1",
        amount_micros=20 * DOLLAR,
        currency="usd",
        fee_minor=88,
        net_minor=1_912,
        settled_currency="usd",
        happened_at=at("2026-10-01T10:00"),
    )

    assert rows("2026-10-01", "2026-10-01") == [("2026-10-01", "USD", "stripe_fees", "stripe", "fee", "1", "0.880000")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("2026-10-02", "2026-10-01"), "1 to 366 days"),
        (("2026-10-01", "2028-10-01"), "1 to 366 days"),
        (("october", "2026-10-01"), "Invalid isoformat"),
        (("9999-12-30", "9999-12-31"), "1 to 366 days"),
        (("2026-10-01", "2026-10-01", "--zone", "Mars/Olympus"), "There is no time zone"),
    ],
)
def test_it_says_what_is_wrong_with_the_period(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("journal", *arguments, stdout=io.StringIO())


def test_it_writes_to_standard_output() -> None:
    out = io.StringIO()

    call_command("journal", "2026-10-01", "2026-10-01", stdout=out)

    assert out.getvalue() == "day,currency,debit,credit,kind,rows,amount\r\n"


def test_it_shows_how_far_it_is_beside_what_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.management.progress.ProgressLine.PAUSE_SECONDS", 0)
    monkeypatch.setattr("wallet.services.books.BATCH_WALLETS", 1)
    for _ in range(2):
        post(make_wallet().pk, [adjustment(10 * DOLLAR, posted_at=at("2026-10-01T10:00"))])
    told = {asked: (io.StringIO(), io.StringIO()) for asked in ("", "--progress")}

    for asked, (out, err) in told.items():
        call_command("journal", "2026-10-01", "2026-10-01", *filter(None, [asked]), stdout=out, stderr=err)

    (plain, silent), (watched, shown) = told.values()
    assert silent.getvalue() == ""
    assert "adding up the journal: 50 %" in shown.getvalue()
    assert "adding up the journal: 100 %" in shown.getvalue()
    assert plain.getvalue() == watched.getvalue()
    assert plain.getvalue().splitlines()[1:] == ["2026-10-01,USD,adjustments,wallet,adjustment,2,20.000000"]

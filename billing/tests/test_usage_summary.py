"""Monthly Usage Summary: a month is the workspace's own, and only use counts."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from billing.usage_summary import pace, read_month, summary
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment, entry

pytestmark = pytest.mark.django_db

NEW_YORK = ZoneInfo("America/New_York")


def test_it_adds_up_a_month_by_kind(wallet: Wallet) -> None:
    midday = datetime(2026, 3, 15, 12, tzinfo=UTC)
    post(
        wallet.pk,
        [
            adjustment(50 * DOLLAR, posted_at=midday),
            entry(3 * DOLLAR, kind="call_out", posted_at=midday),
            entry(2 * DOLLAR, kind="call_in", posted_at=midday),
            entry(1 * DOLLAR, kind="message_out", posted_at=midday),
            entry(1 * DOLLAR, kind="message_in", posted_at=midday),
            entry(1 * DOLLAR, kind="ai_task", posted_at=midday),
        ],
    )

    month = summary(wallet, month=date(2026, 3, 1), zone=NEW_YORK)

    assert month.spent_micros == 8 * DOLLAR
    assert [(line.group.label, line.count, line.spent_micros) for line in month.lines] == [
        ("Calls out", 1, 3 * DOLLAR),
        ("Calls in", 1, 2 * DOLLAR),
        ("Messages", 2, 2 * DOLLAR),
        ("AI tasks", 1, 1 * DOLLAR),
    ]
    assert [(line.offset, line.width) for line in month.lines] == [(0, 375), (375, 250), (625, 250), (875, 125)]


def test_it_begins_a_month_at_the_workspaces_midnight(wallet: Wallet) -> None:
    # Midnight of March 1 in New York is five o'clock in the morning UTC.
    first = datetime(2026, 3, 1, 5, tzinfo=UTC)
    post(wallet.pk, [entry(1 * DOLLAR, posted_at=first - timedelta(microseconds=1)), entry(2 * DOLLAR, posted_at=first)])

    assert summary(wallet, month=date(2026, 2, 1), zone=NEW_YORK).spent_micros == 1 * DOLLAR
    assert summary(wallet, month=date(2026, 3, 1), zone=NEW_YORK).spent_micros == 2 * DOLLAR


def test_it_leads_to_months_that_there_are(wallet: Wallet) -> None:
    post(wallet.pk, [entry(DOLLAR, posted_at=datetime(2025, 12, 15, tzinfo=UTC))])

    oldest = summary(wallet, month=date(2025, 12, 1), zone=NEW_YORK)
    newest = summary(wallet, month=read_month("", zone=NEW_YORK), zone=NEW_YORK)

    assert (oldest.earlier, oldest.later) == ("", "2026-01")
    assert newest.later == ""
    assert newest.earlier


@pytest.mark.parametrize("text", ["", "2026-13", "0001-01", "9999-12", "x", "2026-3", "٢٠٢٦-٠٣", "2999-01"])
def test_it_takes_this_month_for_one_that_is_none(text: str) -> None:
    assert read_month(text, zone=NEW_YORK) == timezone.localtime(timezone=NEW_YORK).date().replace(day=1)


@pytest.mark.parametrize(
    ("spent", "left", "said"),
    [(7, 10, "10 days"), (7, 1, "1 day"), (70, 1, "less than a day"), (1, 900, "over a year"), (0, 10, ""), (7, -1, "")],
)
def test_it_says_how_long_the_money_lasts(wallet: Wallet, spent: int, left: int, said: str) -> None:
    post(wallet.pk, [adjustment((spent + left) * DOLLAR if spent + left > 0 else DOLLAR), *([entry(spent * DOLLAR)] if spent else [])])
    Wallet.objects.filter(pk=wallet.pk).update(balance_micros=left * DOLLAR)
    wallet.refresh_from_db()

    assert pace(wallet) == said


def test_it_changes_the_month_alone(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [entry(DOLLAR, posted_at=datetime(2026, 1, 15, tzinfo=UTC))])

    response = alices.get(page, {"month": "2026-01"}, headers={"HX-Request": "true", "HX-Target": "usage"})

    assert "January 2026" in response.content.decode()
    assert 'id="history"' not in response.content.decode()

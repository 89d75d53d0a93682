"""Monthly Usage Summary: a month is the workspace's own, its numbers are those of the rollup, and what is shown adds up."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.tests.conftest import SignedIn
from billing.usage_summary import Summary, read_month, summary
from usage.models import Meter, UsageDay
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR
from workspaces.models import User

pytestmark = pytest.mark.django_db

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)


@pytest.fixture(autouse=True)
def _meters(db: None) -> None:
    names = {
        "call_out": "second",
        "call_in": "second",
        "message_out": "segment",
        "message_in": "segment",
        "ai_task": "task",
        "lab": "second",
    }
    for kind, unit in names.items():
        Meter.objects.create(key=kind, name=kind.replace("_", " ").capitalize(), unit=unit, kind=kind)


def use(
    wallet: Wallet, day: date, micros: int, *, meter: str = "call_out", is_late: bool = False, quantity: int = 60, events: int = 1
) -> None:
    """One row of the rollup."""
    UsageDay.objects.create(
        wallet=wallet,
        day=day,
        meter_id=meter,
        is_late=is_late,
        events=events,
        quantity=quantity,
        billed_quantity=quantity,
        amount_micros=micros,
    )


def month_of(wallet: Wallet, month: date = NOVEMBER, *, now: datetime = NOW) -> Summary:
    with patch("django.utils.timezone.now", return_value=now):
        return summary(wallet, month=month, zone=NEW_YORK)


def test_it_has_a_line_for_each_meter(wallet: Wallet) -> None:
    use(wallet, date(2026, 11, 3), 3 * DOLLAR, quantity=630, events=4)
    use(wallet, date(2026, 11, 4), 1 * DOLLAR, quantity=31, events=1)
    use(wallet, date(2026, 11, 4), 2 * DOLLAR, meter="message_in", quantity=1_200, events=1_100)
    use(wallet, date(2026, 11, 4), 0, meter="lab", quantity=45, events=2)
    use(wallet, date(2026, 10, 31), 100 * DOLLAR)
    use(wallet, date(2026, 12, 1), 100 * DOLLAR)

    lines = [(line.label, line.series, line.events, line.amount, line.cost_micros, line.is_free) for line in month_of(wallet).lines]

    assert lines == [
        ("Call out", 1, 5, "11 min", 4 * DOLLAR, False),
        ("Message in", 3, 1_100, "1,200 segments", 2 * DOLLAR, False),
        ("Lab", None, 2, "45 s", 0, True),
    ]


def test_it_draws_and_lists_what_the_rollup_has(wallet: Wallet) -> None:
    parts = {"call_out": 1_234_567, "call_in": 1, "message_out": 20_000, "message_in": 5, "ai_task": 333}
    for meter, micros in parts.items():
        use(wallet, date(2026, 11, 7), micros, meter=meter)

    month = month_of(wallet)

    assert month.chart
    (row,) = month.days
    assert row.parts == (1_234_567, 1, 20_005, 333)
    assert row.total_micros == month.spent_micros == sum(parts.values())
    (bar,) = month.chart.bars
    assert bar.says == "Saturday, November 7: $1.25 (outbound calls $1.23, inbound calls $0.00, messages $0.02, AI tasks $0.00)"


def test_it_shows_lines_that_add_up_to_the_total(alices: Client, wallet: Wallet, page: str) -> None:
    # Each alone is rounded to nothing or a cent; together they are a cent and two thirds, which is two.
    today = timezone.localtime(timezone=NEW_YORK).date()
    for meter in ("call_out", "call_in", "message_out", "ai_task"):
        use(wallet, today, 4_166, meter=meter)

    body = alices.get(page).content.decode()

    meters = body[body.index('class="meters"') :]
    costs = [int(cents) for cents in re.findall(r'class="amount num">\$0\.(\d\d)<', meters)[:5]]
    assert costs == [1, 1, 0, 0, 2]


def test_it_keeps_what_was_booked_late_apart(wallet: Wallet) -> None:
    use(wallet, date(2026, 11, 2), 4 * DOLLAR)
    use(wallet, date(2026, 11, 2), 3 * DOLLAR, is_late=True, events=7)

    month = month_of(wallet)

    assert [(line.label, line.events, line.cost_micros) for line in month.lines] == [
        ("Call out", 1, 4 * DOLLAR),
        ("Adjustments of earlier months", 7, 3 * DOLLAR),
    ]
    assert month.spent_micros == 7 * DOLLAR
    assert [row.total_micros for row in month.days] == [4 * DOLLAR]


@pytest.mark.parametrize(
    ("october", "november", "said"),
    [
        ({5: 50}, {3: 44}, "12% less than October by this day"),
        # What October cost from its 21st on, and the day that is running, are left out.
        ({5: 50, 21: 500}, {3: 55, 21: 900}, "10% more than October by this day"),
        # Whoever came later than in October's first week has no October to be held against.
        ({7: 10}, {5: 50}, "400% more than October by this day"),
        ({8: 10}, {5: 50}, ""),
        ({5: 1000}, {3: 1001}, "about as much as October by this day"),
        ({5: 1}, {3: 11}, "over ten times as much as October by this day"),
        ({}, {3: 11}, ""),
        ({5: 50}, {}, "100% less than October by this day"),
    ],
)
def test_it_compares_with_last_month_by_this_day(wallet: Wallet, october: dict[int, int], november: dict[int, int], said: str) -> None:
    for month, days in ((10, october), (11, november)):
        for day, dollars in days.items():
            use(wallet, date(2026, month, day), dollars * DOLLAR)

    assert month_of(wallet).comparison == said


def test_it_compares_whole_months_that_are_over(wallet: Wallet) -> None:
    use(wallet, date(2026, 9, 1), 4 * DOLLAR)
    use(wallet, date(2026, 9, 30), 6 * DOLLAR)
    use(wallet, date(2026, 10, 31), 15 * DOLLAR)

    assert month_of(wallet, date(2026, 10, 1)).comparison == "50% more than September"


def test_it_says_nothing_of_last_month_on_the_first(wallet: Wallet) -> None:
    use(wallet, date(2026, 10, 1), 10 * DOLLAR)
    use(wallet, date(2026, 11, 1), 1 * DOLLAR)

    assert month_of(wallet, now=datetime(2026, 11, 1, 20, tzinfo=UTC)).comparison == ""


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Summer time ends in New York on November 1st: midnight is at four, and from the next day on at five.
        (datetime(2026, 11, 1, 3, 59, tzinfo=UTC), "2026-10"),
        (datetime(2026, 11, 1, 4, 0, tzinfo=UTC), "2026-11"),
        (datetime(2026, 12, 1, 4, 59, tzinfo=UTC), "2026-11"),
        (datetime(2026, 12, 1, 5, 0, tzinfo=UTC), "2026-12"),
    ],
)
def test_it_begins_a_month_at_the_workspaces_midnight(now: datetime, expected: str) -> None:
    with patch("django.utils.timezone.now", return_value=now):
        assert f"{read_month('', zone=NEW_YORK):%Y-%m}" == expected


def test_it_has_as_many_places_as_the_month_has_days(wallet: Wallet) -> None:
    use(wallet, date(2026, 2, 28), DOLLAR)

    chart = month_of(wallet, date(2026, 2, 1)).chart

    assert chart
    assert chart.room == "3.57%"
    assert chart.bars[0].left == "96.42%"
    assert not chart.today


def test_it_marks_today(wallet: Wallet) -> None:
    use(wallet, date(2026, 11, 20), DOLLAR)

    chart = month_of(wallet, now=datetime(2026, 11, 22, 4, 30, tzinfo=UTC)).chart

    assert chart
    assert chart.today == "66.66%"
    assert [label.text for label in chart.labels] == ["1", "6", "11", "16", "Today", "26"]


def test_it_leads_to_months_that_there_are(wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(created_at=NOW)
    wallet.refresh_from_db()
    use(wallet, date(2026, 9, 15), DOLLAR)

    oldest, newest = month_of(wallet, date(2026, 9, 1)), month_of(wallet)

    assert (oldest.earlier, oldest.later) == ("", "2026-10")
    assert (newest.earlier, newest.later) == ("2026-10", "")
    assert [month.value for month in newest.months] == ["2026-11", "2026-10", "2026-09"]


@pytest.mark.parametrize("text", ["", "2026-13", "0001-01", "9999-12", "x", "2026-3", "٢٠٢٦-٠٣", "2999-01"])
def test_it_takes_this_month_for_one_that_is_none(text: str) -> None:
    assert read_month(text, zone=NEW_YORK) == timezone.localtime(timezone=NEW_YORK).date().replace(day=1)


def test_it_changes_the_month_alone(alices: Client, wallet: Wallet, page: str) -> None:
    use(wallet, date(2026, 1, 15), DOLLAR)

    response = alices.get(page, {"month": "2026-01"}, headers={"HX-Request": "true", "HX-Target": "usage"})

    assert '<option value="2026-01" selected>' in response.content.decode()
    assert "Thursday, January 15: $1.00" in response.content.decode()
    assert 'id="history"' not in response.content.decode()


def test_it_asks_as_often_for_a_full_month_as_for_one_day(wallet: Wallet) -> None:
    use(wallet, date(2026, 11, 1), DOLLAR)
    with CaptureQueriesContext(connection) as of_one:
        month_of(wallet)
    for day in range(2, 29):
        for meter in ("call_out", "call_in", "ai_task"):
            use(wallet, date(2026, 11, day), DOLLAR, meter=meter)

    with CaptureQueriesContext(connection) as of_all:
        month_of(wallet)

    assert len(of_all) == len(of_one) == 2


def test_it_reads_the_days_by_their_key(wallet: Wallet) -> None:
    assert "Seq Scan on usage_usageday" not in plan_of_summary(wallet)


def plan_of_summary(wallet: Wallet) -> str:
    with CaptureQueriesContext(connection) as queries:
        month_of(wallet)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        return str(cursor.fetchall())


def test_it_shows_nothing_of_anyone_else(elsewhere: Wallet, alices: Client, wallet: Wallet, page: str) -> None:
    use(elsewhere, timezone.localdate(), 77 * DOLLAR)

    assert "$77" not in alices.get(page).content.decode()


def test_it_tells_bob_nothing(bob: User, signed_in: SignedIn, wallet: Wallet, page: str) -> None:
    use(wallet, timezone.localtime(timezone=NEW_YORK).date(), 77 * DOLLAR)

    response: Any = signed_in(bob).get(page, headers={"HX-Request": "true", "HX-Target": "usage"})

    assert response.status_code == 403
    assert "$77" not in response.content.decode()


@pytest.mark.parametrize(("years", "earliest"), [(0, 1), (1, 13)])
def test_it_offers_every_month_since_the_wallet_was_opened(wallet: Wallet, years: int, earliest: int) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(created_at=NOW - timedelta(days=365 * years))
    wallet.refresh_from_db()

    assert len(month_of(wallet).months) == earliest

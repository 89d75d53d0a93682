"""When a use counts: on its own day in the workspace's zone, or, once its month is closed, late on the day that it is booked."""

from datetime import UTC, date, datetime, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from usage.models import Event, UsageDay
from usage.services.charging import MONTH_CLOSES_AFTER, first_open_day
from usage.tests.stage import CENT, MINUTE_MICROS, Metering, make_metering, seconds_ago
from wallet.models import Transfer
from wallet.tests.books import assert_books_balance

pytestmark = pytest.mark.django_db
NEW_YORK, KIRITIMATI = ZoneInfo("America/New_York"), ZoneInfo("Pacific/Kiritimati")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.fixture
def new_york(prices: None) -> Metering:
    return make_metering(time_zone="America/New_York")


def reported(metering: Metering, *, happened: str, now: str) -> UsageDay:
    """A call, reported at that moment; the day it counts on."""
    UsageDay.objects.all().delete()
    with patch("django.utils.timezone.now", return_value=at(now)):
        answer = metering.report_one(metering.event(time=happened))
    assert answer.status == 204, answer.raw
    return UsageDay.objects.get()


@pytest.mark.parametrize(
    ("now", "zone", "first_open"),
    [
        ("2026-11-20T12:00:00+00:00", NEW_YORK, "2026-11-01"),
        # October has ended in New York, and takes the reports of its last evening for a day.
        ("2026-11-01T04:00:00+00:00", NEW_YORK, "2026-10-01"),
        ("2026-11-02T03:59:59+00:00", NEW_YORK, "2026-10-01"),
        # The first of November has twenty-five hours there: a day after October's end it is still the first.
        ("2026-11-02T04:00:00+00:00", NEW_YORK, "2026-11-01"),
        ("2026-11-01T09:59:59+00:00", KIRITIMATI, "2026-10-01"),
        ("2026-11-01T10:00:00+00:00", KIRITIMATI, "2026-11-01"),
        ("2027-01-02T00:00:00+00:00", ZoneInfo("UTC"), "2027-01-01"),
        ("2027-01-01T23:59:59+00:00", ZoneInfo("UTC"), "2026-12-01"),
    ],
)
def test_it_closes_a_month_a_day_after_its_end(now: str, zone: ZoneInfo, first_open: str) -> None:
    assert first_open_day(at(now), zone=zone) == date.fromisoformat(first_open)


@pytest.mark.parametrize(
    ("happened", "day"),
    [
        ("2026-11-19T23:59:59-05:00", date(2026, 11, 19)),
        ("2026-11-20T04:59:59Z", date(2026, 11, 19)),
        ("2026-11-20T05:00:00Z", date(2026, 11, 20)),
        # Half past one comes twice on the day that the clocks go back, and both are that day.
        ("2026-11-01T05:30:00Z", date(2026, 11, 1)),
        ("2026-11-01T06:30:00Z", date(2026, 11, 1)),
        ("2026-11-01T04:00:00Z", date(2026, 11, 1)),
        ("2026-11-02T04:59:59Z", date(2026, 11, 1)),
    ],
)
def test_it_counts_on_the_day_that_it_was_there(new_york: Metering, happened: str, day: date) -> None:
    counted = reported(new_york, happened=happened, now="2026-11-20T12:00:00Z")

    assert (counted.day, counted.is_late) == (day, False)


@pytest.mark.parametrize(
    ("happened", "now", "day"),
    [
        # The clocks go forward on the 8th of March: that day has twenty-three hours.
        ("2026-03-08T04:59:59Z", "2026-03-10T12:00:00Z", date(2026, 3, 7)),
        ("2026-03-08T05:00:00Z", "2026-03-10T12:00:00Z", date(2026, 3, 8)),
        ("2026-03-09T03:59:59Z", "2026-03-10T12:00:00Z", date(2026, 3, 8)),
        ("2026-03-09T04:00:00Z", "2026-03-10T12:00:00Z", date(2026, 3, 9)),
    ],
)
def test_it_knows_the_day_that_is_an_hour_short(new_york: Metering, happened: str, now: str, day: date) -> None:
    assert reported(new_york, happened=happened, now=now).day == day


def test_it_still_counts_the_last_evening_of_a_month_in_that_month(new_york: Metering) -> None:
    counted = reported(new_york, happened="2026-10-31T23:59:59-04:00", now="2026-11-02T03:59:59Z")

    assert (counted.day, counted.is_late) == (date(2026, 10, 31), False)


def test_it_leaves_a_closed_month_closed(new_york: Metering) -> None:
    """One second later it counts, late, on the day of its booking in the workspace's zone: the first, where Europe writes the second."""
    counted = reported(new_york, happened="2026-10-31T23:59:59-04:00", now="2026-11-02T04:00:00Z")

    assert (counted.day, counted.is_late) == (date(2026, 11, 1), True)


def test_it_books_a_late_use_now_under_its_own_time(metering: Metering) -> None:
    happened = seconds_ago(timedelta(days=40).total_seconds())

    metering.report(metering.event(time=happened), metering.event())

    late, own = Event.objects.order_by("transfer_seq")
    transfer = Transfer.objects.get(reference=late.key.hex)
    today = timezone.now().astimezone(UTC).date()
    assert (late.is_late, late.day, own.is_late, own.day) == (True, today, False, today)
    assert transfer.happened_at == late.happened_at == datetime.fromisoformat(happened)
    assert timezone.now() - transfer.posted_at < MONTH_CLOSES_AFTER
    assert {(day.is_late, day.amount_micros) for day in UsageDay.objects.all()} == {(True, MINUTE_MICROS), (False, MINUTE_MICROS)}
    assert_books_balance()


def test_it_counts_the_tiers_of_a_late_use_in_the_month_of_its_booking(metering: Metering) -> None:
    """Reported together or one after the other comes to the same."""
    happened = seconds_ago(timedelta(days=40).total_seconds())

    metering.report(metering.event(type="ai_task", data={"quantity": 9}, time=happened))
    metering.report(
        metering.event(type="ai_task", data={"quantity": 2}, time=happened), metering.event(type="ai_task", data={"quantity": 1})
    )
    metering.report(metering.event(type="ai_task", data={"quantity": 1}))

    rows = list(Event.objects.order_by("transfer_seq").values_list("used_before", "amount_micros"))
    assert rows == [(0, 45 * CENT), (9, 7 * CENT), (11, 2 * CENT), (12, 2 * CENT)]


def test_it_begins_a_months_tiers_anew_where_the_workspace_is(new_york: Metering) -> None:
    """At ten in the evening of the 31st in New York it is November in London, and still October for them."""
    with patch("django.utils.timezone.now", return_value=at("2026-11-01T12:00:00Z")):
        new_york.report(
            new_york.event(type="ai_task", data={"quantity": 10}, time="2026-10-31T22:00:00-04:00"),
            new_york.event(type="ai_task", data={"quantity": 1}, time="2026-10-31T23:59:59-04:00"),
            new_york.event(type="ai_task", data={"quantity": 1}, time="2026-11-01T00:00:00-04:00"),
        )

    assert list(Event.objects.order_by("transfer_seq").values_list("used_before", flat=True)) == [0, 10, 0]

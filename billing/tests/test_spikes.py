"""Which days stand out: more than three times the median of the last two weeks with use, and worth a word."""

from datetime import date, timedelta

import pytest

from billing.spikes import spike_days

DOLLAR = 1_000_000
FIRST = date(2026, 11, 1)


def days(*dollars: int, begin: date = FIRST) -> dict[date, int]:
    return {begin + timedelta(days=place): amount * DOLLAR for place, amount in enumerate(dollars)}


def spikes(spent: dict[date, int], *, since: date = FIRST) -> list[int]:
    return sorted((day - FIRST).days for day in spike_days(spent, since=since, currency="usd"))


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        ((2, 2, 2, 2, 2, 7), [5]),
        ((2, 2, 2, 2, 2, 6), []),  # three times as much is not more than three times as much
        ((2, 2, 2, 2, 7), []),  # four days do not tell what is usual
        ((2, 0, 2, 0, 2, 2, 2, 7), [7]),  # days without use are not compared with
        ((2, 2, 2, 2, 2, 7, 7), [5, 6]),  # the first does not hide the second
        ((2, 2, 2, 2, 2, 100, 6, 7), [5, 7]),  # nor become the measure
        ((1, 20, 3, 40, 50, 60), []),  # where every day differs, none stands out
    ],
)
def test_it_finds_days_far_above_the_others(spent: tuple[int, ...], expected: list[int]) -> None:
    assert spikes(days(*spent)) == expected


def test_it_leaves_small_change_alone() -> None:
    cents = {day: micros // 100 for day, micros in days(2, 2, 2, 2, 2, 99).items()}

    assert spikes(cents) == []


def test_it_compares_with_fourteen_days_at_most() -> None:
    # The twenty dear days lie before the fourteen cheap ones.
    assert spikes(days(*[50] * 20, *[2] * 14, 7)) == [34]


def test_it_forgets_days_of_long_ago() -> None:
    spent = days(2, 2, 2, 2, 2, begin=FIRST - timedelta(days=90)) | days(7)

    assert spikes(spent) == []


def test_it_tells_only_of_the_days_asked_for() -> None:
    assert spikes(days(2, 2, 2, 2, 2, 7, 2, 7), since=FIRST + timedelta(days=6)) == [7]

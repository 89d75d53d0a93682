"""Which days stand out. A robust rule: one wild day does not move a median, so neither hides the next nor becomes the measure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median_low

from wallet.money import currency_of

COMPARED_DAYS = 14
"""A day is held against so many days with use before it …"""
COMPARED_DAYS_LEAST = 5
"""… and with fewer than these, nothing is known of what is usual."""
LOOKBACK = timedelta(days=60)
"""Days longer ago tell nothing about today."""
TIMES = 3
LEAST_PARTS = 5
"""Below a fifth of the least top-up (a dollar, of five) nobody needs a warning."""


@dataclass(frozen=True)
class Spike:
    """A day that stands out, what it cost, and what days before it usually did."""

    day: date
    spent_micros: int
    usual_micros: int


def spikes(spent: Mapping[date, int], *, since: date, currency: str) -> Iterator[Spike]:
    """The days from `since` on that cost more than TIMES the median of the last COMPARED_DAYS days with use before them.

    `spent` is what each day cost, in micros, from LOOKBACK before `since` on. The lower of two medians is taken.
    """
    least_micros = currency_of(currency).top_up_least_micros
    used = sorted(day for day, micros in spent.items() if micros > 0)
    for place, day in enumerate(used):
        before = [spent[earlier] for earlier in used[max(0, place - COMPARED_DAYS) : place] if earlier >= day - LOOKBACK]
        if day < since or len(before) < COMPARED_DAYS_LEAST or spent[day] * LEAST_PARTS < least_micros:
            continue
        usual = median_low(before)
        if spent[day] > TIMES * usual:
            yield Spike(day, spent[day], usual)


def spike_days(spent: Mapping[date, int], *, since: date, currency: str) -> set[date]:
    """Those days alone."""
    return {spike.day for spike in spikes(spent, since=since, currency=currency)}

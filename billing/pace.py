"""How fast a wallet is used up of late, and so about how long its money lasts. An estimate for people: nothing decides by it."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from usage.day_queries import spent_by_day
from wallet.models import Wallet

PACE_DAYS = 7
DAYS_OF_USE_LEAST = 2
"""Fewer days with use say nothing about the next ones."""
LONG_DAYS = 365


def burn_per_day(wallet: Wallet, *, zone: ZoneInfo, now: datetime | None = None) -> int | None:
    """What a day costs at the pace of late, in micros; None where there is too little use to say.

    The mean of the last PACE_DAYS whole days, those before the first use left out for a wallet that is new; or what
    today has cost already, where that is more: a day that runs away must not hide behind a quiet week.
    """
    today = timezone.localtime(now, zone).date()
    spent = spent_by_day(wallet, since=today - timedelta(days=2 * PACE_DAYS), until=today + timedelta(days=1))
    so_far = spent.pop(today, 0)
    begin = today - timedelta(days=PACE_DAYS)
    recent = [micros for day, micros in spent.items() if day >= begin]
    if len(recent) + bool(so_far) < DAYS_OF_USE_LEAST:
        return None
    # Rounded down: a millionth must not take a whole day off what is told.
    return max(sum(recent) // _days_counted(spent, begin=begin, today=today), so_far, 1)


def _days_counted(spent: dict[date, int], *, begin: date, today: date) -> int:
    """Quiet days count as well, but those before a new wallet's first use do not."""
    first = min(spent, default=begin)
    return PACE_DAYS if first < begin else (today - first).days


def days_left(available_micros: int, *, burn_micros: int) -> int:
    """Whole days that the money lasts at that pace."""
    return max(available_micros, 0) // burn_micros


def lasts_about(available_micros: int, *, burn_micros: int | None) -> str:
    """`9 days`, or as little as can be said; empty where nothing can."""
    if burn_micros is None or available_micros <= 0:
        return ""
    days = days_left(available_micros, burn_micros=burn_micros)
    if days > LONG_DAYS:
        return "over a year"
    return "less than a day" if days == 0 else f"{days} day{'s' if days != 1 else ''}"

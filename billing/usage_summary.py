"""Monthly Usage Summary: what a month's use came to, by kind. Reads the ledger only; a month is the workspace's own."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Sum
from django.utils import timezone

from billing.history import YEARS
from usage.kinds import UsageKind
from wallet.models import Account, Transfer, Wallet

PACE_PERIOD = timedelta(days=7)


@dataclass(frozen=True)
class Group:
    """A line of the summary; `series` picks its colour."""

    label: str
    kinds: tuple[str, ...]
    series: int


GROUPS = (
    Group("Calls out", (UsageKind.CALL_OUT,), 1),
    Group("Calls in", (UsageKind.CALL_IN,), 2),
    Group("Messages", (UsageKind.MESSAGE_OUT, UsageKind.MESSAGE_IN), 3),
    Group("AI tasks", (UsageKind.AI_TASK,), 4),
)


@dataclass(frozen=True)
class Line:
    """What one group came to. `offset` and `width` place it in a bar that is 1000 wide."""

    group: Group
    count: int
    spent_micros: int
    offset: int
    width: int


@dataclass(frozen=True)
class Summary:
    """One month. `earlier` and `later` are the months on either side, as in 2026-11; empty where there is none."""

    month: date
    lines: list[Line]
    spent_micros: int
    earlier: str
    later: str


def read_month(text: str, *, zone: ZoneInfo) -> date:
    """The first day of the month that is asked for as in 2026-11; this month where that makes no sense."""
    this_month = timezone.localtime(timezone=zone).date().replace(day=1)
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        return this_month
    return min(month, this_month) if month.year in YEARS else this_month


def summary(wallet: Wallet, *, month: date, zone: ZoneInfo) -> Summary:
    """What was used in the month, by group."""
    totals = _totals(wallet, since=_start(month, zone), until=_start(_next(month), zone))
    spent = sum(micros for _, micros in totals.values())
    this_month = timezone.localtime(timezone=zone).date().replace(day=1)
    opened = timezone.localtime(wallet.created_at, zone).date().replace(day=1)
    first = min(opened, _first_month(wallet, zone) or opened)
    return Summary(
        month=month,
        lines=_lines(totals, spent),
        spent_micros=spent,
        earlier=f"{_before(month):%Y-%m}" if month > first else "",
        later=f"{_next(month):%Y-%m}" if month < this_month else "",
    )


def pace(wallet: Wallet) -> str:
    """About how long the money lasts at the pace of the last seven days; empty where nothing tells."""
    now = timezone.now()
    spent = sum(micros for _, micros in _totals(wallet, since=now - PACE_PERIOD, until=now).values())
    if spent <= 0 or wallet.available_micros <= 0:
        return ""
    days = wallet.available_micros * PACE_PERIOD.days // spent
    if days > 365:
        return "over a year"
    return "less than a day" if days == 0 else f"{days} day{'s' if days != 1 else ''}"


def _totals(wallet: Wallet, *, since: datetime, until: datetime) -> dict[str, tuple[int, int]]:
    charges = Transfer.objects.filter(wallet=wallet, debit=Account.WALLET, credit=Account.USAGE_REVENUE)
    by_kind = (
        charges.filter(posted_at__gte=since, posted_at__lt=until).values("kind").annotate(count=Count("seq"), spent=Sum("amount_micros"))
    )
    return {row["kind"]: (row["count"], row["spent"]) for row in by_kind}


def _lines(totals: dict[str, tuple[int, int]], spent_micros: int) -> list[Line]:
    lines, passed = [], 0
    for group in GROUPS:
        counts = [totals.get(kind, (0, 0)) for kind in group.kinds]
        count, micros = sum(pair[0] for pair in counts), sum(pair[1] for pair in counts)
        offset, end = (part * 1000 // spent_micros if spent_micros else 0 for part in (passed, passed + micros))
        lines.append(Line(group, count, micros, offset, end - offset))
        passed += micros
    return lines


def _first_month(wallet: Wallet, zone: ZoneInfo) -> date | None:
    oldest = Transfer.objects.filter(wallet=wallet, seq=1).first()
    return timezone.localtime(oldest.posted_at, zone).date().replace(day=1) if oldest else None


def _start(month: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(month, time.min, tzinfo=zone)


def _next(month: date) -> date:
    return month.replace(year=month.year + 1, month=1) if month.month == 12 else month.replace(month=month.month + 1)


def _before(month: date) -> date:
    return month.replace(year=month.year - 1, month=12) if month.month == 1 else month.replace(month=month.month - 1)

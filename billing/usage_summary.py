"""Monthly Usage Summary: what a month's use came to, from the sums of its days. A month is the workspace's own, [first, next first).

Amounts are shown in whole coins that add up: wallet.money.round_together says how.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.history import YEARS
from billing.quantities import counted, quantity_words
from billing.spikes import LOOKBACK, spike_days
from billing.usage_chart import Chart, Day, month_chart
from usage.day_queries import DayUse, days_of_use, first_day_of_use
from usage.models import MeterKind
from wallet.models import Wallet
from wallet.money import divide_half_up, exact_decimals, round_together

MONTHS_OFFERED = 60
PERCENT_MAX = 900
FIRST_WEEK = 7
ADJUSTMENTS = "Adjustments of earlier months"


@dataclass(frozen=True)
class Group:
    """What a bar of the chart is stacked by; `series` picks its colour."""

    label: str
    kinds: tuple[MeterKind, ...]
    series: int


GROUPS = (
    Group("Outbound calls", (MeterKind.CALL_OUT,), 1),
    Group("Inbound calls", (MeterKind.CALL_IN,), 2),
    Group("Messages", (MeterKind.MESSAGE_OUT, MeterKind.MESSAGE_IN), 3),
    Group("AI tasks", (MeterKind.AI_TASK,), 4),
)
_SERIES = {kind: group.series for group in GROUPS for kind in group.kinds}
_ORDER = [kind for group in GROUPS for kind in group.kinds] + [MeterKind.LAB]


@dataclass(frozen=True)
class Line:
    """What one meter came to; `shown_micros` is the cost in whole coins. Lab use is free, adjustments have no colour."""

    label: str
    series: int | None
    events: int
    amount: str
    cost_micros: int
    shown_micros: int
    is_free: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether how many there were says more than how much: `214 · 611 min`, but `84 tasks`."""
        return not self.amount.startswith(f"{self.events:,} ") or self.amount.endswith((" s", " min"))


@dataclass(frozen=True)
class Month:
    """A month on offer, as in 2026-11."""

    value: str
    first_day: date


@dataclass(frozen=True)
class DayRow:
    """A day of the chart's table: what each group cost, exactly."""

    day: date
    parts: tuple[int, ...]
    total_micros: int
    is_spike: bool


@dataclass(frozen=True)
class Summary:
    """One month. `earlier` and `later` are the months on either side; empty where there is none."""

    month: date
    months: list[Month]
    earlier: str
    later: str
    lines: list[Line]
    spent_micros: int
    shown_micros: int
    comparison: str
    chart: Chart | None
    days: list[DayRow]
    decimals: int
    """The most that an amount of `days` has."""
    groups: Sequence[Group] = GROUPS

    @property
    def value(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def spikes(self) -> list[date]:
        return [row.day for row in self.days if row.is_spike]


def read_month(text: str, *, zone: ZoneInfo) -> date:
    """The first day of the month that is asked for as in 2026-11; this month where that makes no sense."""
    this_month = _today(zone).replace(day=1)
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        return this_month
    return min(month, this_month) if month.year in YEARS else this_month


def months_offered(wallet: Wallet, *, zone: ZoneInfo) -> list[Month]:
    """The months that have a summary and a statement, newest first."""
    return _months(wallet, began=first_day_of_use(wallet), today=_today(zone), zone=zone)


def summary(wallet: Wallet, *, month: date, zone: ZoneInfo) -> Summary:
    """What was used in the month that begins on `month`, with the days before it that it is held against."""
    today = _today(zone)
    uses = days_of_use(wallet, since=min(_before(month), month - LOOKBACK), until=_next(month))
    lines = _lines([use for use in uses if use.day >= month], currency=wallet.currency)
    days = _days(uses, month=month)
    spikes = spike_days(_spent(uses), since=month, currency=wallet.currency)
    began = first_day_of_use(wallet)
    months = _months(wallet, began=began, today=today, zone=zone)
    has_chart = any(day.total_micros for day in days)
    return Summary(
        month=month,
        months=months,
        earlier=f"{_before(month):%Y-%m}" if month > months[-1].first_day else "",
        later=f"{_next(month):%Y-%m}" if _next(month) <= today else "",
        lines=lines,
        spent_micros=sum(line.cost_micros for line in lines),
        shown_micros=sum(line.shown_micros for line in lines),
        comparison=_comparison(uses, month=month, today=today, began=began),
        chart=month_chart(days, groups=[group.label for group in GROUPS], spikes=spikes, today=today, currency=wallet.currency)
        if has_chart
        else None,
        days=[DayRow(day.day, day.parts, day.total_micros, day.day in spikes) for day in days if day.total_micros],
        decimals=max(exact_decimals(micros, currency=wallet.currency) for day in days for micros in (*day.parts, day.total_micros)),
    )


def _lines(uses: Iterable[DayUse], *, currency: str) -> list[Line]:
    """A line for each meter, in the order of the chart, then what was booked late; lab use last."""
    meters: dict[str, list[DayUse]] = defaultdict(list)
    for use in uses:
        meters[ADJUSTMENTS if use.is_late and use.kind is not MeterKind.LAB else use.meter].append(use)
    sums = [_line(label, of_meter) for label, of_meter in meters.items()]
    sums.sort(key=lambda pair: pair[0])
    shown = round_together([line.cost_micros for _, line in sums], currency=currency)
    return [replace(line, shown_micros=micros) for (_, line), micros in zip(sums, shown, strict=True)]


def _line(key: str, uses: Sequence[DayUse]) -> tuple[tuple[int, int, str], Line]:
    """The line, and what it is sorted by."""
    events, cost = sum(use.events for use in uses), sum(use.amount_micros for use in uses)
    if key == ADJUSTMENTS:
        return (1, 0, key), Line(ADJUSTMENTS, None, events, counted(events, "use"), cost, cost)
    first = uses[0]
    quantity = sum(use.quantity for use in uses)
    amount = quantity_words(quantity, first.unit)
    is_free = first.kind is MeterKind.LAB
    line = Line(first.name, _SERIES.get(first.kind), events, amount, cost, cost, is_free=is_free)
    return (2 if is_free else 0, _ORDER.index(first.kind), key), line


def _days(uses: Iterable[DayUse], *, month: date) -> list[Day]:
    """Every day of the month; what was booked late is not the day's."""
    parts: dict[date, list[int]] = defaultdict(lambda: [0] * len(GROUPS))
    for use in uses:
        if use.day >= month and not use.is_late and use.kind in _SERIES:
            parts[use.day][_SERIES[use.kind] - 1] += use.amount_micros
    number = (_next(month) - month).days
    return [Day(day, tuple(parts[day])) for day in (month + timedelta(days=place) for place in range(number))]


def _spent(uses: Iterable[DayUse]) -> dict[date, int]:
    spent: dict[date, int] = defaultdict(int)
    for use in uses:
        if not use.is_late:
            spent[use.day] += use.amount_micros
    return spent


def _comparison(uses: Sequence[DayUse], *, month: date, today: date, began: date | None) -> str:
    """`12% less than October by this day`. In the running month only whole days count, of both months; empty where nothing can be said.

    A customer who came in the middle of last month did not use many times as much in this one.
    """
    before, is_running = _before(month), month == today.replace(day=1)
    days = today.day - 1 if is_running else 31
    now_micros = sum(use.amount_micros for use in uses if use.day >= month and use.day.day <= days)
    then_micros = sum(use.amount_micros for use in uses if before <= use.day < month and use.day.day <= days)
    if not then_micros or (began is not None and began > before.replace(day=FIRST_WEEK)):
        return ""
    percent = divide_half_up(abs(now_micros - then_micros) * 100, divisor=then_micros)
    name = f"{before:%B}{' by this day' if is_running else ''}"
    if percent == 0:
        return f"about as much as {name}"
    if percent > PERCENT_MAX and now_micros > then_micros:
        return f"over ten times as much as {name}"
    return f"{percent}% {'more' if now_micros > then_micros else 'less'} than {name}"


def _months(wallet: Wallet, *, began: date | None, today: date, zone: ZoneInfo) -> list[Month]:
    """The months on offer, newest first: from the wallet's first day, or the first use that it took over, to now."""
    opened = timezone.localtime(wallet.created_at, zone).date()
    first = min(opened, began or opened).replace(day=1)
    months: list[Month] = []
    month = today.replace(day=1)
    while month >= first and len(months) < MONTHS_OFFERED:
        months.append(Month(f"{month:%Y-%m}", month))
        month = _before(month)
    return months or [Month(f"{today:%Y-%m}", today.replace(day=1))]


def _today(zone: ZoneInfo) -> date:
    return timezone.localtime(timezone=zone).date()


def _next(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)

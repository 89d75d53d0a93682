"""The chart of a month's use by day: what goes where in its SVG. Whole numbers in, places out; it draws nothing and reads no database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count

from wallet.money import MICROS, divide_ceiling, divide_half_up, format_exact, format_money, round_together

TOP, BASE, HEIGHT = 34, 234, 258
"""In pixels down: the highest line, the line of nothing, and all of it with the days' numbers. What a day says stands above TOP."""
LABEL_Y, TIP_Y, SPIKE_GAP = 251, 14, 5
TICKS_MAX = 4
AXIS_LETTER, AXIS_GAP = 7, 8
ALL = 10_000
"""The whole width, in hundredths of a percent: widths are relative, so that the chart fills a phone and a desk without distorted text."""
FILLED = 64
"""How many hundredths of its place a bar takes."""
LABELLED_EVERY = 5
TODAY_CLEAR = 2
"""No other number stands within so many days of today's."""


@dataclass(frozen=True)
class Day:
    """What one day cost, group by group, in micros."""

    day: date
    parts: tuple[int, ...]

    @property
    def total_micros(self) -> int:
        return sum(self.parts)


@dataclass(frozen=True)
class Segment:
    """A group's part of a bar."""

    series: int
    y: int
    height: int


@dataclass(frozen=True)
class Bar:
    """A day with use, as it is drawn and said. `x` and `width` are the bar's, `left` and `room` those of the day's whole place."""

    day: date
    x: str
    width: str
    left: str
    room: str
    middle: str
    anchor: str
    segments: tuple[Segment, ...]
    tip: str
    says: str
    spike_y: int | None


@dataclass(frozen=True)
class Tick:
    y: int
    label: str


@dataclass(frozen=True)
class DayLabel:
    x: str
    text: str
    anchor: str
    is_today: bool


@dataclass(frozen=True)
class Chart:
    """All that the template draws. `today` is the place of the running day, empty in other months."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    labels: tuple[DayLabel, ...]
    today: str
    room: str
    axis_width: int
    height: int = HEIGHT
    top: int = TOP
    base: int = BASE
    label_y: int = LABEL_Y
    tip_y: int = TIP_Y

    @property
    def full(self) -> int:
        return self.base - self.top


def month_chart(days: Sequence[Day], *, groups: Sequence[str], spikes: set[date], today: date, currency: str) -> Chart:
    """The chart of a month; `days` are all its days, in order."""
    step, ticks = _scale(max(day.total_micros for day in days))
    labels = [_tick_label(step * number, currency) for number in range(ticks + 1)]
    places = {day.day: place for place, day in enumerate(days)}
    return Chart(
        bars=tuple(_bars(days, groups=groups, spikes=spikes, top_micros=step * ticks, currency=currency)),
        ticks=tuple(Tick(_y(number, ticks), label) for number, label in enumerate(labels)),
        labels=tuple(_day_labels(len(days), today=places.get(today))),
        today=_percent(places[today] * ALL // len(days)) if today in places else "",
        room=_percent(ALL // len(days)),
        axis_width=max(map(len, labels)) * AXIS_LETTER + AXIS_GAP,
    )


def _scale(most_micros: int) -> tuple[int, int]:
    """A round step between the lines, and how many steps reach as high as the highest day."""
    for power in count(2):
        for leading in (10, 20, 25, 50):
            step: int = leading * 10 ** (power - 1)
            if step * TICKS_MAX >= most_micros:
                return step, max(1, divide_ceiling(most_micros, divisor=step))
    raise AssertionError("Powers of ten pass every amount.")


def _tick_label(micros: int, currency: str) -> str:
    if micros % MICROS == 0:
        return format_money(micros, currency=currency).partition(".")[0]
    exact = format_money(micros, currency=currency)
    return exact if micros % 10_000 == 0 else format_exact(micros, currency=currency)


def _y(part: int, whole: int) -> int:
    return BASE - divide_half_up(part * (BASE - TOP), divisor=whole)


def _bars(days: Sequence[Day], *, groups: Sequence[str], spikes: set[date], top_micros: int, currency: str) -> Iterator[Bar]:
    slots = len(days)
    for place, day in enumerate(days):
        if not day.total_micros:
            continue
        left, right = place * ALL // slots, (place + 1) * ALL // slots
        width = (right - left) * FILLED // 100
        total, *parts = _written(day, currency=currency)
        yield Bar(
            day=day.day,
            x=_percent(left + (right - left - width) // 2),
            width=_percent(width),
            left=_percent(left),
            room=_percent(right - left),
            middle=_percent((left + right) // 2),
            anchor=_anchor(place, slots),
            segments=tuple(_segments(day, top_micros=top_micros)),
            tip=f"{day.day:%a, %b %-d} · {total}",
            says=f"{day.day:%A, %B %-d}: {total}{', a spike' if day.day in spikes else ''} ({_listed(groups, parts, day)})",
            spike_y=_y(day.total_micros, top_micros) - SPIKE_GAP if day.day in spikes else None,
        )


def _written(day: Day, *, currency: str) -> list[str]:
    """The day's sum and its parts in whole coins that add up."""
    parts = round_together(day.parts, currency=currency)
    return [format_money(micros, currency=currency) for micros in (sum(parts), *parts)]


def _listed(groups: Sequence[str], parts: Sequence[str], day: Day) -> str:
    return ", ".join(
        f"{group.lower() if group[1].islower() else group} {part}"
        for group, part, micros in zip(groups, parts, day.parts, strict=True)
        if micros
    )


def _segments(day: Day, *, top_micros: int) -> Iterator[Segment]:
    """From the line of nothing upwards. Each ends where the next begins, so that rounding never moves the top of the bar."""
    passed, bottom = 0, BASE
    for series, micros in enumerate(day.parts, start=1):
        passed += micros
        y = _y(passed, top_micros)
        if y < bottom:
            # One pixel of the paper keeps the parts of a bar apart, unless nothing would be left.
            gap = 1 if bottom < BASE and bottom - y > 1 else 0
            yield Segment(series, y, bottom - y - gap)
            bottom = y


def _day_labels(slots: int, *, today: int | None) -> Iterator[DayLabel]:
    for place in range(slots):
        is_today = place == today
        if not is_today and (place % LABELLED_EVERY or (today is not None and abs(place - today) <= TODAY_CLEAR)):
            continue
        anchor = _anchor(place, slots) if is_today and (place < TODAY_CLEAR or place >= slots - TODAY_CLEAR) else "middle"
        yield DayLabel(_percent((2 * place + 1) * ALL // (2 * slots)), "Today" if is_today else str(place + 1), anchor, is_today)


def _anchor(place: int, slots: int) -> str:
    """Towards which side a text spreads, so that it stays inside."""
    if place * 4 < slots:
        return "start"
    return "end" if place * 4 >= 3 * slots else "middle"


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}%"

"""Made-up calls, messages and AI tasks for the demo workspace. Numbers are of ranges kept for fiction; prices are not anyone's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from django.utils import timezone

from usage.kinds import UsageKind
from wallet.money import divide_half_up

BUSY_HOURS = (8, 9, 9, 10, 10, 10, 11, 11, 13, 14, 14, 15, 15, 16, 17, 18)
WEIGHTS = {
    UsageKind.CALL_OUT: 34,
    UsageKind.CALL_IN: 28,
    UsageKind.MESSAGE_OUT: 18,
    UsageKind.MESSAGE_IN: 4,
    UsageKind.AI_TASK: 16,
}
SECOND_MICROS = {UsageKind.CALL_OUT: 1_150, UsageKind.CALL_IN: 625}
"""By the second: $0.069 and $0.0375 a minute."""
SEGMENT_MICROS = {UsageKind.MESSAGE_OUT: 7_900, UsageKind.MESSAGE_IN: 1_200}
THOUSAND_TOKENS_MICROS = 4_250

AGENTS = {
    UsageKind.CALL_OUT: ("Sales agent", "Viewing reminders", "Listing follow-up"),
    UsageKind.CALL_IN: ("Reception", "After-hours desk"),
}
TASKS = ("Lead summary", "Call notes", "Listing description", "Offer comparison")
EXCHANGES = ("+1 212 555", "+1 646 555", "+1 718 555", "+1 914 555", "+1 201 555")


@dataclass(frozen=True)
class Use:
    """One use, before it is booked."""

    kind: UsageKind
    what: str
    cost_micros: int
    happened_at: datetime
    ended_at: datetime


def made_up_uses(dice: Random, *, zone: ZoneInfo, begin: datetime, days: int) -> list[Use]:
    """Busy weekdays, quiet weekends, one day far above the others, and nothing after this moment; in the order they ended."""
    ends_before = timezone.now() - timedelta(minutes=2)
    uses = []
    for day in range(days + 1):
        morning = timezone.localtime(begin + timedelta(days=day), zone).replace(hour=0, minute=0, second=0, microsecond=0)
        count = dice.randint(26, 52) if morning.weekday() < 5 else dice.randint(4, 12)
        spike = 3 if day == days - 9 else 1
        uses += [_use(dice, _moment(dice, morning)) for _ in range(count * spike)]
    return sorted((use for use in uses if begin < use.happened_at and use.ended_at < ends_before), key=lambda use: use.ended_at)


def _moment(dice: Random, morning: datetime) -> datetime:
    return morning + timedelta(hours=dice.choice(BUSY_HOURS), seconds=dice.randrange(3600), milliseconds=dice.randrange(1000))


def _use(dice: Random, at: datetime) -> Use:
    (kind,) = dice.choices(tuple(WEIGHTS), weights=tuple(WEIGHTS.values()))
    if kind in SECOND_MICROS:
        return _call(dice, kind, at)
    return _message(dice, kind, at) if kind in SEGMENT_MICROS else _task(dice, at)


def _call(dice: Random, kind: UsageKind, at: datetime) -> Use:
    seconds = max(6, int(dice.lognormvariate(4.6, 0.8)))
    what = f"{_number(dice)} · {dice.choice(AGENTS[kind])} · {_duration(seconds)}"
    return Use(kind, what, seconds * SECOND_MICROS[kind], at, at + timedelta(seconds=seconds))


def _message(dice: Random, kind: UsageKind, at: datetime) -> Use:
    segments = dice.choice((1, 1, 1, 2, 3))
    what = f"{_number(dice)} · {segments} segment{'s' if segments > 1 else ''}"
    return Use(kind, what, segments * SEGMENT_MICROS[kind], at, at + timedelta(seconds=1))


def _task(dice: Random, at: datetime) -> Use:
    tokens = dice.randint(600, 9_000)
    cost_micros = divide_half_up(tokens * THOUSAND_TOKENS_MICROS, divisor=1000)
    return Use(UsageKind.AI_TASK, f"{dice.choice(TASKS)} · {tokens:,} tokens", cost_micros, at, at + timedelta(seconds=dice.randint(2, 30)))


def _number(dice: Random) -> str:
    return f"{dice.choice(EXCHANGES)} {dice.randint(100, 199):04d}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}\u00a0min {rest:02d}\u00a0s" if minutes else f"{rest}\u00a0s"

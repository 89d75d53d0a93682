"""Made-up calls, messages and AI tasks for the demo workspace, as a platform would report them. Numbers are of ranges kept for fiction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from random import Random
from zoneinfo import ZoneInfo

from django.utils import timezone

from usage.cloud_events import CloudEvent, UseData

SOURCE = "/demo"
BUSY_HOURS = (8, 9, 9, 10, 10, 10, 11, 11, 13, 14, 14, 15, 15, 16, 17, 18)
METERS = ("call_out", "call_in", "message_out", "message_in", "ai_task", "voice_lab", "chat_lab")
WEIGHTS = (34, 28, 18, 4, 16, 2, 2)

AGENTS = {
    "call_out": ("Sales agent", "Viewing reminders", "Listing follow-up"),
    "call_in": ("Reception", "After-hours desk"),
    "message_out": ("Viewing reminders", "Sales agent"),
    "message_in": ("Reception",),
}
TASKS = ("Lead summary", "Call notes", "Listing description", "Offer comparison")
EXCHANGES = ("+1212555", "+1646555", "+1718555", "+1914555", "+1201555")
OWN_NUMBERS = ("+12125550100", "+12125550101")


@dataclass(frozen=True)
class Use:
    """One use, and when it was over: it is reported then."""

    event: CloudEvent
    ended_at: datetime


def made_up_uses(dice: Random, *, subject: str, zone: ZoneInfo, begin: datetime, days: int) -> list[Use]:
    """Busy weekdays, quiet weekends, one day far above the others, and nothing after this moment; in the order they ended."""
    ends_before = timezone.now() - timedelta(minutes=2)
    numbers = count(1)
    uses = []
    for day in range(days + 1):
        morning = timezone.localtime(begin + timedelta(days=day), zone).replace(hour=0, minute=0, second=0, microsecond=0)
        often = dice.randint(26, 52) if morning.weekday() < 5 else dice.randint(4, 12)
        spike = 4 if day == days - 9 else 1
        uses += [_use(dice, _moment(dice, morning), subject=subject, number=next(numbers)) for _ in range(often * spike)]
    return sorted((use for use in uses if begin < (use.event.time or begin) and use.ended_at < ends_before), key=lambda use: use.ended_at)


def _moment(dice: Random, morning: datetime) -> datetime:
    return morning + timedelta(hours=dice.choice(BUSY_HOURS), seconds=dice.randrange(3600))


def _use(dice: Random, at: datetime, *, subject: str, number: int) -> Use:
    (meter,) = dice.choices(METERS, weights=WEIGHTS)
    seconds = max(6, int(dice.lognormvariate(4.6, 0.8))) if meter in ("call_out", "call_in", "voice_lab") else 0
    event = CloudEvent(
        id=f"use-{number}", source=SOURCE, type=meter, specversion="1.0", subject=subject, time=at, data=_data(dice, meter, seconds=seconds)
    )
    return Use(event, at + timedelta(seconds=seconds))


def _data(dice: Random, meter: str, *, seconds: int) -> UseData:
    if meter == "voice_lab":
        return UseData(duration_seconds=seconds, agent="Reception")
    if meter in ("ai_task", "chat_lab"):
        return UseData(quantity=1, agent=dice.choice(TASKS))
    other, own = f"{dice.choice(EXCHANGES)}{dice.randint(100, 199):04d}", dice.choice(OWN_NUMBERS)
    to, from_ = (own, other) if meter in ("call_in", "message_in") else (other, own)
    agent = dice.choice(AGENTS[meter])
    if seconds:
        return UseData(duration_seconds=seconds, to=to, from_=from_, agent=agent)
    return UseData(quantity=dice.choice((1, 1, 1, 2, 3)), to=to, from_=from_, agent=agent)

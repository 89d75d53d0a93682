"""Turns one CloudEvent into a use that can be priced: which meter, how much, when, with whom. No database."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from usage.cloud_events import QUANTITY_MAX, CloudEvent, UseData, content_digest, identity
from usage.models import Meter
from usage.rating import is_emergency
from usage.segments import segments
from usage.services.descriptions import describe
from workspaces.models import Workspace

LATE_MAX = timedelta(days=90)
"""Older uses are kept aside: what they are about was settled long ago, so a person must look."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What lies before is a slip, whoever reviews it, and calendars end somewhere: year 1 has no days in half of the world's zones."""
AHEAD_MAX = timedelta(minutes=10)
"""How far a sender's clock may run ahead."""
AGENT_MAX, DESCRIPTION_MAX, NAME_MAX = 100, 200, 32

_NUMBER = re.compile(r"\+[0-9]{2,20}|[0-9]{2,8}")
_SEPARATORS = re.compile(r"[\s().-]")


class BadUse(Exception):
    """The event can't be charged as it is; `code` is stable, the text says what to do."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Received:
    """When the events came. An event without a time of its own happened `at` that moment.

    `reviewed` where a person has decided that they are charged, however old they are.
    """

    at: datetime
    reviewed: bool = False


@dataclass(slots=True)
class Use:
    """A use, ready to be priced. `destination` is the other side's number, which prefixes are matched against."""

    index: int
    event: CloudEvent
    wallet_id: int
    zone: ZoneInfo
    meter: Meter
    key: str
    content: str
    happened_at: datetime
    quantity: int
    destination: str
    own_number: str
    agent: str
    hold_id: str | None
    description: str

    @property
    def ended_at(self) -> datetime:
        """When it was over: a call lasts, everything else is done at once."""
        return self.happened_at + timedelta(seconds=self.quantity) if self.meter.unit == "second" else self.happened_at


def measure(index: int, event: CloudEvent, *, workspace: Workspace | None, meter: Meter | None, received: Received) -> Use:
    """The use that the event reports. Raises: BadUse."""
    if workspace is None:
        raise BadUse("unknown_workspace", "No workspace has this subject. Use its public id, or the external id it was made with.")
    if meter is None:
        raise BadUse("unknown_meter", f"There is no meter {event.type!r}. Send one of the meters that the operator set up.")
    happened_at = _time_of(event, received)
    data = event.data
    _check_texts(data)
    other_side, own_number = _numbers(data, meter)
    quantity, agent = _quantity_of(data, meter), data.agent.strip()
    return Use(
        index=index,
        event=event,
        wallet_id=workspace.pk,
        zone=workspace.zone,
        meter=meter,
        key=identity(event.source, event.id),
        content=content_digest(event, wallet_id=workspace.pk),
        happened_at=happened_at,
        quantity=quantity,
        destination=other_side,
        own_number=own_number,
        agent=agent,
        hold_id=_hold_of(data.hold),
        # Written here, before the wallet is locked: on a busy wallet every other batch waits for what is done under its lock.
        description=describe(meter, data, quantity=quantity, other_side=other_side, agent=agent),
    )


def _time_of(event: CloudEvent, received: Received) -> datetime:
    if event.time is None:
        return received.at
    if event.time < EARLIEST:
        raise BadUse("bad_time", f"The event's time lies before {EARLIEST.year}. Discard it, and send the use again under a new id.")
    # What lay ahead when it came may be past when it is reviewed.
    if event.time > (timezone.now() if received.reviewed else received.at) + AHEAD_MAX:
        raise BadUse("in_the_future", "The event's time lies ahead of ours. Set the sender's clock, then send it again under a new id.")
    if event.time < received.at - LATE_MAX and not received.reviewed:
        raise BadUse("too_late", f"The event is older than {LATE_MAX.days} days. The operator charges it by replaying it, or discards it.")
    return event.time


def _check_texts(data: UseData) -> None:
    if len(data.agent) > AGENT_MAX or not data.agent.isprintable():
        raise BadUse("bad_data", f"Set data.agent to at most {AGENT_MAX} printable characters.")
    if len(data.description) > DESCRIPTION_MAX or not data.description.isprintable():
        raise BadUse("bad_data", f"Set data.description to at most {DESCRIPTION_MAX} printable characters.")


def _quantity_of(data: UseData, meter: Meter) -> int:
    """Whole units: seconds are rounded up, segments counted from the text where it is sent, an unanswered call is none."""
    if not data.answered:
        _demand_unit(meter, "second", member="answered")
        return 0
    if (data.quantity is not None) + (data.duration_seconds is not None) + (data.text is not None) > 1:
        raise BadUse("bad_quantity", "Say how much was used once: by data.quantity, data.duration_seconds or data.text.")
    if data.text is not None:
        _demand_unit(meter, "segment", member="text")
        return segments(data.text).count
    if data.duration_seconds is not None:
        _demand_unit(meter, "second", member="duration_seconds")
        return _whole(data.duration_seconds)
    if data.quantity is not None:
        return _whole(data.quantity)
    if meter.unit in ("second", "token"):
        raise BadUse("no_quantity", "Say how much was used: data.duration_seconds for a call, data.quantity for anything else.")
    return 1


def _demand_unit(meter: Meter, unit: str, *, member: str) -> None:
    if meter.unit != unit:
        raise BadUse("bad_quantity", f"data.{member} is for meters in {unit}s, and {meter.key} counts {meter.unit}s: send data.quantity.")


def _whole(amount: float) -> int:
    if not 0 <= amount <= QUANTITY_MAX:
        raise BadUse("bad_quantity", f"The quantity must lie between 0 and {QUANTITY_MAX}.")
    return math.ceil(amount)


def _numbers(data: UseData, meter: Meter) -> tuple[str, str]:
    """The other side's number and the workspace's own. Who calls or writes in may be withheld, or a name."""
    if meter.use.is_inbound:
        return number_or_name(data.from_), number_or_name(data.to)
    return outside_number(data.to), number_or_name(data.from_)


def outside_number(text: str) -> str:
    """A number to call or write to, which decides the price: E.164 with its plus, or a short number. Raises: BadUse.

    A long one without its plus is refused: nobody can tell which country it is in, and the price would be a guess.
    """
    number = plain_number(text)
    if number is None:
        raise BadUse("bad_number", "Send numbers in E.164 with their plus, as in +14155550142; short numbers as they are dialled.")
    return number


def number_or_name(text: str) -> str:
    """A number, or whatever stands in its place: a sender's name, an address, `anonymous`. Raises: BadUse."""
    number = plain_number(text)
    if number is not None:
        return number
    name = text.strip()
    if len(name) > NAME_MAX or not name.isprintable():
        raise BadUse("bad_number", f"Send a number in E.164, as in +14155550142, or a name of at most {NAME_MAX} printable characters.")
    return name


def plain_number(text: str) -> str | None:
    """The number without the separators that people write, empty where there is none; None where it is no number."""
    if not text or _NUMBER.fullmatch(text):
        return text
    number = _SEPARATORS.sub("", text)
    return number if _NUMBER.fullmatch(number) else None


def passes_free(meter: Meter, destination: str) -> bool:
    """Lab use, and calls and messages to an emergency number: free and never refused, whatever rate and wallet say."""
    use = meter.use
    return use.is_free or ((use.is_call or use.is_message) and is_emergency(destination))


def _hold_of(text: str) -> str | None:
    if not text:
        return None
    try:
        return UUID(text).hex
    except ValueError:
        raise BadUse("bad_hold", "data.hold must be the id of a hold.") from None

"""Turns one CloudEvent into a use that can be priced: which meter, how much, when, with whom. No database."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from usage.cloud_events import QUANTITY_MAX, CloudEvent, content_digest, identity
from usage.models import Meter
from usage.segments import segments
from workspaces.models import Workspace

LATE_MAX = timedelta(days=90)
"""Older uses are kept aside: what they are about was settled long ago, so a person must look."""
AHEAD_MAX = timedelta(minutes=10)
"""How far a sender's clock may run ahead."""
AGENT_MAX, DESCRIPTION_MAX = 100, 200

_PHONE = re.compile(r"\+?[0-9]{2,20}")


class BadUse(Exception):
    """The event can't be charged as it is; `code` is stable, the text says what to do."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


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
    hold_id: str | None


def measure(index: int, event: CloudEvent, *, workspace: Workspace | None, meter: Meter | None, now: datetime) -> Use:
    """The use that the event reports. Raises: BadUse."""
    if workspace is None:
        raise BadUse("unknown_workspace", "No workspace has this subject. Use its public id, or the external id it was made with.")
    if meter is None:
        raise BadUse("unknown_meter", f"There is no meter {event.type!r}. Send one of the meters that the operator set up.")
    happened_at = _time_of(event, now=now)
    data, inbound = event.data, meter.use.is_inbound
    if len(data.agent) > AGENT_MAX or not data.agent.isprintable():
        raise BadUse("bad_data", f"Set data.agent to at most {AGENT_MAX} printable characters.")
    if len(data.description) > DESCRIPTION_MAX or not data.description.isprintable():
        raise BadUse("bad_data", f"Set data.description to at most {DESCRIPTION_MAX} printable characters.")
    return Use(
        index=index,
        event=event,
        wallet_id=workspace.pk,
        zone=workspace.zone,
        meter=meter,
        key=identity(event.source, event.id),
        content=content_digest(event, wallet_id=workspace.pk),
        happened_at=happened_at,
        quantity=_quantity_of(event, meter),
        destination=_number(data.from_ if inbound else data.to),
        own_number=_number(data.to if inbound else data.from_),
        hold_id=_hold_of(data.hold),
    )


def _time_of(event: CloudEvent, *, now: datetime) -> datetime:
    if event.time is None:
        return now
    if event.time > now + AHEAD_MAX:
        raise BadUse("in_the_future", "The event's time lies ahead of ours. Set the sender's clock, then send it again under a new id.")
    if event.time < now - LATE_MAX:
        raise BadUse("too_late", f"The event is older than {LATE_MAX.days} days. The operator decides whether it is still charged.")
    return event.time


def _quantity_of(event: CloudEvent, meter: Meter) -> int:
    """Whole units: seconds are rounded up, segments counted from the text where it is sent, an unanswered call is none."""
    data = event.data
    if not data.answered:
        return 0
    if data.text is not None:
        return segments(data.text).count
    amount = data.duration_seconds if data.duration_seconds is not None else data.quantity
    if amount is None:
        if meter.unit in ("second", "token"):
            raise BadUse("no_quantity", "Say how much was used: data.duration_seconds for a call, data.quantity for anything else.")
        return 1
    if not 0 <= amount <= QUANTITY_MAX:
        raise BadUse("bad_quantity", f"The quantity must lie between 0 and {QUANTITY_MAX}.")
    return math.ceil(amount)


def _number(text: str) -> str:
    """The number without the separators that people write; anything else that is no number is refused."""
    if not text:
        return ""
    number = text if text.isalnum() else re.sub(r"[\s().-]", "", text)
    if not number.isascii() or not _PHONE.fullmatch(number):
        raise BadUse("bad_number", "Send numbers in E.164, as in +14155550142.")
    return number


def _hold_of(text: str) -> str | None:
    if not text:
        return None
    try:
        return UUID(text).hex
    except ValueError:
        raise BadUse("bad_hold", "data.hold must be the id of a hold.") from None

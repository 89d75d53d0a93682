"""What every connector works with: a delivery as it came, the report that is made of it, and careful ways to read what strangers wrote."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs

from wallet.money import divide_half_up

TEXT_KEPT_MAX = 300
"""Of a text that is longer than any event may have, so much is kept: enough to see what it was."""
NAME_MAX, AGENT_MAX = 32, 100
PARAMETERS_MAX = 100
UNKNOWN = "unknown"
"""Stands where a number or a quantity must be and none was sent: no event with it is charged until somebody has mended it."""

_DIGITS = re.compile(r"[0-9]{1,15}")
_PRICE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,12})?")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_PRICE_MAX = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_MAX = 253_402_300_799_999
"""The last moment of the year 9999."""


class Unreadable(ValueError):
    """The body is not even of the form that this provider sends: it is refused."""


@dataclass(frozen=True, slots=True)
class Address:
    """What the platform wrote into the address when it told the provider where to report."""

    workspace: str = ""
    hold: str = ""
    agent: str = ""
    segments: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A provider's request. `url` is the public address that was called, query included; names of `headers` are lower case."""

    url: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def address(self) -> Address:
        """Raises: Unreadable."""
        try:
            given = parse_qs(self.query, max_num_fields=PARAMETERS_MAX)
        except ValueError as error:
            raise Unreadable(f"The address carries more than {PARAMETERS_MAX} parameters.") from error
        return Address(*(given.get(name, [""])[-1] for name in ("workspace", "hold", "agent", "segments")))


@dataclass(frozen=True, slots=True)
class Cost:
    """What the provider says that it charges the operator: a memo, never part of a price."""

    amount_micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class Report:
    """A use as a provider tells it, in the shape of a CloudEvent. Nothing in it has been checked."""

    source: str
    id: object
    type: str
    subject: object
    data: Mapping[str, object]
    time: object = None
    cost: Cost | None = None

    def body(self) -> bytes:
        """The event as JSON text, without what was not sent: always JSON, whatever was in the report."""
        event = {"id": self.id, "source": self.source, "type": self.type, "subject": self.subject, "time": self.time}
        data = {name: _plain(value) for name, value in self.data.items() if value not in (None, "")}
        said = {name: _plain(value) for name, value in event.items() if value not in (None, "")}
        return json.dumps({"specversion": "1.0", **said, "data": data}).encode()


def _plain(value: object) -> object:
    """What JSON can hold and a row may keep. A list or an object is left empty: it says that something of the wrong kind stood there."""
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)[:TEXT_KEPT_MAX] if isinstance(value, str | int | float) else {}


# ---------------------------------------------------------------- reading what was sent
def json_object(body: bytes) -> dict[str, object]:
    """The JSON object of a body; numbers that are none (NaN, Infinity) are texts. Raises: Unreadable."""
    try:
        # Half an emoji, as whoever cuts a transcript leaves it behind, must not lose the report: this decoder lets it pass.
        found = json.loads(body, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Unreadable("The body is no JSON.") from error
    if not isinstance(found, dict):
        raise Unreadable("The body is no JSON object.")
    return found


def member(value: object, *path: str) -> object:
    """What stands at the end of the path; None where it does not lead anywhere."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def first(*values: object) -> object:
    """The first that says something; an empty text where none does."""
    return next((value for value in values if value is not None and value != ""), "")


def whole(value: object) -> object:
    """The number that a text says in plain digits; anything else as it is, for whoever checks it."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def seconds_of(milliseconds: object) -> object:
    """Whole seconds, a begun one counts; anything but a length as it is."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float) or not 0 <= milliseconds < 2**53:
        return milliseconds
    return math.ceil(milliseconds / 1000)


def moment_of(milliseconds: object) -> object:
    """Milliseconds since 1970 as events write a time; anything else as it is."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int) or not 0 <= milliseconds <= _MILLISECONDS_MAX:
        return milliseconds
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()


def identifier(value: object) -> object:
    """An id of the platform's own, which may have come as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value


def party(value: object) -> object:
    """A number, or the beginning of the name that stands in its place: client:alice, sip:…"""
    if not isinstance(value, str) or value.startswith("+"):
        return value
    return "".join(filter(str.isprintable, value.strip()))[:NAME_MAX]


def agent_name(*values: object) -> str:
    """The first name that can be shown, on one line."""
    texts = (identifier(value) for value in values)
    names = (" ".join("".join(c if c.isprintable() else " " for c in text).split()) for text in texts if isinstance(text, str))
    return next((name[:AGENT_MAX].strip() for name in names if name), "")


def cost_of(amount: object, *, currency: object, is_cents: bool = False) -> Cost | None:
    """The memo, without a sign: providers write what they charge below zero, or above. None where it is no price."""
    text = f"{amount:f}" if isinstance(amount, float) and math.isfinite(amount) else amount
    if isinstance(amount, int) and not isinstance(amount, bool) and abs(amount) < _PRICE_MAX:
        text = str(amount)
    if not isinstance(text, str) or not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    if not _PRICE.fullmatch(text.strip()):
        return None
    # Twelve decimals, so that rounding has all digits before it.
    exact = int(abs(Decimal(text.strip())).scaleb(12))
    return Cost(divide_half_up(exact, divisor=10**8 if is_cents else 10**6), currency.lower())

"""CloudEvents 1.0 over HTTP, read: structured, batched and binary. Pure: no Django, no database, no prices.

Source: github.com/cloudevents/spec, v1.0.2, HTTP protocol binding and JSON format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from urllib.parse import unquote

import msgspec

BATCH_EVENTS_MAX = 10_000
TEXT_MAX = 200
MESSAGE_CHARACTERS_MAX = 40_000
"""A joined message has at most 255 segments."""
QUANTITY_MAX = 10**10
"""More than any one use: ten thousand million tokens, three hundred years. Sums of a day stay inside 64 bits."""

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PLAIN_JSON = "application/json"


class NotCloudEvents(ValueError):
    """The request is no CloudEvent at all: it is refused whole."""


class UseData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The `data` of an event: what was used. One of quantity, duration_seconds and text says how much.

    A member that is not known is refused, never ignored: a quantity with a slip in its name would be charged as one unit.
    """

    quantity: int | None = None
    duration_seconds: float | None = None
    text: Annotated[str, msgspec.Meta(max_length=MESSAGE_CHARACTERS_MAX)] | None = None
    answered: bool = True
    to: str = ""
    from_: str = ""
    agent: str = ""
    hold: str = ""
    description: str = ""


class CloudEvent(msgspec.Struct, frozen=True):
    """One event as it was sent. Extension attributes are allowed by the specification, and not looked at."""

    id: str
    source: str
    type: str
    specversion: str
    subject: str = ""
    time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    data: UseData = UseData()
    data_base64: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """One event of a request: either `event`, or `code` and `reason` why it can't be charged. `body` is its JSON text."""

    body: bytes
    event: CloudEvent | None
    code: str = ""
    reason: str = ""

    @property
    def event_id(self) -> str | None:
        """The event's own id, as far as it can be read."""
        return self.event.id if self.event is not None else attributes_of(self.body).get("id")


_decode_event = msgspec.json.Decoder(CloudEvent).decode
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

# What reading a body may raise: not JSON, not of the shape, not UTF-8, nested thousands deep.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# Every escape of JSON, so that the halves of pairs that stand alone can be told from those that belong together.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)


def parse_request(body: bytes, *, content_type: str, headers: Mapping[str, str]) -> list[Parsed]:
    """The events of a request, in their order. `headers` names are lower case.

    Raises: NotCloudEvents where the content type or the body is none, with a sentence that says what to send.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == BATCH:
        return _parse_batch(body)
    if media_type == SINGLE:
        return [_only(body)]
    if "ce-specversion" in headers and media_type in (PLAIN_JSON, ""):
        return [_only(_from_binary(body, headers))]
    raise NotCloudEvents(f"Send one event as {SINGLE}, many as {BATCH}, or binary mode: {PLAIN_JSON} with ce- headers.")


def _parse_batch(body: bytes) -> list[Parsed]:
    try:
        raws = _split(body)
    except _UNREADABLE as error:
        raise NotCloudEvents(f"The batch is no JSON list of events: {error}.") from error
    if len(raws) > BATCH_EVENTS_MAX:
        raise NotCloudEvents(f"Send at most {BATCH_EVENTS_MAX} events in one batch, not {len(raws)}.")
    return [_parse(bytes(raw)) for raw in raws]


def _split(body: bytes) -> list[msgspec.Raw]:
    try:
        return _decode_batch(body)
    except msgspec.DecodeError:
        return _decode_batch(_without_halves(body))


def _only(body: bytes) -> Parsed:
    parsed = _parse(body)
    if parsed.code == "not_a_cloud_event":
        parsed = _parse(_without_halves(body))
    if parsed.code == "not_a_cloud_event":
        raise NotCloudEvents(parsed.reason)
    return parsed


def _without_halves(body: bytes) -> bytes:
    """The body with U+FFFD for every half of a surrogate pair, as whoever cuts a text inside an emoji leaves it behind.

    JSON allows it and no Unicode text can hold it. Refusing it would refuse every other event of the batch for ever.
    """
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)


def _parse(body: bytes) -> Parsed:
    try:
        event = _decode_event(body)
    except msgspec.ValidationError as error:
        return _why_not(body, error)
    except _UNREADABLE as error:
        return Parsed(body, None, "not_a_cloud_event", f"The event is no JSON: {error}."[:300])
    fault = _fault_of_attributes(event)
    if fault:
        return Parsed(body, None, "not_a_cloud_event", fault)
    if event.data_base64 is not None:
        return Parsed(body, None, "bad_data", "Send the event's data as JSON in data, not as data_base64.")
    return Parsed(body, event)


def _why_not(body: bytes, error: msgspec.ValidationError) -> Parsed:
    """Data of the wrong shape is a mistake in one event; missing attributes mean that it is no CloudEvent."""
    if "$.data" in str(error):
        return Parsed(body, None, "bad_data", f"Mend the event's data: {error}."[:300])
    return Parsed(body, None, "not_a_cloud_event", f"This is no CloudEvent 1.0: {error}."[:300])


def _fault_of_attributes(event: CloudEvent) -> str:
    if event.specversion != "1.0":
        return f"Set specversion to 1.0, not {event.specversion[:20]!r}."
    for name, value in (("id", event.id), ("source", event.source), ("type", event.type)):
        if not value or len(value) > TEXT_MAX or not value.isprintable():
            return f"Set {name} to 1 to {TEXT_MAX} printable characters."
    if len(event.subject) > TEXT_MAX or not event.subject.isprintable():
        return f"Set subject to at most {TEXT_MAX} printable characters."
    return ""


def _from_binary(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Binary mode as the structured JSON it stands for, so that both are one and the same event."""
    data = _without_halves(body) if body.strip() else b"{}"
    try:
        attributes = {name[3:]: _header_text(value) for name, value in headers.items() if name.startswith("ce-")}
        msgspec.json.decode(data)
        return _encode(attributes | {"data": msgspec.Raw(data)})
    except _UNREADABLE as error:
        raise NotCloudEvents(f"The body is no JSON, or a header no UTF-8: {error}.") from error


def _header_text(value: str) -> str:
    """Unquoted, then percent-decoded: HTTP protocol binding, 3.1.3.2. Raises: UnicodeDecodeError."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(value, errors="strict")


def attributes_of(body: bytes) -> dict[str, str]:
    """Whatever text attributes can be read of an event that was kept aside, to find it by; nothing that no table could hold."""
    try:
        raw = _decode_attributes(body)
    except _UNREADABLE:
        return {}
    names = ("id", "source", "type", "subject")
    return {name: text for name in names if (text := _text_of(raw.get(name)))}


def _text_of(raw: msgspec.Raw | None) -> str:
    try:
        value = msgspec.json.decode(raw) if raw is not None else ""
    except _UNREADABLE:
        return ""
    return "".join(filter(str.isprintable, value[:TEXT_MAX])) if isinstance(value, str) else ""


def made_here(event: CloudEvent) -> Parsed:
    """An event that the product reports itself, in the form in which all are taken."""
    body = _encode(event)
    return Parsed(body, _decode_event(body))


def identity(source: str, event_id: str) -> str:
    """The key of an event, as 32 hex digits: the first 128 bits of SHA-256 over source and id, which no separator can confuse."""
    return sha256(f"{len(source)}:{source}{event_id}".encode()).hexdigest()[:32]


def content_digest(event: CloudEvent, *, wallet_id: int) -> str:
    """The first 128 bits of SHA-256, as hex, over all that decides the charge; white space and the order of fields do not."""
    moment = event.time.timestamp() if event.time else None
    return sha256(_encode((wallet_id, event.type, moment, event.data))).hexdigest()[:32]

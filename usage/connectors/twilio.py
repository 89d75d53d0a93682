"""Twilio: status callbacks of calls and messages, and messages that come in, signed with the account's auth token.

Source: twilio.com/docs, "Security", "Call resource: status callback", "Outbound message status in status callbacks".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import RequestValidator, get_signature_algorithm

from usage.connectors.reports import UNKNOWN, Address, Delivery, Report, Unreadable, agent_name, cost_of, first, json_object, party, whole
from usage.segments import segments

SOURCE = "/twilio"
FIELDS_MAX = 1000
FORM = "application/x-www-form-urlencoded"

CALL_UNDERWAY = ("queued", "initiated", "ringing", "in-progress")
CALL_NOT_ANSWERED = ("busy", "no-answer", "canceled", "failed")
CALL_TYPES = {"inbound": "call_in", "outbound-api": "call_out", "outbound-dial": "call_out"}

MESSAGE_UNDERWAY = ("accepted", "scheduled", "queued", "sending", "receiving")
MESSAGE_NOT_SENT = ("failed", "canceled")
MESSAGE_SENT = ("sent", "delivered", "undelivered", "partially_delivered", "read")
"""The carrier has it, and charges for it, whatever becomes of it then."""

_CHANNEL = re.compile(r"([a-z]{2,20}):(.+)")
_CALL_SECONDS_MAX = 10**10


class _Form(dict[str, list[str]]):
    """A form as Twilio's library reads one: a parameter may come several times."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def is_authentic(delivery: Delivery, secrets: Sequence[str]) -> bool:
    """Whether Twilio signed this address and body with one of the secrets. Raises: Unreadable."""
    signed = _signed(delivery)
    if signed is None:
        return False
    signature = delivery.headers.get("x-twilio-signature", "")
    algorithm = get_signature_algorithm(delivery.headers.get("x-twilio-webhooks-signature-settings", ""))
    return any(RequestValidator(secret).validate(delivery.url, signed, signature, algorithm) for secret in secrets)


def _signed(delivery: Delivery) -> _Form | str | None:
    """What Twilio signs beside the address: a form's parameters, or the digest of any other body, which the address carries.

    None where the address carries none: then nothing vouches for the body.
    """
    if _is_form(delivery):
        return _form(delivery.body)
    if "bodySHA256" not in parse_qs(urlsplit(delivery.url).query):
        return None
    try:
        return delivery.body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("The body is no UTF-8.") from error


def _is_form(delivery: Delivery) -> bool:
    return delivery.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def _form(body: bytes) -> _Form:
    try:
        return _Form(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError as error:
        raise Unreadable(f"The form has more than {FIELDS_MAX} fields.") from error


def read(delivery: Delivery) -> Report | None:
    """The use that a callback reports; None where there is nothing to charge yet. Raises: Unreadable."""
    return read_callback(_last_values(delivery) if _is_form(delivery) else json_object(delivery.body), address=delivery.address)


def _last_values(delivery: Delivery) -> dict[str, object]:
    return {name: values[-1] for name, values in _form(delivery.body).items()}


def read_callback(fields: Mapping[str, object], *, address: Address) -> Report | None:
    """The same, of the parameters."""
    is_message = first(*(fields.get(name) for name in ("MessageSid", "SmsSid", "MessageStatus", "SmsStatus"))) != ""
    return _message(fields, address) if is_message else _call(fields, address)


# ---------------------------------------------------------------- calls
def _call(fields: Mapping[str, object], address: Address) -> Report | None:
    status = first(fields.get("CallStatus"), UNKNOWN)
    if status in CALL_UNDERWAY:
        return None
    direction = first(fields.get("Direction"), UNKNOWN)
    type_ = CALL_TYPES.get(direction, f"call_{direction[:40]}") if isinstance(direction, str) else f"call_{UNKNOWN}"
    duration = whole(fields.get("CallDuration")) if status == "completed" else None
    to, from_ = fields.get("To"), fields.get("From")
    data = {
        "duration_seconds": duration,
        "answered": _answered(status),
        "to": party(to) if type_ == "call_in" else first(to, UNKNOWN),
        "from": party(from_),
    }
    time = _begun_at(fields.get("Timestamp"), duration=duration)
    return _report(fields, address, id_=fields.get("CallSid"), type_=type_, data=data, time=time)


def _answered(status: object) -> object:
    """A status that is not known stands where yes or no must: the call is kept aside, neither charged nor given away."""
    if status == "completed":
        return None
    return False if status in CALL_NOT_ANSWERED else status


def _begun_at(timestamp: object, *, duration: object) -> object:
    """Twilio stamps a callback when it happens: a completed call began so many seconds before."""
    if not isinstance(timestamp, str) or not timestamp.isascii():
        return timestamp
    try:
        told = parsedate_to_datetime(timestamp)
        if told.tzinfo is None:
            return timestamp
        lasted = duration if isinstance(duration, int) and 0 <= duration <= _CALL_SECONDS_MAX else 0
        return (told.astimezone(UTC) - timedelta(seconds=lasted)).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return timestamp


# ---------------------------------------------------------------- messages
def _message(fields: Mapping[str, object], address: Address) -> Report | None:
    """Every status after the message went out makes the very same event, so that whichever comes first charges it and no other does."""
    status = first(fields.get("MessageStatus"), fields.get("SmsStatus"), UNKNOWN)
    if status in MESSAGE_UNDERWAY:
        return None
    is_inbound = status == "received"
    to, from_ = fields.get("To"), fields.get("From")
    channel = _channel(from_ if is_inbound else to)
    data = {
        "quantity": _quantity(fields, address, status=status),
        "to": party(_bare(to)) if is_inbound else first(_bare(to), UNKNOWN),
        "from": party(_bare(from_)),
        "description": "not sent" if status in MESSAGE_NOT_SENT else None,
    }
    sid = first(fields.get("MessageSid"), fields.get("SmsSid"))
    return _report(fields, address, id_=sid, type_=f"{channel}_{'in' if is_inbound else 'out'}", data=data)


def _quantity(fields: Mapping[str, object], address: Address, *, status: object) -> object:
    """The segments: Twilio's own count, else the platform's in the address, else counted in a text that came in.

    Twilio leaves its count out of most callbacks for what goes out, and a message of unknown length is nobody's to guess.
    """
    if status in MESSAGE_NOT_SENT:
        return 0
    if status != "received" and status not in MESSAGE_SENT:
        return status
    told = whole(fields.get("NumSegments"))
    if told in (None, "", 0):
        told = whole(address.segments)
    text = fields.get("Body")
    if told in ("", 0) and status == "received" and isinstance(text, str):
        told = segments(text).count
    return UNKNOWN if told in ("", 0) else told


def _channel(other_side: object) -> str:
    """What meters of its messages begin with: message, or the channel that stands before the other side's number."""
    found = _CHANNEL.fullmatch(other_side) if isinstance(other_side, str) else None
    return found[1] if found else "message"


def _bare(number: object) -> object:
    found = _CHANNEL.fullmatch(number) if isinstance(number, str) else None
    return found[2] if found else number


def _report(
    fields: Mapping[str, object], address: Address, *, id_: object, type_: str, data: Mapping[str, object], time: object = None
) -> Report:
    return Report(
        source=SOURCE,
        id=id_,
        type=type_,
        subject=address.workspace,
        time=time,
        data={**data, "agent": agent_name(address.agent), "hold": address.hold},
        cost=cost_of(fields.get("Price"), currency=fields.get("PriceUnit")),
    )

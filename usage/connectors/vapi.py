"""Vapi: the end-of-call report that it sends to a server URL, with the secret of the credential that the platform gave that URL.

Source: docs.vapi.ai, "Server authentication", "Server events"; the schema of ServerMessageEndOfCallReport.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from usage.connectors.reports import (
    UNKNOWN,
    Address,
    Delivery,
    Report,
    agent_name,
    cost_of,
    first,
    identifier,
    json_object,
    member,
    party,
)

SOURCE = "/vapi"
CALL_TYPES = {
    "inboundPhoneCall": "call_in",
    "outboundPhoneCall": "call_out",
    "webCall": "call_web",
    "vapi.websocketCall": "call_web",
}
NOT_CONNECTED = (
    "customer-busy",
    "customer-did-not-answer",
    "customer-did-not-give-microphone-permission",
    "twilio-failed-to-connect-call",
    "vonage-failed-to-connect-call",
    "vonage-rejected",
)
NEVER_BEGAN = ("call.start.error", "call-start-error", "assistant-request-", "assistant-not-")
"""How the reasons begin of calls that failed before anybody was on the line."""


def is_authentic(delivery: Delivery, secrets: Sequence[str]) -> bool:
    """Whether it carries one of the secrets, in X-Vapi-Secret or as a bearer token, or an HMAC of the body by one in X-Vapi-Signature."""
    scheme, _, token = delivery.headers.get("authorization", "").partition(" ")
    presented = delivery.headers.get("x-vapi-secret") or (token.strip() if scheme.lower() == "bearer" else "")
    if presented:
        return any(hmac.compare_digest(presented.encode(), secret.encode()) for secret in secrets)
    signature = delivery.headers.get("x-vapi-signature", "").strip().lower().removeprefix("sha256=")
    digests = (hmac.new(secret.encode(), delivery.body, sha256).hexdigest() for secret in secrets)
    return any(hmac.compare_digest(signature.encode(), digest.encode()) for digest in digests)


def read(delivery: Delivery) -> Report | None:
    """The call that a server message reports; None for every message but the last of a call. Raises: Unreadable."""
    return read_message(member(json_object(delivery.body), "message"), address=delivery.address)


def read_message(message: object, *, address: Address) -> Report | None:
    """The same, of the message."""
    if member(message, "type") != "end-of-call-report":
        return None
    kind = first(member(message, "call", "type"), UNKNOWN)
    type_ = CALL_TYPES.get(kind, f"call_{kind[:40]}") if isinstance(kind, str) else f"call_{UNKNOWN}"
    # A browser starts a web call with the public key and writes what it likes into it: there, the address alone is believed.
    told = () if type_ == "call_web" else _metadata(message)
    return Report(
        source=SOURCE,
        id=member(message, "call", "id"),
        type=type_,
        subject=identifier(first(*(member(one, "workspace") for one in told), address.workspace)),
        time=member(message, "startedAt"),
        data={
            **_length(message),
            **_numbers(message, type_),
            "agent": agent_name(*(member(one, "agent") for one in told), address.agent, *_assistant(message)),
            "hold": first(*(member(one, "hold") for one in told), address.hold),
        },
        cost=cost_of(first(member(message, "cost"), member(message, "call", "cost")), currency="usd"),
    )


def _metadata(message: object) -> tuple[object, ...]:
    """Where the platform may have written what the call is about, the most particular first."""
    return (
        member(message, "call", "metadata"),
        member(message, "call", "assistantOverrides", "metadata"),
        member(message, "assistant", "metadata"),
        member(message, "call", "assistant", "metadata"),
    )


def _assistant(message: object) -> tuple[object, ...]:
    return (
        member(message, "assistant", "name"),
        member(message, "call", "assistant", "name"),
        member(message, "call", "assistantId"),
        member(message, "assistant", "id"),
    )


def _length(message: object) -> dict[str, object]:
    reason = member(message, "endedReason")
    if isinstance(reason, str) and (reason in NOT_CONNECTED or reason.startswith(NEVER_BEGAN)):
        return {"answered": False}
    told = member(message, "durationSeconds")
    return {"duration_seconds": _between(message) if told is None else told}


def _between(message: object) -> object:
    """From its start to its end; None where either is missing or no time, so that the call is kept aside."""
    begun_at, ended_at = member(message, "startedAt"), member(message, "endedAt")
    if not isinstance(begun_at, str) or not isinstance(ended_at, str):
        return None
    try:
        return (datetime.fromisoformat(ended_at) - datetime.fromisoformat(begun_at)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _numbers(message: object, type_: str) -> dict[str, object]:
    customer = first(*(member(message, *path) for path in _CUSTOMER))
    own = party(first(member(message, "phoneNumber", "number"), member(message, "call", "phoneNumber", "number")))
    if type_ == "call_out":
        return {"to": first(customer, UNKNOWN), "from": own}
    return {"to": own, "from": party(customer)}


_CUSTOMER = (
    ("customer", "number"),
    ("call", "customer", "number"),
    ("customer", "sipUri"),
    ("call", "customer", "sipUri"),
)

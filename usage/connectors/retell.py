"""Retell: the webhooks at the end of a call, signed over the body with the API key that has the webhook badge.

Source: docs.retellai.com, "Webhook overview", "Secure the webhook"; the call object of its API.
"""

import hmac
import re
import time
from collections.abc import Sequence
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
    moment_of,
    party,
    seconds_of,
)

SOURCE = "/retell"
SIGNATURE_AGE_MAX_MS = 5 * 60 * 1000
CALL_OVER = ("call_ended", "call_analyzed")
"""Both tell the same call: whichever comes first charges it, the other is a repeat."""
CALL_TYPES = {"inbound": "call_in", "outbound": "call_out"}
NOT_CONNECTED = (
    "dial_busy",
    "dial_failed",
    "dial_no_answer",
    "invalid_destination",
    "telephony_provider_permission_denied",
    "telephony_provider_unavailable",
    "sip_routing_error",
    "user_declined",
    "marked_as_spam",
    "network_blocked",
    "registered_call_timeout",
    "error_user_not_joined",
)

_SIGNATURE = re.compile(r"v=([0-9]{1,15}),d=([0-9a-f]{64})")


def is_authentic(delivery: Delivery, secrets: Sequence[str]) -> bool:
    """Whether Retell signed the body and the time with one of the keys, within the last five minutes."""
    found = _SIGNATURE.fullmatch(delivery.headers.get("x-retell-signature", ""))
    if found is None or abs(time.time() * 1000 - int(found[1])) > SIGNATURE_AGE_MAX_MS:
        return False
    digests = (hmac.new(secret.encode(), delivery.body + found[1].encode(), sha256).hexdigest() for secret in secrets)
    return any(hmac.compare_digest(found[2], digest) for digest in digests)


def read(delivery: Delivery) -> Report | None:
    """The call that a webhook reports; None while it is not over. Raises: Unreadable."""
    told = json_object(delivery.body)
    return read_call(told.get("call"), event=told.get("event"), address=delivery.address)


def read_call(call: object, *, event: object, address: Address) -> Report | None:
    """The same, of the call object."""
    if event not in CALL_OVER:
        return None
    # The body is signed and the address is not: what the call itself carries comes first.
    metadata = member(call, "metadata")
    type_ = _type(call)
    to, from_ = member(call, "to_number"), member(call, "from_number")
    return Report(
        source=SOURCE,
        id=member(call, "call_id"),
        type=type_,
        subject=identifier(first(member(metadata, "workspace"), address.workspace)),
        time=moment_of(member(call, "start_timestamp")),
        data={
            **_length(call),
            "to": first(to, UNKNOWN) if type_ == "call_out" else party(to),
            "from": party(from_),
            "agent": agent_name(member(metadata, "agent"), address.agent, member(call, "agent_name"), member(call, "agent_id")),
            "hold": first(member(metadata, "hold"), address.hold),
        },
        cost=cost_of(member(call, "call_cost", "combined_cost"), currency="usd", is_cents=True),
    )


def _type(call: object) -> str:
    if member(call, "call_type") == "web_call":
        return "call_web"
    direction = first(member(call, "direction"), UNKNOWN)
    return CALL_TYPES.get(direction, f"call_{direction[:40]}") if isinstance(direction, str) else f"call_{UNKNOWN}"


def _length(call: object) -> dict[str, object]:
    if member(call, "call_status") == "not_connected" or member(call, "disconnection_reason") in NOT_CONNECTED:
        return {"answered": False}
    return {"duration_seconds": seconds_of(member(call, "duration_ms"))}

"""What providers send, as their documents show it, and how each signs it."""

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client
from twilio.request_validator import RequestValidator

TWILIO_TOKEN, VAPI_SECRET, RETELL_KEY = "twilio-token-for-tests", "vapi-secret-for-tests", "key_for_tests_alone"
OURS, THEIRS = "+12125550100", "+14155550142"

CALL = {
    "AccountSid": "AC" + "0" * 32,
    "ApiVersion": "2010-04-01",
    "CallSid": "CA" + "1" * 32,
    "CallStatus": "completed",
    "CallDuration": "61",
    "Duration": "2",
    "Direction": "outbound-api",
    "From": OURS,
    "To": THEIRS,
    "CallbackSource": "call-progress-events",
    "SequenceNumber": "3",
    "ToCity": "",
}
MESSAGE = {
    "AccountSid": "AC" + "0" * 32,
    "ApiVersion": "2010-04-01",
    "MessageSid": "SM" + "2" * 32,
    "SmsSid": "SM" + "2" * 32,
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "From": OURS,
    "To": THEIRS,
}
RECEIVED = {
    "MessageSid": "SM" + "3" * 32,
    "SmsMessageSid": "SM" + "3" * 32,
    "SmsStatus": "received",
    "NumSegments": "1",
    "NumMedia": "0",
    "Body": "Yes, 10:30 is fine.",
    "From": THEIRS,
    "To": OURS,
}


def changed(whole: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with some of it otherwise; None leaves something out."""
    return {name: value for name, value in (whole | changes).items() if value is not None}


def vapi_message(**changes: Any) -> dict[str, Any]:
    """The end-of-call report of a call of a minute and a bit to the United States; `call` adds to its call."""
    call = {
        "id": "0b9d1c52-6f0e-4a57-9d6e-3f1f0a4c8e21",
        "type": "outboundPhoneCall",
        "assistantId": "a5b0c2f9-41d7-4a3e-86a1-f20c45b0c2f9",
    }
    message = {
        "type": "end-of-call-report",
        "endedReason": "customer-ended-call",
        "durationSeconds": 61.4,
        "cost": 0.1234,
        "customer": {"number": THEIRS},
        "phoneNumber": {"number": OURS},
        "assistant": {"name": "Sales agent"},
        "artifact": {"transcript": "AI: Hello. \ud83d"},
    }
    return changed(message, **changes) | {"call": changed(call, **changes.get("call", {}))}


def retell_call(**changes: Any) -> dict[str, Any]:
    """The call object of an outbound call of a minute and a bit."""
    call = {
        "call_id": "call_7f3a",
        "call_type": "phone_call",
        "call_status": "ended",
        "direction": "outbound",
        "from_number": OURS,
        "to_number": THEIRS,
        "agent_id": "agent_1",
        "agent_name": "Sales agent",
        "duration_ms": 60_001,
        "disconnection_reason": "agent_hangup",
        "call_cost": {"combined_cost": 12.345},
    }
    return changed(call, **changes)


# ---------------------------------------------------------------- signed and sent
def twilio_signature(address: str, fields: dict[str, Any], *, token: str = TWILIO_TOKEN, algorithm: str | None = None) -> str:
    """What Twilio's own library signs, of the public address."""
    signature: str = RequestValidator(token).compute_signature(settings.SITE_URL + address, fields, algorithm)
    return signature


def send_twilio(fields: dict[str, Any], *, query: str = "", signature: str | None = None, headers: dict[str, str] | None = None) -> Any:
    """A callback, signed unless a signature is given."""
    address = "/webhooks/twilio" + (f"?{query}" if query else "")
    signature = twilio_signature(address, fields) if signature is None else signature
    return _post(address, urlencode(fields), "application/x-www-form-urlencoded", {"X-Twilio-Signature": signature, **(headers or {})})


def send_twilio_json(fields: dict[str, Any], *, query: str = "", body: bytes | None = None) -> Any:
    """A callback with another body than a form: its digest stands in the address. `body` is sent in place of what was signed."""
    text = json.dumps(fields)
    address = f"/webhooks/twilio?{query}&bodySHA256={sha256(text.encode()).hexdigest()}"
    return _post(address, body or text, "application/json", {"X-Twilio-Signature": twilio_signature(address, {})})


def send_vapi(message: dict[str, Any] | None = None, *, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> Any:
    """A server message, with the secret unless headers are given."""
    text = body or json.dumps({"message": message}).encode()
    return _post(_with("/webhooks/vapi", query), text, "application/json", {"X-Vapi-Secret": VAPI_SECRET} if headers is None else headers)


def retell_signature(body: bytes, *, key: str = RETELL_KEY, age_seconds: float = 0) -> str:
    """Retell's header for a body, as old as wished; negative: from the future."""
    moment = str(int((time.time() - age_seconds) * 1000))
    return f"v={moment},d={hmac.new(key.encode(), body + moment.encode(), sha256).hexdigest()}"


def send_retell(
    call: dict[str, Any] | None = None, *, event: str = "call_ended", query: str = "", body: bytes = b"", signature: str | None = None
) -> Any:
    """A webhook, signed unless a signature is given."""
    text = body or json.dumps({"event": event, "call": call}).encode()
    headers = {"X-Retell-Signature": retell_signature(text) if signature is None else signature}
    return _post(_with("/webhooks/retell", query), text, "application/json", headers)


def vapi_hmac(body: bytes, *, secret: str = VAPI_SECRET) -> str:
    """The HMAC that Vapi puts into X-Vapi-Signature."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def sixty_four(text: str) -> str:
    """A signature that has the form of Twilio's and is none."""
    return base64.b64encode(sha256(text.encode()).digest()[:20]).decode()


def _with(address: str, query: str) -> str:
    return address + (f"?{query}" if query else "")


def _post(address: str, body: str | bytes, content_type: str, headers: dict[str, str]) -> Any:
    # As a worker meets it: an error in the product is a 500 here, not an exception in the test.
    client = Client(raise_request_exception=False)
    return client.post(address, data=body, content_type=content_type, headers=headers)

"""The mappers by themselves: which event each delivery becomes. Without a database."""

import json
from typing import Any

import pytest

from usage.cloud_events import BATCH, CloudEvent, content_digest, parse_request
from usage.connectors import retell, twilio, vapi
from usage.connectors.reports import Address, Cost, Report, agent_name, cost_of, seconds_of
from usage.tests.connectors.deliveries import CALL, MESSAGE, OURS, RECEIVED, THEIRS, changed, retell_call, vapi_message

NOWHERE, HERE = Address(), Address(workspace="customer-1042")


def event_of(report: Report | None) -> dict[str, Any]:
    """The event, as it will be read."""
    assert report is not None
    found: dict[str, Any] = json.loads(report.body())
    return found


def read_again(report: Report | None) -> CloudEvent:
    """The same, as an event."""
    assert report is not None
    (parsed,) = parse_request(b"[" + report.body() + b"]", content_type=BATCH, headers={})
    assert parsed.event is not None, parsed.reason
    return parsed.event


# ---------------------------------------------------------------- Twilio
def test_it_maps_a_call_of_twilios() -> None:
    fields = changed(CALL, Timestamp="Fri, 20 Nov 2026 10:31:01 +0000")
    address = Address(workspace="customer-1042", hold="4c8e21", agent=" Sales\n agent ")

    assert event_of(twilio.read_callback(fields, address=address)) == {
        "specversion": "1.0",
        "id": CALL["CallSid"],
        "source": "/twilio",
        "type": "call_out",
        "subject": "customer-1042",
        "time": "2026-11-20T10:30:00+00:00",
        "data": {"duration_seconds": 61, "to": THEIRS, "from": OURS, "agent": "Sales agent", "hold": "4c8e21"},
    }


@pytest.mark.parametrize(
    ("direction", "type_"), [("inbound", "call_in"), ("outbound-api", "call_out"), ("outbound-dial", "call_out"), ("odd", "call_odd")]
)
def test_it_maps_the_direction_of_a_call(direction: str, type_: str) -> None:
    event = event_of(twilio.read_callback(changed(CALL, Direction=direction), address=HERE))

    assert (event["type"], event["data"]["to"], event["data"]["from"]) == (type_, THEIRS, OURS)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("completed", {"duration_seconds": 61}),
        ("busy", {"answered": False}),
        ("no-answer", {"answered": False}),
        ("canceled", {"answered": False}),
        ("failed", {"answered": False}),
        ("vanished", {"answered": "vanished"}),
    ],
)
def test_it_maps_the_end_of_a_call(status: str, said: dict[str, Any]) -> None:
    data = event_of(twilio.read_callback(changed(CALL, CallStatus=status), address=HERE))["data"]

    assert {name: value for name, value in data.items() if name in ("duration_seconds", "answered")} == said


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        (THEIRS, THEIRS),
        ("client:" + "a" * 40, "client:" + "a" * 25),
        ("sip:alice@example.com", "sip:alice@example.com"),
        ("anonymous", "anonymous"),
        (None, None),
    ],
)
def test_it_names_whoever_calls_in(caller: str | None, told: str | None) -> None:
    fields = changed(CALL, Direction="inbound", From=caller, To=OURS)

    assert event_of(twilio.read_callback(fields, address=HERE))["data"].get("from") == told


@pytest.mark.parametrize(
    ("fields", "segments", "quantity"),
    [
        (changed(MESSAGE, NumSegments="3"), "", 3),
        (changed(MESSAGE, NumSegments="3"), "2", 3),
        (MESSAGE, "2", 2),
        (changed(MESSAGE, NumSegments="0"), "2", 2),
        (MESSAGE, "", "unknown"),
        (MESSAGE, "0", "unknown"),
        (MESSAGE, "many", "many"),
        (changed(MESSAGE, NumSegments="٣"), "2", "٣"),
        (changed(MESSAGE, MessageStatus="undelivered", SmsStatus="undelivered"), "2", 2),
        (changed(MESSAGE, MessageStatus="failed"), "2", 0),
        (changed(MESSAGE, MessageStatus="vanished"), "2", "vanished"),
        (changed(RECEIVED, NumSegments="2"), "", 2),
        (changed(RECEIVED, NumSegments=None), "", 1),
        (changed(RECEIVED, NumSegments=None, Body="x" * 161), "", 2),
        (changed(RECEIVED, NumSegments=None, Body=None), "", "unknown"),
    ],
)
def test_it_maps_the_length_of_a_message(fields: dict[str, Any], segments: str, quantity: object) -> None:
    report = twilio.read_callback(fields, address=Address(workspace="x", segments=segments))

    assert event_of(report)["data"]["quantity"] == quantity


@pytest.mark.parametrize(
    ("fields", "type_"),
    [
        (MESSAGE, "message_out"),
        (RECEIVED, "message_in"),
        (changed(MESSAGE, To=f"whatsapp:{THEIRS}"), "whatsapp_out"),
        (changed(RECEIVED, From=f"whatsapp:{THEIRS}", To=f"whatsapp:{OURS}"), "whatsapp_in"),
        (changed(RECEIVED, From="messenger:1234567"), "messenger_in"),
    ],
)
def test_it_maps_the_channel_of_a_message(fields: dict[str, Any], type_: str) -> None:
    event = event_of(twilio.read_callback(fields, address=HERE))

    assert event["type"] == type_
    assert ":" not in event["data"]["to"] + event["data"]["from"]


def test_it_makes_the_same_event_of_every_status_after_a_message_went_out() -> None:
    digests = set()
    for status in twilio.MESSAGE_SENT:
        fields = changed(MESSAGE, MessageStatus=status, RawDlrDoneDate="2611201031" if status == "delivered" else None)
        report = twilio.read_callback(fields, address=Address(workspace="x", segments="2"))
        digests.add(content_digest(read_again(report), wallet_id=1))

    assert len(digests) == 1


# ---------------------------------------------------------------- Vapi
def test_it_maps_a_report_of_vapis() -> None:
    message = vapi_message(startedAt="2026-11-20T10:30:00.000Z", call={"metadata": {"workspace": "customer-1042", "hold": "4c8e21"}})

    assert event_of(vapi.read_message(message, address=NOWHERE)) == {
        "specversion": "1.0",
        "id": message["call"]["id"],
        "source": "/vapi",
        "type": "call_out",
        "subject": "customer-1042",
        "time": "2026-11-20T10:30:00.000Z",
        "data": {"duration_seconds": 61.4, "to": THEIRS, "from": OURS, "agent": "Sales agent", "hold": "4c8e21"},
    }


@pytest.mark.parametrize(
    ("kind", "type_", "to", "from_"),
    [
        ("outboundPhoneCall", "call_out", THEIRS, OURS),
        ("inboundPhoneCall", "call_in", OURS, THEIRS),
        ("webCall", "call_web", OURS, THEIRS),
        ("vapi.websocketCall", "call_web", OURS, THEIRS),
        ("odd", "call_odd", OURS, THEIRS),
        ({}, "call_unknown", OURS, THEIRS),
    ],
)
def test_it_maps_the_kind_of_a_vapi_call(kind: object, type_: str, to: str, from_: str) -> None:
    event = event_of(vapi.read_message(vapi_message(call={"type": kind}), address=HERE))

    assert (event["type"], event["data"]["to"], event["data"]["from"]) == (type_, to, from_)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, {"duration_seconds": 61.4}),
        ({"durationSeconds": 0}, {"duration_seconds": 0}),
        (
            {"durationSeconds": None, "startedAt": "2026-11-20T10:30:00.000Z", "endedAt": "2026-11-20T10:31:01.500Z"},
            {"duration_seconds": 61.5},
        ),
        ({"durationSeconds": None, "startedAt": "2026-11-20T10:30:00.000Z"}, {}),
        ({"durationSeconds": None, "startedAt": "soon", "endedAt": "later"}, {}),
        ({"durationSeconds": None, "startedAt": "2026-11-20T10:30:00", "endedAt": "2026-11-20T10:31:01Z"}, {}),
        ({"endedReason": "customer-did-not-answer"}, {"answered": False}),
        ({"endedReason": "customer-busy"}, {"answered": False}),
        ({"endedReason": "call.start.error-get-transport"}, {"answered": False}),
        ({"endedReason": "voicemail"}, {"duration_seconds": 61.4}),
        ({"endedReason": ["customer-busy"]}, {"duration_seconds": 61.4}),
    ],
)
def test_it_maps_the_length_of_a_vapi_call(changes: dict[str, Any], said: dict[str, Any]) -> None:
    data = event_of(vapi.read_message(vapi_message(**changes), address=HERE))["data"]

    assert {name: value for name, value in data.items() if name in ("duration_seconds", "answered")} == said


@pytest.mark.parametrize(
    "message",
    [
        vapi_message(call={"metadata": {"workspace": "w", "agent": "a"}}),
        vapi_message(call={"assistantOverrides": {"metadata": {"workspace": "w", "agent": "a"}}}),
        vapi_message(assistant={"name": "Other", "metadata": {"workspace": "w", "agent": "a"}}),
        vapi_message(call={"assistant": {"metadata": {"workspace": "w", "agent": "a"}}}),
    ],
)
def test_it_finds_what_the_platform_wrote_into_a_vapi_call(message: dict[str, Any]) -> None:
    event = event_of(vapi.read_message(message, address=Address(workspace="address", agent="address")))

    assert (event["subject"], event["data"]["agent"]) == ("w", "a")


def test_it_names_the_assistant_by_its_id_where_it_has_no_name() -> None:
    message = vapi_message(assistant=None)

    assert event_of(vapi.read_message(message, address=HERE))["data"]["agent"] == message["call"]["assistantId"]


# ---------------------------------------------------------------- Retell
def test_it_maps_a_call_of_retells() -> None:
    call = retell_call(start_timestamp=1_795_170_600_000, metadata={"workspace": "customer-1042", "hold": "4c8e21"})

    assert event_of(retell.read_call(call, event="call_ended", address=NOWHERE)) == {
        "specversion": "1.0",
        "id": "call_7f3a",
        "source": "/retell",
        "type": "call_out",
        "subject": "customer-1042",
        "time": "2026-11-20T10:30:00+00:00",
        "data": {"duration_seconds": 61, "to": THEIRS, "from": OURS, "agent": "Sales agent", "hold": "4c8e21"},
    }


@pytest.mark.parametrize(
    ("changes", "type_", "said"),
    [
        ({}, "call_out", {"duration_seconds": 61}),
        ({"direction": "inbound"}, "call_in", {"duration_seconds": 61}),
        ({"call_type": "web_call", "direction": None}, "call_web", {"duration_seconds": 61}),
        ({"direction": None}, "call_unknown", {"duration_seconds": 61}),
        ({"duration_ms": None}, "call_out", {}),
        ({"duration_ms": "60001"}, "call_out", {"duration_seconds": "60001"}),
        ({"duration_ms": -1}, "call_out", {"duration_seconds": -1}),
        ({"duration_ms": True}, "call_out", {"duration_seconds": True}),
        ({"call_status": "not_connected"}, "call_out", {"answered": False}),
        ({"disconnection_reason": "dial_no_answer"}, "call_out", {"answered": False}),
        ({"disconnection_reason": "voicemail_reached"}, "call_out", {"duration_seconds": 61}),
    ],
)
def test_it_maps_the_kind_and_length_of_a_retell_call(changes: dict[str, Any], type_: str, said: dict[str, Any]) -> None:
    event = event_of(retell.read_call(retell_call(**changes), event="call_ended", address=HERE))

    assert event["type"] == type_
    assert {name: value for name, value in event["data"].items() if name in ("duration_seconds", "answered")} == said


# ---------------------------------------------------------------- small readings
@pytest.mark.parametrize(
    ("amount", "currency", "is_cents", "cost"),
    [
        ("-0.00750", "USD", False, Cost(7_500, "usd")),
        ("0.0000015", "EUR", False, Cost(2, "eur")),
        (0.1, "usd", False, Cost(100_000, "usd")),
        (12.345, "usd", True, Cost(123_450, "usd")),
        (7, "usd", True, Cost(70_000, "usd")),
        (0, "usd", False, Cost(0, "usd")),
        ("١", "USD", False, None),
        ("1e5", "USD", False, None),
        ("NaN", "USD", False, None),
        (float("inf"), "usd", False, None),
        (1e22, "usd", False, None),
        (10**400, "usd", False, None),
        (True, "usd", False, None),
        (None, "USD", False, None),
        ("1", None, False, None),
        ("1", "dollars", False, None),
        ([], "USD", False, None),
    ],
)
def test_it_reads_what_the_provider_charges(amount: object, currency: object, is_cents: bool, cost: Cost | None) -> None:
    assert cost_of(amount, currency=currency, is_cents=is_cents) == cost


def test_it_counts_a_begun_second() -> None:
    assert [seconds_of(length) for length in (0, 1, 999, 1000, 1001, 60_000.5)] == [0, 1, 1, 1, 2, 61]


def test_it_shows_an_agents_name_on_one_line() -> None:
    assert agent_name(None, "", {}, " Sales\t agent\x00 ", "Other") == "Sales agent"
    assert agent_name(1042) == "1042"
    assert len(agent_name("a" * 500)) == 100

"""Nothing that can be sent makes a connector stumble: it is read, or refused with a reason, and never an error of ours."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from usage.cloud_events import BATCH, parse_request
from usage.connectors import retell, twilio, vapi
from usage.connectors.reports import Address, Delivery, Report, Unreadable
from usage.models import Meter
from usage.services.measuring import BadUse, Received, measure
from usage.tests.connectors.deliveries import CALL, MESSAGE, RECEIVED, THEIRS, retell_call, vapi_message
from workspaces.models import Workspace

_NASTY = (
    *("", "0", "-1", "1e400", "NaN", "Infinity", "６１", "\ud83d", "\0", "9" * 400, THEIRS, "whatsapp:+1", "usd"),
    *("completed", "delivered", "received", "inbound", "outbound-api", "call_ended", "end-of-call-report", "webCall"),
    *("Fri, 20 Nov 2026 10:31:01 +0000", "Fri, 31 Dec 9999 23:59:59 -2359", "0001-01-01T00:00:00Z"),
    *(10**400, -(10**400), 2**63, float("inf"), float("nan")),
)
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(_NASTY))
_ANYTHING = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))
_ADDRESSES = st.builds(Address, st.text(max_size=10), st.text(max_size=10), st.text(max_size=120), st.text(max_size=5))


def altered(whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A delivery with some of it put in another's place, or left out."""

    def put(changes: dict[str, Any]) -> dict[str, Any]:
        return {name: changes.get(name, value) for name, value in whole.items() if changes.get(name, value) != "left out"}

    values = {name: altered(value) if isinstance(value, dict) else st.just(value) for name, value in whole.items()}
    choices = {name: st.one_of(known, _ANYTHING, st.just("left out")) for name, known in values.items()}
    return st.one_of(_ANYTHING, st.fixed_dictionaries({}, optional=choices).map(put))


_RECEIVED = Received(datetime(2026, 11, 21, tzinfo=UTC))
_WORKSPACE = Workspace(pk=1, public_id="ws_1", time_zone="UTC")
_METERS = {
    "call_out": Meter(key="call_out", unit="second", kind="call_out"),
    "call_in": Meter(key="call_in", unit="second", kind="call_in"),
    "call_web": Meter(key="call_web", unit="second", kind="call_in"),
    "message_out": Meter(key="message_out", unit="segment", kind="message_out"),
    "message_in": Meter(key="message_in", unit="segment", kind="message_in"),
}


def assert_is_judged(report: Report | None) -> None:
    """It is read as one event or none; an event is measured or refused with a code, and its body is short enough to be kept."""
    if report is None:
        return
    assert len(report.body()) < 8_000
    (parsed,) = parse_request(b"[" + report.body() + b"]", content_type=BATCH, headers={})
    if parsed.event is None:
        assert parsed.code in ("not_a_cloud_event", "bad_data")
        return
    assert parsed.event.source == report.source
    meter = _METERS.get(parsed.event.type)
    # What cannot be measured is refused as it should be; any other error is a bug.
    with suppress(BadUse):
        assert measure(0, parsed.event, workspace=_WORKSPACE, meter=meter, received=_RECEIVED).quantity >= 0


_TWILIO_FIELDS = {**CALL, "Timestamp": "Fri, 20 Nov 2026 10:31:01 +0000", "Price": "-0.01", "PriceUnit": "USD"}


@given(st.one_of(altered(_TWILIO_FIELDS), altered({**MESSAGE, "NumSegments": "1"}), altered(RECEIVED)), _ADDRESSES)
@example({"CallStatus": {}}, Address(workspace="customer-1042"))
@example({"CallStatus": "completed", "Direction": []}, Address(workspace="customer-1042"))
def test_it_reads_any_parameters_of_twilios(fields: Any, address: Address) -> None:
    if isinstance(fields, dict):
        assert_is_judged(twilio.read_callback(fields, address=address))


@given(
    altered(
        vapi_message(
            startedAt="2026-11-20T10:30:00.000Z", endedAt="2026-11-20T10:31:01.500Z", call={"metadata": {"workspace": "w", "hold": "h"}}
        )
    ),
    _ADDRESSES,
)
def test_it_reads_any_message_of_vapis(message: Any, address: Address) -> None:
    assert_is_judged(vapi.read_message(message, address=address))


@given(altered(retell_call(start_timestamp=1_795_170_600_000, metadata={"workspace": "w", "hold": "h"})), _ADDRESSES)
def test_it_reads_any_call_of_retells(call: Any, address: Address) -> None:
    assert_is_judged(retell.read_call(call, event="call_ended", address=address))


@given(st.one_of(st.binary(max_size=200), _ANYTHING.map(lambda value: json.dumps(value).encode())), st.text(max_size=50), st.booleans())
@example(b'{"message": {"type": "end-of-call-report", "durationSeconds": 1e999}}', "", False)
@example(b'{"message": {"type": "end-of-call-report", "durationSeconds": NaN}}', "", False)
@example(b"{" * 50_000, "", False)
@example(b'{"a": ' * 50_000, "", False)
def test_it_reads_or_refuses_any_body(body: bytes, query: str, is_form: bool) -> None:
    headers = {"content-type": twilio.FORM if is_form else "application/json", "x-twilio-signature": "x", "x-retell-signature": "x"}
    delivery = Delivery(f"https://billing.example.com/webhooks/x?{query}", query, headers, body)

    for connector in (twilio, vapi, retell):
        with suppress(Unreadable):
            assert not connector.is_authentic(delivery, ["a secret"])
            assert_is_judged(connector.read(delivery))


@given(st.dictionaries(st.sampled_from([*CALL, *MESSAGE, "Timestamp", "NumSegments", "Body"]), st.text(max_size=30), max_size=12))
def test_it_reads_any_form(fields: dict[str, str]) -> None:
    body = urlencode({name: value.encode("utf-8", "replace") for name, value in fields.items()}).encode()

    assert_is_judged(twilio.read(Delivery("", "workspace=ws_1", {"content-type": twilio.FORM}, body)))

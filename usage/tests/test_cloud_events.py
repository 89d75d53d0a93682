"""CloudEvents over HTTP, read: three modes, and everything that can be wrong with each. Without a database."""

import json
from typing import Any

import pytest

from usage.cloud_events import (
    BATCH,
    BATCH_EVENTS_MAX,
    PLAIN_JSON,
    SINGLE,
    CloudEvent,
    NotCloudEvents,
    Parsed,
    UseData,
    attributes_of,
    content_digest,
    identity,
    made_here,
    parse_request,
)

CALL = {"specversion": "1.0", "id": "call-1", "source": "/calls", "type": "call_out", "subject": "ws_1", "data": {"duration_seconds": 42}}
HEADERS = {"ce-specversion": "1.0", "ce-id": "call-1", "ce-source": "/calls", "ce-type": "call_out", "ce-subject": "ws_1"}


def single(body: bytes | str | dict[str, Any]) -> Parsed:
    text = json.dumps(body) if isinstance(body, dict) else body
    (parsed,) = parse_request(text.encode() if isinstance(text, str) else text, content_type=SINGLE, headers={})
    return parsed


def batch(body: bytes | str) -> list[Parsed]:
    return parse_request(body.encode() if isinstance(body, str) else body, content_type=BATCH, headers={})


def binary(data: bytes = b"", **headers: str) -> Parsed:
    (parsed,) = parse_request(data, content_type=PLAIN_JSON, headers=HEADERS | {f"ce-{name}": value for name, value in headers.items()})
    return parsed


def event_of(parsed: Parsed) -> CloudEvent:
    assert parsed.event is not None, (parsed.code, parsed.reason)
    return parsed.event


# ---------------------------------------------------------------- three modes


def test_it_reads_the_same_event_in_every_mode() -> None:
    from_batch = batch(json.dumps([CALL]))[0]
    from_headers = binary(b'{"duration_seconds": 42}')

    assert event_of(single(CALL)) == event_of(from_batch) == event_of(from_headers)
    assert event_of(single(CALL)).data.duration_seconds == 42


@pytest.mark.parametrize("content_type", [SINGLE.upper(), f"{SINGLE}; charset=utf-8", f" {SINGLE} "])
def test_it_knows_a_content_type_however_it_is_written(content_type: str) -> None:
    assert parse_request(json.dumps(CALL).encode(), content_type=content_type, headers={})[0].event is not None


def test_it_takes_the_mode_from_the_content_type_before_the_headers() -> None:
    """As the specification has it: structured content stays structured, whatever headers come with it."""
    (parsed,) = parse_request(json.dumps(CALL).encode(), content_type=SINGLE, headers=HEADERS | {"ce-id": "another"})

    assert event_of(parsed).id == "call-1"


@pytest.mark.parametrize("content_type", ["", PLAIN_JSON, "text/plain", "application/cloudevents+xml", "multipart/form-data; boundary=x"])
def test_it_refuses_what_is_in_no_mode(content_type: str) -> None:
    with pytest.raises(NotCloudEvents, match="Send one event as"):
        parse_request(json.dumps(CALL).encode(), content_type=content_type, headers={})


def test_it_decodes_headers_as_the_binding_says() -> None:
    event = event_of(binary(source='"/a \\"b\\""', id="100%25%20%C3%A9"))

    assert (event.source, event.id) == ('/a "b"', "100% é")


def test_it_refuses_a_header_that_is_no_text() -> None:
    """Replaced by a mark, two such ids would be one event."""
    with pytest.raises(NotCloudEvents):
        binary(id="call-%FF")


def test_it_takes_binary_mode_without_a_body_as_no_data() -> None:
    assert event_of(binary()).data == UseData()


def test_it_lets_extension_attributes_pass() -> None:
    assert event_of(single({**CALL, "traceparent": "00-ab", "sequence": 7, "datacontenttype": "application/json"})).id == "call-1"


# ---------------------------------------------------------------- what is no CloudEvent

NO_EVENTS: dict[str, Any] = {
    "nothing": b"",
    "a number": b"1",
    "a list": b"[]",
    "null": b"null",
    "cut off": b'{"specversion":"1.0"',
    "NaN": b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"quantity":NaN}}',
    "not UTF-8": b'{"specversion":"1.0","id":"\xff","source":"s","type":"t"}',
    "UTF-16": json.dumps(CALL).encode("utf-16"),
    "nested deeper than anyone reads": b"[" * 100_000,
    "an extension nested as deep": b'{"specversion":"1.0","id":"1","source":"s","type":"t","x":' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    "an older version": json.dumps({**CALL, "specversion": "0.3"}).encode(),
    "no version": json.dumps({**CALL, "specversion": None}).encode(),
    "an id that is a number": json.dumps({**CALL, "id": 7}).encode(),
    "an empty id": json.dumps({**CALL, "id": ""}).encode(),
    "a NUL in the id": json.dumps({**CALL, "id": "a\0"}).encode(),
    "a line break in the source": json.dumps({**CALL, "source": "/a\n"}).encode(),
    "a type as long as a page": json.dumps({**CALL, "type": "t" * 201}).encode(),
    "a subject as long as a page": json.dumps({**CALL, "subject": "s" * 201}).encode(),
    "a time without a zone": json.dumps({**CALL, "time": "2026-11-01T12:00:00"}).encode(),
    "a time that there is not": json.dumps({**CALL, "time": "2026-02-30T12:00:00Z"}).encode(),
    "a time as a number": json.dumps({**CALL, "time": 1_790_000_000}).encode(),
}


@pytest.mark.parametrize("kind", NO_EVENTS)
def test_it_refuses_whole(kind: str) -> None:
    with pytest.raises(NotCloudEvents) as refusal:
        single(NO_EVENTS[kind])

    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("kind", [kind for kind in NO_EVENTS if kind not in ("nothing", "cut off", "NaN", "UTF-16") and "deep" not in kind])
def test_it_tells_it_from_the_good_one_beside_it(kind: str) -> None:
    """In a batch one that is no CloudEvent costs the others nothing."""
    good, bad = batch(b"[" + json.dumps(CALL).encode() + b"," + NO_EVENTS[kind] + b"]")

    assert event_of(good).id == "call-1"
    assert (bad.event, bad.code) == (None, "not_a_cloud_event")
    assert len(bad.reason) <= 300


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[1", b"[NaN]", b"[" * 100_000, json.dumps([CALL]).encode("utf-16")])
def test_it_refuses_a_batch_that_is_no_list(body: bytes) -> None:
    with pytest.raises(NotCloudEvents):
        batch(body)


def test_it_takes_an_empty_batch() -> None:
    assert batch(b"[]") == []


def test_it_refuses_more_events_than_one_transaction_takes() -> None:
    with pytest.raises(NotCloudEvents, match="at most"):
        batch(b"[" + b",".join([b"{}"] * (BATCH_EVENTS_MAX + 1)) + b"]")


@pytest.mark.parametrize("data", [b"{", b'{"agent": "\xff"}', b"[" * 100_000, b"NaN"])
def test_it_refuses_binary_data_that_is_no_json(data: bytes) -> None:
    with pytest.raises(NotCloudEvents):
        binary(data)


# ---------------------------------------------------------------- data

BAD_DATA = {
    "a float for units": '{"quantity": 1.5}',
    "a whole float for units": '{"quantity": 1.0}',
    "text for a number": '{"quantity": "1"}',
    "a truth for a number": '{"quantity": true}',
    "a number that is no number": '{"duration_seconds": 1e400}',
    "null": "null",
    "a list": "[]",
    "text": '"sixty"',
    "a slip of the pen": '{"duration_second": 60}',
    "nested deep": '{"quantity": ' + "[" * 500 + "]" * 500 + "}",
    "a text as long as a book": json.dumps({"text": "a" * 40_001}),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_it_keeps_an_event_whose_data_is_wrong(kind: str) -> None:
    """It is a CloudEvent all the same, so it can be found and mended (faults: C13)."""
    body = json.dumps({**CALL, "data": 0}).replace('"data": 0', f'"data": {BAD_DATA[kind]}')

    parsed = single(body)

    assert (parsed.event, parsed.code, parsed.event_id) == (None, "bad_data", "call-1")


def test_it_keeps_data_in_base64_aside() -> None:
    parsed = single({**CALL, "data": {}, "data_base64": "e30="})

    assert (parsed.event, parsed.code) == (None, "bad_data")


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\uD83D\\uD83D", "\\ud83dx", "\\ud83d\\n"])
def test_it_takes_a_text_that_was_cut_inside_an_emoji(half: str) -> None:
    """Whoever cuts a text at 160 does that: JSON can say it, and Unicode cannot."""
    body = json.dumps({**CALL, "data": {"text": "HALF"}}).replace("HALF", f"hello {half}")

    one, of_batch = single(body), batch(f"[{json.dumps(CALL)}, {body}]")[1]

    assert event_of(one) == event_of(of_batch)
    assert "\ufffd" in (event_of(one).data.text or "")


def test_it_leaves_whole_pairs_and_backslashes_alone() -> None:
    text = 'a \\ud83d b \U0001f600 c "\\" \n'
    body = json.dumps([{**CALL, "data": {"text": text}}, {**CALL, "data": {"text": "HALF"}}]).replace("HALF", "\\ud83d")

    assert event_of(batch(body)[0]).data.text == text


# ---------------------------------------------------------------- who it is, and what it says


def test_it_names_an_event_by_source_and_id_together() -> None:
    assert identity("/a", "b1") != identity("/ab", "1")
    assert identity("/a", "1") == identity("/a", "1")
    assert len(identity("/a", "1")) == 32


def digest(event: dict[str, Any], wallet_id: int = 1) -> str:
    return content_digest(event_of(single(event)), wallet_id=wallet_id)


def test_it_knows_the_same_content_however_it_is_written() -> None:
    other_order = dict(reversed(CALL.items()))

    assert (
        digest(CALL) == digest(other_order) == digest({**CALL, "data": {"duration_seconds": 42.0}}) == digest({**CALL, "traceparent": "1"})
    )
    assert digest({**CALL, "time": "2026-11-01T12:00:00Z"}) == digest({**CALL, "time": "2026-11-01T13:00:00+01:00"})


@pytest.mark.parametrize(
    "change",
    [
        {"type": "call_in"},
        {"time": "2026-11-01T12:00:00Z"},
        {"data": {"duration_seconds": 43}},
        {"data": {"duration_seconds": 42, "agent": "A"}},
    ],
)
def test_it_knows_other_content(change: dict[str, Any]) -> None:
    assert digest(CALL) != digest({**CALL, **change})
    assert digest(CALL) != digest(CALL, wallet_id=2)


def test_it_reads_its_own_events_as_it_reads_others() -> None:
    event = CloudEvent(id="1", source="/s", type="call_out", specversion="1.0", data=UseData(duration_seconds=42))

    made = made_here(event)

    assert event_of(made) == event_of(single(made.body))
    assert content_digest(event_of(made), wallet_id=1) == content_digest(event_of(single(made.body)), wallet_id=1)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (json.dumps({**CALL, "type": 7}).encode(), {"id": "call-1", "source": "/calls", "subject": "ws_1"}),
        (json.dumps({"id": "a\0b\x07", "source": "s" * 300}).encode(), {"id": "ab", "source": "s" * 200}),
        (b'{"id": "\\ud800"}', {}),
        (b'{"id": "\xff"}', {}),
        (b"[]", {}),
        (b"{", {}),
        (b"[" * 100_000, {}),
    ],
)
def test_it_finds_what_can_be_read_of_a_broken_event(body: bytes, found: dict[str, str]) -> None:
    """And only what a table can hold."""
    assert attributes_of(body) == found

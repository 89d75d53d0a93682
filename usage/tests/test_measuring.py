"""How much was used, with whom and when, read from an event's data. Without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usage.cloud_events import QUANTITY_MAX, CloudEvent, UseData
from usage.models import Meter
from usage.services.measuring import AHEAD_MAX, LATE_MAX, BadUse, Received, Use, measure, passes_free
from workspaces.models import Workspace

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNITS = {
    "call_out": "second",
    "call_in": "second",
    "message_out": "segment",
    "message_in": "segment",
    "ai_task": "task",
    "ai_tokens": "token",
    "voice_lab": "second",
    "fax_out": "page",
}
KINDS = {"ai_tokens": "ai_task", "voice_lab": "lab", "fax_out": "message_out"}


def meter(key: str) -> Meter:
    return Meter(key=key, name=key, unit=UNITS[key], kind=KINDS.get(key, key))


def measured(key: str, *, time: datetime | None = None, received: Received | None = None, **data: Any) -> Use:
    event = CloudEvent(id="1", source="/s", type=key, specversion="1.0", time=time, data=UseData(**data))
    workspace = Workspace(pk=1, public_id="ws_1", time_zone="UTC")
    return measure(0, event, workspace=workspace, meter=meter(key), received=received or Received(NOW))


def refused(key: str, **more: Any) -> str:
    with pytest.raises(BadUse) as refusal:
        measured(key, **more)
    assert str(refusal.value).endswith(".")
    return refusal.value.code


# ---------------------------------------------------------------- how much


@pytest.mark.parametrize(
    ("key", "data", "quantity"),
    [
        ("call_out", {"duration_seconds": 42}, 42),
        ("call_out", {"duration_seconds": 41.001}, 42),
        ("call_out", {"duration_seconds": 0.2}, 1),
        ("call_out", {"duration_seconds": 0}, 0),
        ("call_out", {"quantity": 42}, 42),
        ("call_in", {"answered": False}, 0),
        ("call_out", {"answered": False, "duration_seconds": 30}, 0),
        ("message_out", {"text": "a" * 160}, 1),
        ("message_out", {"text": "a" * 161}, 2),
        ("message_out", {"text": "a" * 40_000}, 262),
        ("message_out", {"quantity": 3}, 3),
        ("message_out", {}, 1),
        ("ai_task", {}, 1),
        ("ai_task", {"quantity": 0}, 0),
        ("ai_tokens", {"quantity": QUANTITY_MAX}, QUANTITY_MAX),
        ("voice_lab", {"duration_seconds": 9}, 9),
    ],
)
def test_it_counts(key: str, data: dict[str, Any], quantity: int) -> None:
    assert measured(key, **data).quantity == quantity


@pytest.mark.parametrize(
    ("key", "data", "code"),
    [
        ("call_out", {}, "no_quantity"),
        ("ai_tokens", {}, "no_quantity"),
        ("call_out", {"duration_seconds": -1}, "bad_quantity"),
        ("call_out", {"duration_seconds": 1e30}, "bad_quantity"),
        ("call_out", {"duration_seconds": float("inf")}, "bad_quantity"),
        ("call_out", {"duration_seconds": float("nan")}, "bad_quantity"),
        ("call_out", {"quantity": -1}, "bad_quantity"),
        ("ai_tokens", {"quantity": QUANTITY_MAX + 1}, "bad_quantity"),
        ("ai_tokens", {"quantity": 10**30}, "bad_quantity"),
        # Said twice, nobody can tell which is meant.
        ("call_out", {"duration_seconds": 60, "quantity": 1}, "bad_quantity"),
        ("message_out", {"text": "hello", "quantity": 1}, "bad_quantity"),
        # In another unit than the meter's: two hundred letters are not two seconds, nor an unanswered task a free one.
        ("call_out", {"text": "a" * 200}, "bad_quantity"),
        ("message_out", {"duration_seconds": 60}, "bad_quantity"),
        ("ai_tokens", {"duration_seconds": 60}, "bad_quantity"),
        ("ai_task", {"answered": False}, "bad_quantity"),
        ("message_out", {"answered": False}, "bad_quantity"),
        ("fax_out", {"text": "a" * 200}, "bad_quantity"),
    ],
)
def test_it_does_not_guess_how_much(key: str, data: dict[str, Any], code: str) -> None:
    """C13."""
    assert refused(key, **data) == code


# ---------------------------------------------------------------- with whom


@pytest.mark.parametrize("number", ["+14155550142", "+1 (415) 555-0142", "+1.415.555.0142", " +14155550142 "])
def test_it_takes_a_number_as_people_write_it(number: str) -> None:
    assert measured("call_out", quantity=1, to=number).destination == "+14155550142"


def test_it_takes_a_short_number_as_it_is_dialled() -> None:
    assert measured("message_out", to="72727").destination == "72727"


@pytest.mark.parametrize(
    "number", ["14155550142", "4155550142", "020 7946 0000", "+1", "+", "---", "Alice", "+1415555a142", "+١٤١٥٥٥٥٠١٤٢", "+" + "1" * 21]
)
def test_it_does_not_guess_a_country(number: str) -> None:
    """Without its plus a long number has no country, and would get the price of nowhere."""
    assert refused("call_out", quantity=1, to=number) == "bad_number"


@pytest.mark.parametrize("caller", ["anonymous", "", "14155550142", "ACME", "sip:desk@example.com"])
def test_it_takes_whoever_calls_in(caller: str) -> None:
    use = measured("call_in", quantity=1, from_=caller, to="+12125550100")

    assert (use.destination, use.own_number) == (caller, "+12125550100")


def test_it_takes_the_sender_name_of_a_text() -> None:
    use = measured("message_out", to="+14155550142", from_="ACME Bank")

    assert (use.destination, use.own_number) == ("+14155550142", "ACME Bank")


@pytest.mark.parametrize("name", ["a" * 33, "a\0b", "a\nb"])
def test_it_refuses_a_name_that_no_table_holds(name: str) -> None:
    assert refused("message_out", from_=name) == "bad_number"
    assert refused("call_in", quantity=1, from_=name) == "bad_number"


@pytest.mark.parametrize("data", [{"agent": "a" * 101}, {"agent": "a\0"}, {"description": "d" * 201}, {"description": "\x1b[31m"}])
def test_it_refuses_words_that_no_page_shows(data: dict[str, str]) -> None:
    assert refused("ai_task", **data) == "bad_data"


def test_it_knows_an_agent_with_blanks_around_it() -> None:
    """Its budget is found by its name."""
    assert measured("ai_task", agent=" Sales agent ").agent == "Sales agent"


def test_it_reads_the_id_of_a_hold_in_any_spelling() -> None:
    hold = "5b0c2f9d-41d7-4a3e-86a1-f20c41d741d7"

    assert (
        measured("ai_task", hold=hold).hold_id == measured("ai_task", hold=hold.upper().replace("-", "")).hold_id == hold.replace("-", "")
    )
    assert measured("ai_task").hold_id is None
    assert refused("ai_task", hold="call-7") == "bad_hold"


@pytest.mark.parametrize(
    ("key", "number", "free"),
    [
        ("voice_lab", "", True),
        ("call_out", "911", True),
        ("call_out", "112", True),
        ("message_out", "112", True),
        ("call_in", "911", True),
        ("call_out", "+14155550142", False),
        # What an agent thinks is not an emergency call, whatever number it names.
        ("ai_task", "911", False),
        ("ai_tokens", "112", False),
    ],
)
def test_it_passes_free(key: str, number: str, free: bool) -> None:
    assert passes_free(meter(key), number) is free


# ---------------------------------------------------------------- when


def test_it_happened_when_it_came_where_nothing_else_is_said() -> None:
    assert measured("ai_task").happened_at == NOW


@pytest.mark.parametrize("time", [NOW, NOW - LATE_MAX, NOW + AHEAD_MAX])
def test_it_takes_the_time_that_is_said(time: datetime) -> None:
    assert measured("ai_task", time=time).happened_at == time


def test_it_keeps_aside_what_is_out_of_the_window() -> None:
    """C8."""
    instant = timedelta(microseconds=1)

    assert refused("ai_task", time=NOW - LATE_MAX - instant) == "too_late"
    assert refused("ai_task", time=NOW + AHEAD_MAX + instant) == "in_the_future"
    assert refused("ai_task", time=datetime(1, 1, 1, tzinfo=UTC)) == "bad_time"
    assert refused("ai_task", time=datetime(9999, 12, 31, tzinfo=UTC)) == "in_the_future"


def test_it_charges_what_a_person_has_looked_at_however_old() -> None:
    long_ago = NOW - timedelta(days=400)

    assert measured("ai_task", time=long_ago, received=Received(NOW, reviewed=True)).happened_at == long_ago


def test_it_is_over_when_its_seconds_are() -> None:
    assert measured("call_out", quantity=90).ended_at == NOW + timedelta(seconds=90)
    assert measured("ai_tokens", quantity=90).ended_at == NOW

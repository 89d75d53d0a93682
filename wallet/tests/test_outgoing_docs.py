"""docs/webhooks.md says what the code does: its lists and figures are compared with it, and its example is a real message."""

import json
import re
from pathlib import Path

import pytest

from wallet.models import AutomaticPayments, EventType, OutgoingEvent
from wallet.outgoing_post import ANSWER_SECONDS_MAX, BODY_BYTES_MAX
from wallet.services import deliveries
from wallet.services.deliveries import RETRY_AFTER_SECONDS, message_of
from wallet.services.webhook_endpoints import ENDPOINTS_MAX, OLD_SECRET_SIGNS_FOR
from wallet.tests.builders import make_wallet
from wallet.tests.hooks import endpoint_of, tell

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs" / "webhooks.md").read_text()
UNITS = {"s": 1, "min": 60, "h": 3600}


def section(heading: str) -> str:
    return TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_it_lists_every_type() -> None:
    assert re.findall(r"^\| `([a-z_.]+)` \|", section("Types"), re.MULTILINE) == EventType.values
    assert all(reason in section("Types") for reason in AutomaticPayments.Suspension.values)


def test_it_tells_when_a_message_is_tried_again() -> None:
    told = re.search(r"tried again after (.+?), each", section("When it fails"))
    assert told

    waits = [int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (s|min|h)", told[1])]

    assert waits == list(RETRY_AFTER_SECONDS)


@pytest.mark.parametrize(
    ("said", "heading"),
    [
        (f"at most {ENDPOINTS_MAX}.", "Who hears what"),
        (f"{deliveries.FAILURES_MIN} failures over three days", "When it fails"),
        (f"the last {deliveries.FORGOTTEN_AFTER.days} days", "When it fails"),
        (f"for {OLD_SECRET_SIGNS_FOR.total_seconds() / 3600:.0f} hours", "Who hears what"),
        (f"at most {BODY_BYTES_MAX // 1024} kB", "Where messages go"),
        (f"claimed again after {deliveries.CLAIMED_FOR.total_seconds():.0f} seconds", "How it is built"),
    ],
)
def test_it_tells_the_limits_as_they_are(said: str, heading: str) -> None:
    assert said in re.sub(r"\s+", " ", section(heading))
    assert (deliveries.FAILING_FOR_MAX.days, ANSWER_SECONDS_MAX) == (3, 5)


@pytest.mark.django_db
def test_it_shows_a_message_as_it_is_sent() -> None:
    wallet = make_wallet()
    endpoint_of(None, "https://hooks.example.com/")
    tell(wallet, event=EventType.LOW_BALANCE, low_balance_micros=5_000_000, grace_until=None)
    sent = json.loads(message_of(OutgoingEvent.objects.get()))
    example = json.loads(section("A message").split("```json\n")[1].split("```")[0])

    assert (sent.keys(), sent["data"].keys()) == (example.keys(), example["data"].keys())
    assert [type(value) for value in (example["data"]["balance_micros"], example["data"]["available_micros"])] == [int, int]

"""docs/stripe.md and docs/security.md say what the code does: their lists are compared with it, and the tests they name exist."""

import re
from pathlib import Path

import pytest

from wallet.models import TopUp
from wallet.services import inbox
from wallet.stripe_gateway import API_VERSION

ROOT = Path(__file__).resolve().parent.parent.parent
STRIPE = (ROOT / "docs" / "stripe.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    rank = heading.split()[0]
    after = text.split(f"{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(rank)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(table: str) -> list[str]:
    """The code in the first cell of every row."""
    return re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)


def test_it_lists_the_events_that_are_handled() -> None:
    assert first_cells(section(STRIPE, "## Webhooks")) == list(inbox._PREPARE)


def test_it_subscribes_to_the_events_that_are_handled() -> None:
    assert re.findall(r"enabled_events\[\]=([a-z_.]+)", STRIPE) == list(inbox._PREPARE)
    assert f"api_version={API_VERSION}" in STRIPE


def test_it_lists_the_states_of_a_top_up() -> None:
    states = section(STRIPE, "### States of a top-up")

    assert sorted(first_cells(states)) == sorted(TopUp.Status.values)
    diagram = states.split("From every state")[0]
    assert all(status in diagram for status in TopUp.Status.values)


def test_it_lists_every_alert() -> None:
    sources = [path.read_text() for path in (ROOT / "wallet").rglob("*.py") if "tests" not in path.parts]
    raised = {code for source in sources for code in re.findall(r'\balert\(\s*"([a-z_]+)"', source)}

    assert sorted(first_cells(section(STRIPE, "## What the operator is told"))) == sorted(raised)


def test_it_answers_every_row_of_the_matrix() -> None:
    rows = re.findall(r"^\| ([AB]\d+) ", section(STRIPE, "## What may go wrong"), flags=re.MULTILINE)

    assert rows == [
        *(f"A{number}" for number in range(1, 21)),
        *(f"B{number}" for number in (*range(2, 8), *range(10, 18), *range(22, 27))),
    ]


@pytest.mark.parametrize("text", [STRIPE, SECURITY], ids=["stripe.md", "security.md"])
def test_it_names_tests_that_exist(text: str) -> None:
    there = {
        name for path in ROOT.rglob("test_*.py") if ".venv" not in path.parts for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", text))

    assert named
    assert named <= there, named - there

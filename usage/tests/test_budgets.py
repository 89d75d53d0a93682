"""Budgets: caps for one agent, number or API key in a month, set over the API and kept by the gate, holds included."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError, transaction

from usage.models import Budget, BudgetMonth
from usage.services.budgets import remove_budget, set_budget
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, Metering, make_metering, seconds_ago
from wallet.models import Hold
from wallet.tests.books import assert_books_balance
from workspaces.models import Scope
from workspaces.tests.api_caller import Answer, caller

pytestmark = pytest.mark.django_db

AGENT, NUMBER = "Sales agent", "+12125550100"


@pytest.fixture(autouse=True)
def _rich(metering: Metering) -> None:
    metering.leave(1000 * DOLLAR)


def put(metering: Metering, body: dict[str, Any]) -> Answer:
    return metering.platform.send("PUT", f"/wallets/{metering.subject}/budgets", body=json.dumps(body))


def cap(metering: Metering, micros: int | None, *, scope: str = "agent", value: str = AGENT) -> Answer:
    answer = put(metering, {"scope": scope, "value": value, "monthly_cap_micros": micros})
    assert answer.status == 200, answer.raw
    return answer


def reason(answer: Answer) -> str:
    assert answer.status == 402, answer.raw
    return str(answer.body["reason"])


def spent(metering: Metering) -> int:
    (budget,) = metering.platform.get(f"/wallets/{metering.subject}/budgets").body["data"]
    return int(budget["spent_micros"])


# ---------------------------------------------------------------- kept


@pytest.mark.parametrize(
    ("scope", "value", "use"),
    [("agent", AGENT, {"agent": AGENT}), ("number", NUMBER, {"number": "+1 212 555 0100"}), ("api_key", "", {})],
)
def test_it_holds_no_more_than_the_budget_has(metering: Metering, scope: str, value: str, use: dict[str, Any]) -> None:
    assert metering.platform.api_key is not None
    cap(metering, 2 * MINUTE_MICROS, scope=scope, value=value or metering.platform.api_key.prefix)

    answers = [metering.hold(**use) for _ in range(3)]

    assert [answer.status for answer in answers] == [201, 201, 402]
    assert reason(answers[2]) == "budget_reached"
    assert metering.look(**use).body["reason"] == "budget_reached"
    assert metering.held == 2 * MINUTE_MICROS


def test_it_leaves_alone_what_runs_on_something_else(metering: Metering) -> None:
    cap(metering, 0)
    charlie = make_metering(name="Charlie's Garage", dollars=100)

    assert metering.hold(agent="Support agent").status == 201
    assert metering.hold().status == 201
    assert charlie.hold(agent=AGENT).status == 201
    assert reason(metering.hold(agent=AGENT)) == "budget_reached"


def test_it_lets_a_call_last_as_long_as_the_budget(metering: Metering) -> None:
    cap(metering, 5 * MINUTE_MICROS + CENT)

    answer = metering.hold(agent=AGENT, expected_quantity=None)

    assert (answer.body["max_seconds"], answer.body["held_quantity"]) == (300, 300)
    assert metering.look(agent=AGENT).body["allowed"] is False


def test_it_does_a_task_within_the_budget_whole_or_not_at_all(metering: Metering) -> None:
    cap(metering, 1500)

    assert reason(metering.hold(meter="ai_tokens", expected_quantity=101, agent=AGENT)) == "budget_reached"
    assert metering.hold(meter="ai_tokens", expected_quantity=100, agent=AGENT).status == 201


def test_it_goes_by_the_tightest_of_several(metering: Metering) -> None:
    cap(metering, 10 * MINUTE_MICROS)
    cap(metering, 3 * MINUTE_MICROS, scope="number", value=NUMBER)

    assert metering.hold(agent=AGENT, number=NUMBER, expected_quantity=None).body["max_seconds"] == 180
    assert metering.look(agent=AGENT).body["max_seconds"] == 420


def test_it_extends_within_the_budget(metering: Metering) -> None:
    cap(metering, 3 * MINUTE_MICROS)
    hold = metering.hold(agent=AGENT).body["hold"]

    assert metering.act("extend", hold, by_quantity=600).body["held_quantity"] == 180
    assert reason(metering.act("extend", hold, by_quantity=60)) == "budget_reached"


def test_it_charges_what_happened_though_the_budget_is_full(metering: Metering) -> None:
    cap(metering, CENT)

    assert metering.report(metering.event(data={"agent": AGENT})).status == 204

    assert spent(metering) == MINUTE_MICROS
    assert reason(metering.hold(agent=AGENT)) == "budget_reached"


def test_it_turns_a_hold_into_what_was_spent(metering: Metering) -> None:
    cap(metering, 3 * MINUTE_MICROS)
    hold = metering.hold(agent=AGENT, expected_quantity=180).body["hold"]
    metering.act("capture", hold, quantity=60)

    assert spent(metering) == MINUTE_MICROS
    assert metering.look(agent=AGENT).body["max_seconds"] == 120
    assert_books_balance()


def test_it_still_passes_what_is_free(metering: Metering) -> None:
    cap(metering, 0)

    assert metering.hold(meter="voice_lab", agent=AGENT).status == 201
    assert metering.hold(destination="911", agent=AGENT).status == 201


# ---------------------------------------------------------------- months


def test_it_begins_anew_with_the_workspaces_month(metering: Metering) -> None:
    """At four in the morning of the 1st in London it is still October in New York."""
    new_york = make_metering(name="Northside", time_zone="America/New_York", dollars=100)
    october, november = datetime(2026, 11, 1, 3, 59, tzinfo=UTC), datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    with patch("django.utils.timezone.now", return_value=october):
        set_budget(new_york.wallet, scope=Budget.Scope.AGENT, value=AGENT, monthly_cap_micros=2 * MINUTE_MICROS)
        new_york.report(*(new_york.event(data={"agent": AGENT}) for _ in range(2)))

    months = dict(BudgetMonth.objects.values_list("month", "spent_micros"))
    assert months == {date(2026, 10, 1): 2 * MINUTE_MICROS}
    for moment, is_open in ((october, False), (november, True)):
        with patch("usage.services.gate.database_time", return_value=moment):
            assert new_york.look(agent=AGENT).body["allowed"] is is_open


def test_it_counts_a_late_use_in_the_month_of_its_booking(metering: Metering) -> None:
    cap(metering, DOLLAR)

    metering.report(metering.event(data={"agent": AGENT}, time=seconds_ago(timedelta(days=40).total_seconds())))

    assert spent(metering) == MINUTE_MICROS


# ---------------------------------------------------------------- set and lifted


@pytest.mark.parametrize(("scope", "value"), [("agent", AGENT), ("number", NUMBER), ("api_key", "")])
def test_it_counts_what_this_month_has_spent_already(metering: Metering, scope: str, value: str) -> None:
    assert metering.platform.api_key is not None
    metering.report(*(metering.event(data={"agent": AGENT, "from": NUMBER}) for _ in range(3)), metering.event(type="voice_lab"))

    cap(metering, DOLLAR, scope=scope, value=value or metering.platform.api_key.prefix)

    assert spent(metering) == 3 * MINUTE_MICROS
    assert_books_balance()


def test_it_changes_a_cap_and_keeps_what_was_spent(metering: Metering) -> None:
    cap(metering, MINUTE_MICROS)
    metering.report(metering.event(data={"agent": AGENT}))

    answer = cap(metering, 2 * MINUTE_MICROS)

    assert answer.body["data"] == [
        {"scope": "agent", "value": AGENT, "monthly_cap_micros": 2 * MINUTE_MICROS, "spent_micros": MINUTE_MICROS}
    ]
    assert metering.hold(agent=AGENT).status == 201


def test_it_lifts_a_cap(metering: Metering) -> None:
    cap(metering, 0)
    assert reason(metering.hold(agent=AGENT)) == "budget_reached"

    assert cap(metering, None).body["data"] == []
    assert metering.hold(agent=AGENT).status == 201
    assert remove_budget(metering.wallet, scope=Budget.Scope.AGENT, value=AGENT) is False


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "colour"},
        {"value": ""},
        {"value": "a\nb"},
        {"monthly_cap_micros": -1},
        {"monthly_cap_micros": 0.5},
        {"monthly_cap_micros": 2**63},
        {"spent": 1},
    ],
)
def test_it_takes_no_budget_that_makes_no_sense(metering: Metering, change: dict[str, Any]) -> None:
    assert put(metering, {"scope": "agent", "value": AGENT, "monthly_cap_micros": 1} | change).status == 422
    assert Budget.objects.count() == 0


def test_it_lets_no_key_raise_its_own_budget_that_may_only_hold(metering: Metering) -> None:
    key = caller(metering.wallet.workspace, Scope.HOLDS_WRITE, Scope.EVENTS_WRITE)

    assert key.send("PUT", f"/wallets/{metering.subject}/budgets", body="{}").code == "scope_missing"


def test_it_shows_nobody_anothers_budgets(metering: Metering) -> None:
    charlie = make_metering(name="Charlie's Garage")
    key = caller(charlie.wallet.workspace)

    assert key.get(f"/wallets/{metering.subject}/budgets").code == "not_found"


def test_it_has_one_cap_for_one_thing(metering: Metering) -> None:
    cap(metering, 1)

    with pytest.raises(IntegrityError), transaction.atomic():
        Budget.objects.create(wallet=metering.wallet, scope="agent", value=AGENT, monthly_cap_micros=2)
    assert Hold.objects.count() == 0

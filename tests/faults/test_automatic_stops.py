"""What stops automatic payments for a while: the switch, a breaker, a restored database, a charge that waits for a person."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import CHARGE
from tests.payments import Alerts, MoneyIn
from wallet.models import ChargingSwitch, TopUp
from wallet.services.charging_switch import charging_switch, pause_charging, resume_charging
from workspaces.models import AuditEntry


# ---------------------------------------------------------------- the switch
def test_it_charges_nothing_while_charging_is_paused(active: MoneyIn) -> None:
    active.use(25)
    pause_charging(reason="A drill.")
    active.work()
    active.pass_time(minutes=5)
    active.sweep()
    assert (active.outcomes(), active.charges()) == ([("created", 25)], 0)

    resume_charging()
    active.pass_time(minutes=2)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25)]


def test_it_breaks_off_when_there_are_too_many_charges(active: MoneyIn, settings: Any, alerts: Alerts) -> None:
    settings.AUTOMATIC_CHARGES_PER_HOUR_MAX = 1
    active.use(25)
    active.work()
    active.use(25)
    active.work()

    assert [status for status, _ in active.outcomes()] == ["succeeded", "created"]
    assert "charging_paused" in alerts()
    assert charging_switch().reason


def test_it_learns_from_stripe_before_it_charges_in_a_restored_database(active: MoneyIn, alerts: Alerts) -> None:
    """B25."""
    charging_switch()
    ChargingSwitch.objects.update(database="another/1")
    active.use(25)
    active.work()

    assert "charging_paused" in alerts()
    waited = timedelta(minutes=4)
    ChargingSwitch.objects.update(paused_at=F("paused_at") - waited, changed_at=F("changed_at") - waited)
    active.sweep()
    assert charging_switch().paused_at is None, "everything was looked up, so it goes on"
    active.pass_time(minutes=2)
    active.sweep()
    assert active.outcomes() == [("succeeded", 25)]


# ---------------------------------------------------------------- what waits for a person
def in_review(active: MoneyIn, sandbox: RunningSandbox) -> TopUp:
    """Sent, without an answer for a day: the key is forgotten, so it is looked up only, and nothing is there."""
    sandbox.fault("drop_before", match=CHARGE, count=None)
    active.use(25)
    active.work()
    active.pass_time(hours=25)
    active.sweep()
    (top_up,) = active.automatic()
    assert top_up.status == "manual_review"
    sandbox.clear_faults()
    return top_up


def test_it_charges_nothing_while_a_charge_waits_for_a_person(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """B22: and goes on an hour after the person has said that nothing was charged."""
    top_up = in_review(active, sandbox)
    active.use(1)
    active.sweep()
    assert len(active.automatic()) == 1

    call_command("close_review", str(top_up.pk), "--reason", "Not at Stripe.", stdout=io.StringIO())
    active.pass_time(minutes=61)
    active.sweep()

    assert active.outcomes() == [("failed", 25), ("succeeded", 25)]
    assert AuditEntry.objects.get(action="top_up.review_closed").reason == "Not at Stripe."


def test_it_credits_what_stripe_has_whatever_the_person_says(active: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.fault("reset_after", match=CHARGE)
    active.use(25)
    active.work()
    TopUp.objects.update(status="manual_review", next_check_at=None)

    call_command("close_review", str(active.automatic()[0].pk), "--reason", "I saw nothing.", stdout=io.StringIO())

    assert active.outcomes() == [("succeeded", 25)]


@pytest.mark.parametrize("arguments", [("x", "--reason", "y"), ("b0a9a1a0-0000-4000-8000-000000000000", "--reason", "y")])
def test_it_knows_no_other_top_up(money_in: MoneyIn, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="There is no top-up"):
        call_command("close_review", *arguments)


def test_it_closes_only_what_waits_and_only_with_a_reason(active: MoneyIn) -> None:
    active.use(25)
    active.work()
    (top_up,) = active.automatic()

    with pytest.raises(CommandError, match="only one in manual review"):
        call_command("close_review", str(top_up.pk), "--reason", "y")
    with pytest.raises(CommandError, match="--reason"):
        call_command("close_review", str(top_up.pk))

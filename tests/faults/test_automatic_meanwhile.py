"""What changes between an automatic payment's decision and its charge: the owner, the wallet, the other worker, Stripe's late answer."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import CHARGE, dispute, freeze, lose_before_stripe
from tests.payments import DOLLAR, MoneyIn
from wallet.models import AutomaticPayments, TopUp
from wallet.services import automatic_sending, top_ups
from wallet.services.automatic_charges import reconsider_charge
from wallet.services.automatic_payments import switch_off
from wallet.services.cards import set_backup_card
from wallet.services.charging_switch import claim_charge
from wallet.services.wallets import close_wallet
from wallet.stripe_objects import Payment
from wallet.tasks import charge_top_up as charge_top_up_task

BLOCKED_SECONDS = 0.5
"""Long enough for a thread to be done, if no lock keeps it waiting."""


# ---------------------------------------------------------------- the owner
def test_it_charges_nothing_once_switching_off_has_returned(active: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """B21: the owner comes between the look at the rule and the claim; either they wait, or nothing is sent."""
    active.use(25)
    seen: dict[str, bool] = {}

    def switch_off_meanwhile() -> None:
        switch_off(active.wallet)
        connection.close()

    owner = threading.Thread(target=switch_off_meanwhile)

    def claim_late(*arguments: Any, **options: Any) -> bool:
        owner.start()
        owner.join(BLOCKED_SECONDS)
        seen["is_off"] = not owner.is_alive()
        return claim_charge(*arguments, **options)

    monkeypatch.setattr(automatic_sending, "claim_charge", claim_late)
    active.work()
    owner.join(20)

    assert seen == {"is_off": False}, "the owner was told that nothing more is charged, and then the card was"
    assert active.outcomes() == [("succeeded", 25)]
    assert not active.rule.is_active


def test_it_sends_nothing_again_that_never_reached_stripe_once_it_is_switched_off(active: MoneyIn) -> None:
    """B21: the request was lost on its way, hours pass, and the owner wants nothing charged any more."""
    lose_before_stripe(active)
    switch_off(active.wallet)

    active.pass_time(minutes=5)
    active.sweep()

    assert (active.outcomes(), active.charges()) == ([("canceled", 25)], 0)


def test_it_keeps_the_amount_of_a_charge_under_way(active: MoneyIn) -> None:
    """B20: the same key with another amount is an error at Stripe."""
    lose_before_stripe(active)
    active.switch_on(active.default_card, amount=50)

    active.pass_time(seconds=61)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25)]


@pytest.mark.parametrize("terms", [{"amount": 20, "monthly_cap": 20}, {"daily": 1}])
def test_it_replaces_no_charge_on_the_backup_past_a_cap_that_was_lowered_meanwhile(
    active: MoneyIn, sandbox: RunningSandbox, terms: dict[str, int]
) -> None:
    """Law 6, B20: the declined one was decided on under the old terms, its replacement is charged under the new."""
    set_backup_card(active.connect_card("pm_card_mastercard"))
    active.use(21)
    active.work()
    active.use(40)
    (top_up,) = active.automatic()[1:]
    sandbox.set_card_behaviour(active.default_card.payment_method_id, "insufficient_funds")
    sandbox.fault("reset_after", match=CHARGE)
    active.work()
    active.switch_on(active.default_card, **terms)

    active.pass_time(seconds=61)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25), ("failed", top_up.amount_micros / DOLLAR)]
    assert active.rule.failures == 1


# ---------------------------------------------------------------- the wallet
def test_it_looks_again_when_the_money_that_made_a_charge_needless_does_not_come(active: MoneyIn) -> None:
    """A manual top-up was on its way, so the charge was dropped; it is declined, and no use comes any more."""
    bad = active.connect_card("pm_card_mastercard", behaviour="insufficient_funds")
    active.use(25)
    manual = active.ask_for_top_up(bad, dollars=40)
    active.work()
    assert active.outcomes() == [("canceled", 25)]
    charge_top_up_task(str(manual.pk))

    active.pass_time(minutes=2)
    active.sweep()

    assert active.outcomes() == [("canceled", 25), ("succeeded", 25)]


@pytest.mark.parametrize("happens", [freeze, dispute, close_wallet])
def test_it_charges_nothing_where_charging_was_stopped_before_it_was_sent(active: MoneyIn, happens: Any) -> None:
    """A19, D13: decided, and then the wallet was frozen or closed, or a payer's bank asked for its money back."""
    active.use(25)

    happens(active.wallet)
    active.work()

    assert (active.outcomes(), active.charges()) == ([("canceled", 25)], 0)
    active.pass_time(minutes=2)
    active.sweep()
    assert active.charges() == 0


def test_it_ends_a_charge_that_the_bank_wants_confirmed_in_a_wallet_that_was_closed(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """B10: nobody can be asked to pay into a closed wallet, and still the charge must come to an end."""
    sandbox.set_card_behaviour(active.default_card.payment_method_id, "needs_authentication")
    lose_before_stripe(active)
    TopUp.objects.update(status="sending")
    sandbox.fault("reset_after", match=CHARGE)
    active.pass_time(seconds=61)
    active.sweep()
    close_wallet(active.wallet)

    active.pass_time(seconds=61)
    active.sweep()

    assert active.outcomes() == [("failed", 25)]
    assert active.rule.confirmation_link is None


# ---------------------------------------------------------------- the other worker
def test_it_drops_no_charge_that_another_worker_has_just_sent(active: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """B24: two come to it as its hour ends; one still sends it, the other must not take it for forgotten."""
    active.use(25)
    (top_up,) = active.automatic()

    def another_claims_it(seen: TopUp) -> bool:
        TopUp.objects.filter(pk=seen.pk, status="created").update(status="sending", sent_at=Now())
        return True

    monkeypatch.setattr(automatic_sending, "was_forgotten", another_claims_it)
    charge_top_up_task(str(top_up.pk))

    assert active.outcomes() == [("sending", 25)]


# ---------------------------------------------------------------- Stripe
def test_it_looks_once_more_before_it_believes_a_repeated_failure(
    active: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B5: Stripe was still at it when it was asked, charged, and saved a 500; the repeat alone proves nothing."""
    sandbox.fault("error_after", match=CHARGE)
    active.use(25)
    active.work()
    active.pass_time(minutes=2)
    look, looks = top_ups._payment_at_stripe, []

    def see_nothing_the_first_time(top_up: TopUp) -> Payment | None:
        looks.append(top_up.pk)
        return look(top_up) if len(looks) > 1 else None

    monkeypatch.setattr(top_ups, "_payment_at_stripe", see_nothing_the_first_time)
    active.sweep()

    assert (active.outcomes(), active.charges()) == ([("succeeded", 25)], 1)


# ---------------------------------------------------------------- the clock
def test_it_counts_a_charge_on_the_day_on_which_it_was_decided(active: MoneyIn) -> None:
    """Law 6: a host whose clock is ahead of the database's is past midnight already, and so is what it decides."""
    active.use(25)
    TopUp.objects.update(status="failed", resolved_at=timezone.now())
    AutomaticPayments.objects.update(next_try_at=timezone.now())
    ahead = timezone.now() + timedelta(hours=26)

    top_up = reconsider_charge(active.wallet.pk, now=ahead)

    assert top_up is not None
    assert TopUp.objects.filter(pk=top_up.pk, created_at=ahead).exists()
    TopUp.objects.update(created_at=F("created_at") - timedelta(hours=26))

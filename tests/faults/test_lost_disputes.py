"""After a lost dispute no card is charged until the owner says so: who or what else might seem to have said it."""

from dataclasses import replace

import pytest

from tests.payments import MoneyIn
from wallet import stripe_gateway
from wallet.models import AutomaticPayments, TopUp
from wallet.services.automatic_suspension import suspend
from wallet.services.cards import refresh_card, set_default_card
from wallet.services.checkout import open_checkout
from wallet.services.disputes import apply_dispute

Suspension = AutomaticPayments.Suspension


@pytest.fixture
def active(active: MoneyIn) -> MoneyIn:
    """The card was charged once."""
    active.use(25)
    active.work()
    return active


def lose_dispute(active: MoneyIn) -> str:
    """The holder of the card has had the automatic payment taken back."""
    dispute = active.sandbox.open_dispute(str(TopUp.objects.earliest("created_at").payment_intent_id))
    active.deliver()
    active.sandbox.lose_dispute(dispute["id"])
    active.deliver()
    return str(dispute["id"])


def renew_default_card(active: MoneyIn) -> None:
    """Its bank has sent the holder a new one, and the card network says so."""
    details = stripe_gateway.retrieve_card(active.default_card.payment_method_id)
    assert details is not None
    refresh_card(replace(details, expiry_year=2041))


def pay_link(active: MoneyIn, *, saves_card: bool) -> None:
    """Whoever has the link pays it, and may let the card be kept."""
    active.sandbox.pay_checkout(open_checkout(active.ask_for_link(), saves_card=saves_card))
    active.deliver()


# ---------------------------------------------------------------- who has not the owner's say
def test_it_takes_a_renewed_card_for_nobodys_word(active: MoneyIn) -> None:
    """A19: the very card whose holder had the money taken back."""
    lose_dispute(active)
    renew_default_card(active)
    active.use(29)
    active.sweep()

    assert (active.rule.suspension, len(active.automatic())) == (Suspension.DISPUTED, 1)


def test_it_takes_a_payer_who_lets_a_card_be_kept_for_no_owner(active: MoneyIn) -> None:
    lose_dispute(active)
    pay_link(active, saves_card=True)
    active.use(29)
    active.sweep()

    assert (active.rule.suspension, len(active.automatic())) == (Suspension.DISPUTED, 1)


def test_it_lets_the_owner_choose_another_card(active: MoneyIn) -> None:
    lose_dispute(active)
    set_default_card(active.connect_card("pm_card_mastercard"))
    active.use(29)
    active.sweep()

    assert (active.rule.suspension, len(active.automatic())) == ("", 2)


# ---------------------------------------------------------------- when it is lost
def test_it_stops_for_good_a_rule_that_was_suspended_before(active: MoneyIn) -> None:
    """A suspension that a payment lifts must not hide that one began which it does not."""
    suspend(active.wallet, active.rule, Suspension.DECLINED)
    lose_dispute(active)
    pay_link(active, saves_card=False)
    active.use(29)
    active.sweep()

    assert (active.rule.suspension, len(active.automatic())) == (Suspension.DISPUTED, 1)


def test_it_stops_once_where_a_bank_turns_a_dispute_that_was_over_into_a_lost_one(active: MoneyIn) -> None:
    """What the owner has said after it stays said, however often Stripe tells of it."""
    dispute = active.sandbox.open_dispute(str(TopUp.objects.get().payment_intent_id), inquiry=True)
    state = replace(stripe_gateway.retrieve_dispute(dispute["id"]), status="warning_closed")
    apply_dispute(state)
    assert active.rule.suspended_at is None

    apply_dispute(replace(state, status="lost"))
    assert active.rule.suspension == Suspension.DISPUTED

    set_default_card(active.default_card)
    apply_dispute(replace(state, status="lost"))
    assert active.rule.suspended_at is None

"""Declined charges: tried again or not as the bank says, by another card, by the owner, or never; and payments that it wants confirmed."""

import pytest
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import CHARGE, decline, told
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet.errors import CardInUse
from wallet.models import AutomaticPayments, Card, Notice, Wallet
from wallet.services.automatic_payments import try_again
from wallet.services.cards import remove_card, set_backup_card
from wallet.services.checkout import open_checkout
from wallet.tasks import charge_top_up as charge_top_up_task

Suspension = AutomaticPayments.Suspension


def test_it_tries_a_soft_decline_three_times_and_no_more(active: MoneyIn) -> None:
    """B8: now, an hour later, a day later, then the owner must act. Uses that come meanwhile set nothing off."""
    decline(active, "insufficient_funds")
    assert (active.rule.failures, active.rule.suspended_at) == (1, None)
    active.use(1)
    active.pass_time(minutes=59)
    active.sweep()
    assert len(active.automatic()) == 1

    active.pass_time(minutes=2)
    active.sweep()
    assert len(active.automatic()) == 2
    active.pass_time(hours=23)
    active.sweep()
    assert len(active.automatic()) == 2

    active.pass_time(hours=2)
    active.sweep()
    assert [status for status, _ in active.outcomes()] == ["failed"] * 3
    assert active.rule.suspension == Suspension.CARD_REFUSED
    for _ in range(5):
        active.use(1)
        active.pass_time(days=1)
        active.sweep()
    assert len(active.automatic()) == 3
    assert told(Notice.Kind.AUTOMATIC_FAILED) == 4, "each try, and the suspension"


@pytest.mark.parametrize("behaviour", ["lost_card", "expired_card", "do_not_try_again", "fraudulent", "transaction_not_allowed"])
def test_it_stops_at_once_at_a_hard_decline(active: MoneyIn, behaviour: str) -> None:
    """B9."""
    decline(active, behaviour)
    active.use(1)
    active.pass_time(days=2)
    active.sweep()

    assert [status for status, _ in active.outcomes()] == ["failed"]
    assert (active.rule.suspension, active.default_card.refused_at is None) == (Suspension.CARD_REFUSED, False)


def test_it_charges_the_backup_when_the_first_card_is_declined(active: MoneyIn) -> None:
    set_backup_card(active.connect_card("pm_card_mastercard"))

    decline(active, "insufficient_funds")

    first, second = active.automatic()
    assert (first.status, second.status, second.instead_of_id) == ("failed", "succeeded", first.pk)
    assert (active.rule.failures, active.balance, active.charges()) == (0, 30, 1)


def test_it_does_not_go_on_asking_a_card_that_is_always_declined(active: MoneyIn) -> None:
    """The networks count declines per card, whatever the backup does."""
    set_backup_card(active.connect_card("pm_card_mastercard"))
    for _ in range(5):
        decline(active, "insufficient_funds")
    cards = [top_up.card.brand for top_up in active.automatic() if top_up.card]

    assert cards == ["visa", "mastercard"] * 3 + ["mastercard"] * len(cards[6:])


def test_it_pauses_when_both_cards_are_declined(active: MoneyIn) -> None:
    backup = active.connect_card("pm_card_mastercard", behaviour="insufficient_funds")
    set_backup_card(backup)

    decline(active, "insufficient_funds")

    assert [status for status, _ in active.outcomes()] == ["failed", "failed"]
    assert active.rule.failures == 1, "one need, one failure"


def test_it_lets_another_card_lift_the_suspension(active: MoneyIn) -> None:
    decline(active, "lost_card")

    active.connect_card("pm_card_mastercard")
    active.sweep()

    assert [status for status, _ in active.outcomes()] == ["failed", "succeeded"]
    assert (active.rule.suspended_at, active.default_card.brand) == (None, "mastercard")


def test_it_lets_the_owner_try_again(active: MoneyIn) -> None:
    decline(active, "lost_card")
    active.sandbox.set_card_behaviour(active.default_card.payment_method_id, "succeeds")

    try_again(active.wallet)
    active.work()

    assert [status for status, _ in active.outcomes()] == ["failed", "succeeded"]
    assert (active.rule.suspended_at, active.rule.failures) == (None, 0)


def test_it_lets_a_paid_top_up_lift_the_suspension(active: MoneyIn) -> None:
    decline(active, "lost_card")
    active.sandbox.set_card_behaviour(active.default_card.payment_method_id, "succeeds")

    charge_top_up_task(str(active.ask_for_top_up(active.default_card, dollars=40).pk))

    assert (active.rule.suspended_at, active.default_card.refused_at) == (None, None)


def test_it_counts_what_stripe_calls_wrong_as_a_failure(active: MoneyIn, alerts: Alerts) -> None:
    """B7: it backs off, and the card is not blamed. Here the key is of another account, which knows no such customer."""
    Wallet.objects.update(stripe_customer_id="cus_of_another_account")
    active.use(25)
    active.work()

    assert (active.outcomes(), active.rule.failures, active.default_card.refused_at) == ([("failed", 25)], 1, None)
    assert "charge_rejected" in alerts()


def test_it_charges_no_other_card_in_place_of_a_removed_one(active: MoneyIn) -> None:
    """B11."""
    active.connect_card("pm_card_mastercard")
    active.use(25)
    with pytest.raises(CardInUse):
        remove_card(active.default_card)
    Card.objects.filter(is_default=True).update(removed_at=timezone.now(), is_default=False)
    active.work()

    assert (active.outcomes(), active.charges()) == ([("failed", 25)], 0)


# ---------------------------------------------------------------- the bank asks
def test_it_asks_the_owner_when_the_bank_does(active: MoneyIn) -> None:
    """B10: the payment is canceled, the owner has a link, nothing is tried without them, and calls go on meanwhile."""
    Wallet.objects.update(grace_minutes=0, overdraft_micros=50 * DOLLAR)
    decline(active, "needs_authentication")
    active.use(10)
    rule, wallet = active.rule, Wallet.objects.get()
    link = rule.confirmation_link
    assert link is not None
    assert [intent["status"] for intent in active.sandbox.state()["payment_intents"]] == ["canceled"]
    assert (rule.failures, rule.suspended_at, told(Notice.Kind.CONFIRM_PAYMENT)) == (0, None, 1)
    assert wallet.grace_until == link.expires_at

    active.sandbox.pay_checkout(open_checkout(link))
    active.deliver()

    assert [move for move in active.moves() if move[1] > 0] == [("adjustment", 30), ("top_up", 25)]
    rule, wallet = active.rule, Wallet.objects.get()
    assert (rule.confirmation_link, rule.next_try_at, wallet.grace_extended_until) == (None, None, None)
    assert len(active.automatic()) == 1


def test_it_waits_for_the_payment_to_be_canceled_when_the_webhook_comes_first(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """B10, B23: the slot is not free before."""
    sandbox.fault("reset_after", match=CHARGE)
    decline(active, "needs_authentication")
    active.deliver("payment_intent.payment_failed")
    assert active.outcomes() == [("requires_action", 25)]
    assert active.rule.confirmation_link is None

    active.pass_time(seconds=61)
    active.sweep()

    assert active.outcomes() == [("failed", 25)]
    assert active.rule.confirmation_link is not None


def test_it_stops_when_nobody_confirms(active: MoneyIn) -> None:
    decline(active, "needs_authentication")

    active.pass_time(hours=25)
    active.sweep()

    assert active.rule.suspension == Suspension.NOT_CONFIRMED
    assert Wallet.objects.get().grace_extended_until is None
    assert len(active.automatic()) == 1

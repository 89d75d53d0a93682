"""Automatic payments against everything that goes wrong: part (b) of the fault matrix, and what others have shipped."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet.errors import CardInUse, LinkUnusable
from wallet.models import AutomaticPayments, Card, ChargingSwitch, Notice, Origin, TopUp, Wallet
from wallet.services.automatic_payments import switch_off, try_again
from wallet.services.cards import remove_card, set_backup_card
from wallet.services.charging_switch import charging_switch, pause_charging, resume_charging
from wallet.services.checkout import open_checkout
from wallet.services.payment_links import LinkState, link_state
from wallet.tasks import charge_top_up as charge_top_up_task
from workspaces.models import AuditEntry

CHARGE = "payment_intents.create"
Suspension = AutomaticPayments.Suspension


@pytest.fixture
def active(money_in: MoneyIn) -> MoneyIn:
    """30 dollars, a good card, and automatic payments: below 10 charge 25, at most 100 a month."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    return money_in


def told(kind: Notice.Kind) -> int:
    return Notice.objects.filter(kind=kind).count()


def test_it_charges_once_when_a_use_leaves_too_little(active: MoneyIn) -> None:
    active.use(19)
    active.work()
    assert active.outcomes() == []

    active.use(2)
    active.work()
    active.deliver()

    assert active.outcomes() == [("succeeded", 25)]
    assert active.charges() == 1
    assert active.moves()[-1] == ("automatic_payment", 25)
    assert told(Notice.Kind.AUTOMATIC_PAYMENT) == 1
    assert told(Notice.Kind.RECEIPT) == 0


def test_it_makes_one_charge_of_many_uses_in_a_row(active: MoneyIn) -> None:
    """B1: the row stands before any of them is sent."""
    for _ in range(10):
        active.use(3)
    active.work()

    assert active.charges() == 1


def test_it_closes_the_gap_with_one_charge(active: MoneyIn) -> None:
    """B19: as many whole amounts as bring available back to the threshold."""
    active.use(60)
    active.work()

    assert active.outcomes() == [("succeeded", 50)]
    assert active.balance == 20


def test_it_counts_what_is_on_its_way(active: MoneyIn) -> None:
    top_up = active.ask_for_top_up(active.default_card, dollars=40)

    active.use(25)

    assert active.outcomes() == []
    charge_top_up_task(str(top_up.pk))
    assert active.read(top_up).status == "succeeded"
    active.pass_time(minutes=2)
    active.sweep()
    assert active.outcomes() == []


def test_it_charges_after_all_when_other_money_does_not_come(active: MoneyIn) -> None:
    bad = active.connect_card("pm_card_mastercard", behaviour="insufficient_funds")
    top_up = active.ask_for_top_up(bad, dollars=40)
    active.use(25)
    charge_top_up_task(str(top_up.pk))

    active.sweep()
    active.pass_time(minutes=2)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25)]


def test_it_never_charges_an_idle_wallet(money_in: MoneyIn) -> None:
    """Only a use sets it off; time that passes, and money that leaves by the operator's hand, do not."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    money_in.take(25)

    money_in.pass_time(days=40)
    money_in.sweep()

    assert money_in.outcomes() == []


def test_it_charges_at_once_when_switched_on_below_the_threshold(money_in: MoneyIn) -> None:
    card = money_in.connect_card()

    first = money_in.switch_on(card, threshold=10, target=40, monthly_cap=100)
    again = money_in.switch_on(card, threshold=10, target=40, monthly_cap=100)
    money_in.work()

    assert first.top_up is not None
    assert again.top_up is None, "saved twice, charged once"
    assert money_in.outcomes() == [("succeeded", 40)]


def test_it_charges_nothing_once_it_is_switched_off(active: MoneyIn) -> None:
    """B21: what was not sent yet is dropped, and no new one is made."""
    active.use(25)
    switch_off(active.wallet)
    active.work()
    active.use(3)
    active.work()

    assert active.outcomes() == [("canceled", 25)]
    assert active.charges() == 0


def test_it_credits_what_was_sent_before_it_was_switched_off(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """B21."""
    sandbox.fault("reset_after", match=CHARGE)
    active.use(25)
    active.work()
    switch_off(active.wallet)

    active.deliver()

    assert active.outcomes() == [("succeeded", 25)]


@pytest.mark.parametrize("fault", ["drop_before", "reset_after", "hang_after", "error_after"])
def test_it_asks_what_became_of_a_charge_and_makes_no_second(active: MoneyIn, sandbox: RunningSandbox, impatient: None, fault: str) -> None:
    """B3, B4, B5: unknown is a state, inside the one open charge; uses that come meanwhile make no other."""
    sandbox.fault(fault, match=CHARGE, seconds=3)
    active.use(25)
    active.work()
    active.use(3)
    assert [status for status, _ in active.outcomes()] == ["unknown"]

    active.pass_time(seconds=61)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25)]
    assert active.charges() == 1


def test_it_finds_a_charge_whose_message_was_lost(active: MoneyIn) -> None:
    """B2, B13, B15: the row is the job."""
    active.use(25)
    active.lose_messages()

    active.pass_time(seconds=61)
    active.sweep()

    assert active.outcomes() == [("succeeded", 25)]


def test_it_does_no_harm_to_be_told_often(active: MoneyIn) -> None:
    """B12, B16: messages doubled, and two beats."""
    active.use(25)
    (top_up,) = active.automatic()
    for _ in range(3):
        charge_top_up_task(str(top_up.pk))
    active.sweep()
    active.sweep()

    assert active.charges() == 1


def test_it_stacks_nothing_while_stripe_is_away(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """B24: one row for hours, then one charge."""
    sandbox.fault("error_before", match=CHARGE, count=None, saved=False)
    active.use(25)
    for _ in range(6):
        active.sweep()
        active.use(0.1)
        active.pass_time(hours=1)
    assert len(active.automatic()) == 1

    sandbox.clear_faults()
    active.sweep()

    assert active.outcomes() == [("succeeded", 25)]


def test_it_decides_anew_when_nobody_could_send_for_an_hour(active: MoneyIn) -> None:
    """B24: with the amount of today, not that of then."""
    active.use(25)
    active.lose_messages()
    active.use(30)
    active.pass_time(minutes=61)
    active.sweep()
    active.sweep()

    assert active.outcomes() == [("expired", 25), ("succeeded", 50)]


# ---------------------------------------------------------------- declines
def decline(money_in: MoneyIn, behaviour: str) -> None:
    """The card changes its mind, and a use takes the wallet below the threshold."""
    money_in.sandbox.set_card_behaviour(money_in.default_card.payment_method_id, behaviour)
    money_in.use(25)
    money_in.work()


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
    """B7: it backs off, and the card is not blamed. Here the customer was deleted by hand at Stripe."""
    Wallet.objects.update(stripe_customer_id="cus_gone")
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


# ---------------------------------------------------------------- caps
def test_it_keeps_the_daily_charges_and_tells_once(active: MoneyIn) -> None:
    """B18."""
    for _ in range(8):
        active.use(25)
        active.work()

    assert active.outcomes() == [("succeeded", 25)] * 3, "three a day"
    assert told(Notice.Kind.CAP_REACHED) == 1


def test_it_goes_on_when_the_cap_opens_again(active: MoneyIn) -> None:
    """The need was set off by a use; the new day lets it be met without another."""
    for _ in range(4):
        active.use(25)
        active.work()
    TopUp.objects.update(created_at=F("created_at") - timedelta(days=1), resolved_at=F("resolved_at") - timedelta(days=1))
    AutomaticPayments.objects.update(next_try_at=timezone.now())

    active.sweep()

    assert active.outcomes() == [("succeeded", 25)] * 4


def test_it_fits_the_charge_into_what_the_cap_leaves(money_in: MoneyIn) -> None:
    money_in.give(30)
    money_in.switch_on(money_in.connect_card(), amount=25, monthly_cap=60, daily=10)

    money_in.use(100)
    money_in.work()
    assert money_in.outcomes() == [("succeeded", 50)], "not the 100 that the gap asks for"
    money_in.use(1)
    money_in.work()

    assert money_in.outcomes() == [("succeeded", 50)]
    assert money_in.rule.next_try_at is not None


def test_it_has_one_open_charge_by_the_database_itself(active: MoneyIn) -> None:
    """B1: whatever the code believes."""
    active.use(25)
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.create(wallet=active.wallet, origin=Origin.AUTOMATIC, amount_micros=DOLLAR, request_id="another")


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


# ---------------------------------------------------------------- links for the same need
def test_it_ends_an_open_checkout_before_it_charges(active: MoneyIn) -> None:
    """One open collection per need."""
    link = active.ask_for_link(dollars=40)
    page = open_checkout(link)

    active.use(25)
    assert link_state(link) == LinkState.COVERED
    with pytest.raises(LinkUnusable):
        open_checkout(link)
    active.work()

    assert active.outcomes() == [("succeeded", 25)]
    assert active.sandbox.pay_checkout(page).status != 200 or active.charges() == 1
    assert active.charges() == 1
    assert link_state(link) == LinkState.OPEN


def test_it_lets_the_checkout_win_that_was_paid_first(active: MoneyIn) -> None:
    link = active.ask_for_link(dollars=40)
    active.sandbox.pay_checkout(open_checkout(link))

    active.use(25)
    active.work()

    assert active.outcomes() == [("canceled", 25)]
    assert (active.charges(), active.balance) == (1, 45)


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

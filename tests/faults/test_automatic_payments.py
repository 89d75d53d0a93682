"""Automatic payments: one charge when a use leaves too little, whatever is lost or doubled on the way, and none besides."""

import pytest
from django.db import IntegrityError, transaction

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import CHARGE, told
from tests.payments import DOLLAR, MoneyIn
from wallet.errors import LinkUnusable
from wallet.models import Notice, Origin, TopUp
from wallet.services.automatic_payments import switch_off
from wallet.services.checkout import open_checkout
from wallet.services.payment_links import LinkState, link_state
from wallet.tasks import charge_top_up as charge_top_up_task


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


def test_it_has_one_open_charge_by_the_database_itself(active: MoneyIn) -> None:
    """B1: whatever the code believes."""
    active.use(25)
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.create(wallet=active.wallet, origin=Origin.AUTOMATIC, amount_micros=DOLLAR, request_id="another")


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

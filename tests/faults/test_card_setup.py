"""Connecting a card by a link, with nothing paid: the same faults as a payment in Checkout."""

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.payments import Alerts, MoneyIn
from wallet import stripe_answers as answers
from wallet.errors import OutcomeUnknown
from wallet.models import CardSetup, PaymentLink
from wallet.services.checkout import open_checkout
from wallet.services.payment_links import LinkState, link_state


def test_it_connects_a_card_by_link(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link(dollars=None)
    sandbox.pay_checkout(open_checkout(link))
    money_in.deliver()

    setup = CardSetup.objects.get()
    assert setup.status == CardSetup.Status.SUCCEEDED
    assert setup.card is not None
    assert setup.card.is_default
    assert link_state(PaymentLink.objects.get()) is LinkState.USED
    assert money_in.balance == 0


def test_it_connects_a_card_although_nobody_told(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link(dollars=None)))

    money_in.pass_time(minutes=3)
    money_in.sweep()

    assert CardSetup.objects.get().status == CardSetup.Status.SUCCEEDED


def test_it_lets_the_bank_ask_while_a_card_is_connected(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link(dollars=None)
    address = open_checkout(link)
    sandbox.pay_checkout(address, card="4000002500003155", answer="fail")
    money_in.deliver()
    assert not money_in.wallet.cards.exists()

    sandbox.pay_checkout(address, card="4000002500003155")
    money_in.deliver()

    assert money_in.wallet.cards.get().last_four == "3155"


def test_it_ends_a_card_setup_that_nobody_finished(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link(dollars=None)
    open_checkout(link)
    (session,) = sandbox.state()["checkout_sessions"]
    sandbox.expire_session(session["id"])
    money_in.deliver()

    assert CardSetup.objects.get().status == CardSetup.Status.EXPIRED
    assert link_state(link) is LinkState.OPEN
    assert open_checkout(link)


def test_it_tells_where_something_else_than_a_card_was_connected(
    money_in: MoneyIn, sandbox: RunningSandbox, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Link or a bank account, where the operator's dashboard offers them: nothing that can be charged by us, so the link stays open."""
    link = money_in.ask_for_link(dollars=None)
    sandbox.pay_checkout(open_checkout(link))
    read_card = answers.read_card
    monkeypatch.setattr(answers, "read_card", lambda method, **how: read_card({**method, "card": None}, **how))
    money_in.deliver()

    assert CardSetup.objects.get().status == CardSetup.Status.EXPIRED
    assert alerts() == ["connected_no_card"]
    assert link_state(link) is LinkState.OPEN


def test_it_finds_the_lost_session_of_a_card_setup(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A3: its answer was lost, and it was finished nevertheless."""
    sandbox.fault("reset_after", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(money_in.ask_for_link(dollars=None))
    sandbox.pay_checkout(sandbox.state()["checkout_sessions"][0]["url"])

    money_in.pass_time(hours=3)
    money_in.sweep()

    assert CardSetup.objects.get().status == CardSetup.Status.SUCCEEDED
    assert money_in.wallet.cards.get().is_default

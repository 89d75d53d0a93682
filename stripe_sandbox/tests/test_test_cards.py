"""Stripe's test cards: typed into the hosted page, saved and charged later, and by their names through the API."""

from typing import Any

import pytest
import stripe

from stripe_sandbox import cards
from stripe_sandbox.testing import RunningSandbox
from stripe_sandbox.tests.conftest import charge_off_session, error_of, new_session, new_setup_session, wait_for

DECLINED_ON_THE_PAGE = [
    ("4000000000009995", "card_declined", "insufficient_funds", "Your card has insufficient funds."),
    ("4000000000000002", "card_declined", "generic_decline", "Your card was declined."),
    ("4000000000000341", "card_declined", "generic_decline", "Your card was declined."),
    ("4000000000000069", "expired_card", "", "Your card has expired."),
    ("4000000000000127", "incorrect_cvc", "", "Your card's security code is incorrect."),
    ("4000000000009987", "card_declined", "lost_card", "Your card was declined."),
    ("4000000000009979", "card_declined", "stolen_card", "Your card was declined."),
    ("4000000000000119", "processing_error", "", "An error occurred while processing your card. Try again in a little bit."),
]


@pytest.mark.parametrize(
    ("number", "brand", "code"),
    [("4242424242424242", "visa", "123"), ("5555555555554444", "mastercard", "123"), ("378282246310005", "amex", "1234")],
)
def test_it_takes_money_from_a_good_card(sandbox: RunningSandbox, client: stripe.StripeClient, number: str, brand: str, code: str) -> None:
    session = new_session(client, amount=2000)

    page = sandbox.pay_checkout(session.url or "", card=number, cvc=code)

    assert page.location == f"http://127.0.0.1:9/done?session={session.id}"
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    charge = sandbox.state()["charges"][0]
    assert (charge["amount"], charge["status"], charge["payment_method_details"]["card"]["brand"]) == (2000, "succeeded", brand)


@pytest.mark.parametrize(("number", "code", "decline_code", "sentence"), DECLINED_ON_THE_PAGE)
def test_it_declines_on_the_page_and_lets_the_payer_try_again(
    sandbox: RunningSandbox, client: stripe.StripeClient, number: str, code: str, decline_code: str, sentence: str
) -> None:
    session = new_session(client, payment_intent_data={"metadata": {"top_up": "1"}})

    page = sandbox.pay_checkout(session.url or "", card=number)

    assert (page.status, page.location, page.error) == (402, "", sentence)
    intent = sandbox.state()["payment_intents"][0]
    error = intent["last_payment_error"]
    assert (intent["status"], error["code"], error.get("decline_code", "")) == ("requires_payment_method", code, decline_code)
    assert sandbox.pay_checkout(session.url or "").status == 303
    assert [(found["id"], found["status"]) for found in sandbox.state()["payment_intents"]] == [(intent["id"], "succeeded")]
    assert [charge["status"] for charge in sandbox.state()["charges"]] == ["failed", "succeeded"]


def test_it_keeps_a_card_only_where_asked_to(sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer) -> None:
    once = new_session(client, customer=customer.id)
    sandbox.pay_checkout(once.url or "")
    assert client.v1.customers.payment_methods.list(customer.id).data == []

    kept = new_session(client, customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"})
    sandbox.pay_checkout(kept.url or "")

    saved = client.v1.customers.payment_methods.list(customer.id).data
    assert len(saved) == 1
    assert charge_off_session(client, customer=customer.id, method=saved[0].id).status == "succeeded"


def test_it_refuses_a_card_that_was_used_once_without_being_kept(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    session = new_session(client, customer=customer.id)
    sandbox.pay_checkout(session.url or "")
    used = sandbox.state()["payment_intents"][0]["payment_method"]

    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charge_off_session(client, customer=customer.id, method=used)


def test_it_saves_0341_and_declines_it_when_charged(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    session = new_setup_session(client, customer=customer.id)
    assert sandbox.pay_checkout(session.url or "", card="4000000000000341").status == 303
    card = client.v1.customers.payment_methods.list(customer.id).data[0]

    with pytest.raises(stripe.CardError) as caught:
        charge_off_session(client, customer=customer.id, method=card.id)

    error = error_of(caught.value)
    assert (caught.value.http_status, error["code"], error["decline_code"], error["advice_code"]) == (
        402,
        "card_declined",
        "generic_decline",
        "try_again_later",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_intent"]["last_payment_error"]["payment_method"]["id"] == card.id
    assert error["charge"] == error["payment_intent"]["latest_charge"]


@pytest.mark.parametrize("number", ["4000000000009995", "4000000000000002"])
def test_it_does_not_save_a_card_that_is_declined(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer, number: str
) -> None:
    session = new_setup_session(client, customer=customer.id)

    page = sandbox.pay_checkout(session.url or "", card=number)

    assert page.status == 402
    assert page.error
    assert client.v1.customers.payment_methods.list(customer.id).data == []
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_it_asks_for_authentication_on_the_page(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    session = new_session(client)
    asked = sandbox.pay_checkout(session.url or "", card="4000002500003155", answer="")
    assert asked.location.startswith(f"{sandbox.checkout_url}/authenticate/pi_")
    assert sandbox.state()["payment_intents"][0]["status"] == "requires_action"

    failed = sandbox.open_page(asked.location, {"answer": "fail"})
    assert "unable to authenticate" in sandbox.open_page(failed.location).error

    passed = sandbox.pay_checkout(session.url or "", card="4000002500003155", answer="complete")
    assert passed.location.endswith(session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_it_asks_for_authentication_off_session_every_time(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    session = new_setup_session(client, customer=customer.id)
    assert sandbox.pay_checkout(session.url or "", card="4000002500003155").status == 303
    card = client.v1.customers.payment_methods.list(customer.id).data[0].id

    with pytest.raises(stripe.CardError) as caught:
        charge_off_session(client, customer=customer.id, method=card)

    assert (caught.value.code, error_of(caught.value)["decline_code"]) == ("authentication_required", "authentication_required")
    intent = error_of(caught.value)["payment_intent"]
    assert intent["status"] == "requires_payment_method"
    assert client.v1.payment_intents.cancel(intent["id"]).status == "canceled"


def test_it_lets_the_payer_authenticate_a_payment_by_link(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """What a "confirm your payment" link does: the refused payment is confirmed again, on session."""
    card = client.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer.id}).id
    with pytest.raises(stripe.CardError) as caught:
        charge_off_session(client, customer=customer.id, method=card)
    intent_id = error_of(caught.value)["payment_intent"]["id"]

    asked = client.v1.payment_intents.confirm(intent_id, {"payment_method": card, "return_url": "http://127.0.0.1:9/back?x=1"})
    assert asked.next_action is not None
    assert asked.next_action.redirect_to_url is not None
    page = sandbox.open_page(asked.next_action.redirect_to_url.url or "", {"answer": "complete"})

    assert page.location.startswith("http://127.0.0.1:9/back?x=1&payment_intent=pi_")
    assert page.location.endswith("redirect_status=succeeded")
    assert client.v1.payment_intents.retrieve(intent_id).status == "succeeded"


def test_it_disputes_0259_after_the_payment(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    session = new_session(client, amount=5000)
    sandbox.pay_checkout(session.url or "", card="4000000000000259")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"

    dispute = wait_for(lambda: client.v1.disputes.list().data)[0]

    assert (dispute.amount, dispute.status, dispute.reason) == (5000, "needs_response", "fraudulent")
    assert dispute.balance_transactions[0].net == -(5000 + 1500)
    assert client.v1.charges.retrieve(str(dispute.charge)).disputed


@pytest.mark.parametrize("card", cards.CARDS, ids=lambda card: card.names[0])
def test_it_knows_every_card_by_its_name(client: stripe.StripeClient, card: cards.Card) -> None:
    wish: Any = {"amount": 900, "currency": "usd", "payment_method": card.names[0], "confirm": True, "off_session": True}
    behaviour = cards.BEHAVIOURS[card.behaviour]

    expected = "authentication_required" if behaviour.needs_authentication else "succeeded"
    if behaviour.decline:
        expected = behaviour.decline.decline_code or behaviour.decline.code

    try:
        outcome = client.v1.payment_intents.create(wish).status
    except stripe.CardError as error:
        outcome = error_of(error).get("decline_code") or str(error.code)

    assert outcome == expected


def test_it_lets_a_saved_card_turn_bad(sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """No test card of Stripe's can be saved and lack funds later; a switch of the control endpoint can."""
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id}).id
    charge_off_session(client, customer=customer.id, method=card)

    sandbox.set_card_behaviour(card, "insufficient_funds")

    with pytest.raises(stripe.CardError) as caught:
        charge_off_session(client, customer=customer.id, method=card)
    assert error_of(caught.value)["decline_code"] == "insufficient_funds"


def test_it_tells_of_a_card_that_the_network_replaced(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    sandbox.replace_card(card.id, last4="1881")

    replaced = client.v1.payment_methods.retrieve(card.id)
    assert replaced.card is not None
    assert card.card is not None
    assert (replaced.card.last4, replaced.card.exp_year) == ("1881", card.card.exp_year + 3)
    event = client.v1.events.list({"type": "payment_method.automatically_updated"}).data[0]
    assert event.data.object["id"] == card.id

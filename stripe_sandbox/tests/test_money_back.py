"""Refunds, disputes and what they do to the balance."""

import pytest
import stripe

from stripe_sandbox.testing import ControlRefused, RunningSandbox
from stripe_sandbox.tests.conftest import Receiver, charge_off_session, new_session, wait_for


@pytest.fixture
def paid(client: stripe.StripeClient, customer: stripe.Customer) -> stripe.PaymentIntent:
    """$25.00, taken."""
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    return charge_off_session(client, customer=customer.id, method=card.id, amount=2500)


def _balance(sandbox: RunningSandbox) -> int:
    return sum(row["net"] for row in sandbox.state()["balance_transactions"])


def _pay(sandbox: RunningSandbox, client: stripe.StripeClient, card: str) -> str:
    session = new_session(client, amount=2500)
    sandbox.pay_checkout(session.url or "", card=card)
    return str(client.v1.checkout.sessions.retrieve(session.id).payment_intent)


def test_it_takes_stripes_fee(sandbox: RunningSandbox, paid: stripe.PaymentIntent) -> None:
    row = sandbox.state()["balance_transactions"][0]

    assert (row["amount"], row["fee"], row["net"], row["source"]) == (2500, 103, 2397, paid.latest_charge)


def test_it_refunds_in_parts_up_to_the_whole(client: stripe.StripeClient, paid: stripe.PaymentIntent, receiver: Receiver) -> None:
    first = client.v1.refunds.create({"payment_intent": paid.id, "amount": 1000})
    assert client.v1.charges.retrieve(str(paid.latest_charge)).amount_refunded == 1000
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 1501})

    second = client.v1.refunds.create({"payment_intent": paid.id})

    charge = client.v1.charges.retrieve(str(paid.latest_charge))
    assert (first.amount, second.amount, charge.amount_refunded, charge.refunded) == (1000, 1500, 2500, True)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": paid.id})
    assert caught.value.code == "charge_already_refunded"
    wait_for(lambda: receiver.types().count("charge.refunded") == 2 and receiver.types().count("refund.created") == 2)


def test_it_refunds_from_the_dashboard(client: stripe.StripeClient, sandbox: RunningSandbox, paid: stripe.PaymentIntent) -> None:
    sandbox.refund(paid.id, amount=700)

    refunds = client.v1.refunds.list({"payment_intent": paid.id}).data
    assert [(refund.amount, refund.status) for refund in refunds] == [(700, "succeeded")]


def test_it_lets_a_refund_fail_later(
    client: stripe.StripeClient, sandbox: RunningSandbox, paid: stripe.PaymentIntent, receiver: Receiver
) -> None:
    before = _balance(sandbox)
    refund = client.v1.refunds.create({"payment_intent": paid.id, "amount": 1000})

    sandbox.fail_refund(refund.id)

    assert client.v1.refunds.retrieve(refund.id).status == "failed"
    assert client.v1.charges.retrieve(str(paid.latest_charge)).amount_refunded == 0
    assert _balance(sandbox) == before
    assert receiver.first("refund.failed")["data"]["object"]["id"] == refund.id
    with pytest.raises(ControlRefused):
        sandbox.fail_refund(refund.id)


def test_it_settles_and_fails_refunds_of_the_test_cards(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    pending = client.v1.refunds.create({"payment_intent": _pay(sandbox, client, "4000000000007726")})
    failing = client.v1.refunds.create({"payment_intent": _pay(sandbox, client, "4000000000005126")})
    assert (pending.status, failing.status) == ("pending", "succeeded")

    wait_for(lambda: client.v1.refunds.retrieve(pending.id).status == "succeeded")
    wait_for(lambda: client.v1.refunds.retrieve(failing.id).status == "failed")


def test_it_refuses_to_refund_what_was_never_paid(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_it_withdraws_amount_and_fee_for_a_dispute(
    client: stripe.StripeClient, sandbox: RunningSandbox, paid: stripe.PaymentIntent, receiver: Receiver
) -> None:
    before = _balance(sandbox)

    dispute = sandbox.open_dispute(paid.id)

    assert _balance(sandbox) == before - 2500 - 1500
    assert dispute["balance_transactions"][0]["net"] == -4000
    assert receiver.first("charge.dispute.created")["data"]["object"]["id"] == dispute["id"]
    assert receiver.first("charge.dispute.funds_withdrawn")["data"]["object"]["amount"] == 2500
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        client.v1.refunds.create({"payment_intent": paid.id})


def test_it_reinstates_a_dispute_that_was_won(sandbox: RunningSandbox, paid: stripe.PaymentIntent, receiver: Receiver) -> None:
    before = _balance(sandbox)
    dispute = sandbox.open_dispute(paid.id)

    sandbox.win_dispute(dispute["id"])

    # The fee is not given back.
    assert _balance(sandbox) == before - 1500
    assert receiver.first("charge.dispute.funds_reinstated")["data"]["object"]["status"] == "won"
    assert receiver.first("charge.dispute.closed")["data"]["object"]["status"] == "won"


def test_it_keeps_the_money_of_a_dispute_that_was_lost(
    client: stripe.StripeClient, sandbox: RunningSandbox, paid: stripe.PaymentIntent, receiver: Receiver
) -> None:
    dispute = sandbox.open_dispute(paid.id)
    after_opening = _balance(sandbox)

    sandbox.lose_dispute(dispute["id"])

    assert _balance(sandbox) == after_opening
    assert receiver.first("charge.dispute.closed")["data"]["object"]["status"] == "lost"
    assert "charge.dispute.funds_reinstated" not in receiver.types()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute["id"])


def test_it_moves_no_money_for_an_inquiry(sandbox: RunningSandbox, paid: stripe.PaymentIntent, receiver: Receiver) -> None:
    before = _balance(sandbox)

    inquiry = sandbox.open_dispute(paid.id, inquiry=True)
    sandbox.win_dispute(inquiry["id"])

    assert (inquiry["status"], _balance(sandbox)) == ("warning_needs_response", before)
    assert receiver.first("charge.dispute.closed")["data"]["object"]["status"] == "warning_closed"
    assert "charge.dispute.funds_withdrawn" not in receiver.types()


def test_it_withdraws_once_an_inquiry_becomes_a_chargeback(sandbox: RunningSandbox, paid: stripe.PaymentIntent, receiver: Receiver) -> None:
    before = _balance(sandbox)
    inquiry = sandbox.open_dispute(paid.id, inquiry=True)

    sandbox.escalate_inquiry(inquiry["id"])

    assert _balance(sandbox) == before - 4000
    assert receiver.first("charge.dispute.funds_withdrawn")["data"]["object"]["status"] == "needs_response"


@pytest.mark.parametrize(("evidence", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_it_decides_by_the_evidence(
    client: stripe.StripeClient, sandbox: RunningSandbox, paid: stripe.PaymentIntent, evidence: str, status: str
) -> None:
    dispute = sandbox.open_dispute(paid.id)

    sent = client.v1.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": evidence}})

    assert sent.status == "under_review"
    wait_for(lambda: client.v1.disputes.retrieve(dispute["id"]).status == status)

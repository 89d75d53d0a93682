"""The hosted pages over plain HTTP, as a browser without JavaScript meets them."""

import time

import pytest
import requests
import stripe

from stripe_sandbox.testing import RunningSandbox
from stripe_sandbox.tests.conftest import CANCEL_URL, Receiver, new_session, new_setup_session, wait_for


def test_it_shows_what_is_asked_for(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    page = sandbox.open_page(new_session(client, amount=123456, branding_settings={"display_name": "Acme <Calls>"}).url or "")

    assert page.status == 200
    for text in ("$1,234.56", "Wallet balance", "Acme &lt;Calls&gt;", CANCEL_URL, "Test mode", "4242 4242 4242 4242"):
        assert text in page.body


def test_it_asks_for_consent_only_where_the_card_is_kept(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    kept = new_session(client, payment_intent_data={"setup_future_usage": "off_session"})
    once = new_session(client)

    assert "you allow Demo Company to charge" in sandbox.open_page(kept.url or "").body
    assert "you allow Demo Company to charge" not in sandbox.open_page(once.url or "").body


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("cardNumber", "", "Your card number is incomplete."),
        ("cardNumber", "4242 4242 4242", "Your card number is incomplete."),
        ("cardNumber", "4242424242424241", "Your card number is invalid."),
        ("cardNumber", "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", "Your card number is incomplete."),
        ("cardExpiry", "", "Your card's expiration date is incomplete."),
        ("cardExpiry", "13 / 34", "Your card's expiration date is incomplete."),
        ("cardExpiry", "01 / 20", "Your card's expiration date is in the past."),
        ("cardExpiry", "12 / 99", "Your card's expiration year is invalid."),
        ("cardCvc", "12", "Your card's security code is incomplete."),
        ("cardCvc", "1234", "Your card's security code is incomplete."),
        ("email", "nobody", "Your email is invalid."),
        ("billingName", " ", "Enter the name on the card."),
    ],
)
def test_it_checks_before_it_asks_the_bank(
    sandbox: RunningSandbox, client: stripe.StripeClient, field: str, value: str, sentence: str
) -> None:
    session = new_session(client)

    form = {"email": "payer@example.com", "cardNumber": "4242424242424242", "cardExpiry": "12 / 34", "cardCvc": "123", "billingName": "Pat"}
    page = sandbox.open_page(session.url or "", {**form, field: value})

    assert page.status == 422
    assert sentence in page.error
    assert sandbox.state()["payment_intents"] == []


@pytest.mark.parametrize("expiry", ["12/34", "12 / 34", "1234", "12/2034", " 12 /34 "])
def test_it_reads_an_expiry_however_it_is_written(sandbox: RunningSandbox, client: stripe.StripeClient, expiry: str) -> None:
    sandbox.pay_checkout(new_session(client).url or "", expiry=expiry)

    card = sandbox.state()["payment_methods"][0]["card"]
    assert (card["exp_month"], card["exp_year"]) == (12, 2034)


def test_it_refuses_a_card_that_is_no_test_card(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    page = sandbox.pay_checkout(new_session(client).url or "", card="4111111111111111")

    assert "used a non test card" in page.error
    assert sandbox.state()["payment_intents"] == []


def test_it_fills_in_a_test_card_without_javascript(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    page = sandbox.open_page(new_session(client).url or "", {"email": "a@example.com", "fill": "4000000000009995"})

    assert page.status == 200
    assert 'value="4000 0000 0000 9995"' in page.body
    assert 'value="a@example.com"' in page.body
    assert sandbox.state()["payment_intents"] == []


def test_it_keeps_the_customers_own_address(sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer) -> None:
    session = new_session(client, customer=customer.id)

    sandbox.pay_checkout(session.url or "", email="someone.else@example.com")

    details = client.v1.checkout.sessions.retrieve(session.id).customer_details
    assert details is not None
    assert details.email == "owner@example.com"


def test_it_makes_a_customer_where_asked_to(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    session = new_setup_session(client, customer_creation="always")

    sandbox.pay_checkout(session.url or "", email="new@example.com")

    customer = str(client.v1.checkout.sessions.retrieve(session.id).customer)
    assert client.v1.customers.retrieve(customer).email == "new@example.com"
    assert len(client.v1.customers.payment_methods.list(customer).data) == 1


def test_it_insists_on_the_terms(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    session = new_session(client, consent_collection={"terms_of_service": "required"})

    assert "You must accept the terms" in sandbox.pay_checkout(session.url or "").error
    assert sandbox.pay_checkout(session.url or "", termsOfServiceConsent="on").status == 303

    consent = client.v1.checkout.sessions.retrieve(session.id).consent
    assert consent is not None
    assert consent.terms_of_service == "accepted"


def test_it_makes_the_payment_intent_only_when_the_payer_confirms(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    data = {"metadata": {"top_up": "7"}, "description": "Top-up 7", "receipt_email": "books@example.com"}
    session = new_session(client, payment_intent_data=data, metadata={"top_up": "7"})
    assert session.payment_intent is None
    assert sandbox.state()["payment_intents"] == []

    sandbox.pay_checkout(session.url or "")

    intent = sandbox.state()["payment_intents"][0]
    assert (intent["metadata"], intent["description"], intent["receipt_email"]) == ({"top_up": "7"}, "Top-up 7", "books@example.com")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_intent == intent["id"]


def test_it_charges_once_for_two_clicks(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    session = new_session(client)

    first, second = (sandbox.pay_checkout(session.url or "") for _ in range(2))

    assert first.location == second.location != ""
    assert len(sandbox.state()["charges"]) == 1
    closed = sandbox.open_page(session.url or "")
    assert (closed.status, "Already completed" in closed.body) == (200, True)


def test_it_saves_a_card_without_charging_it(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer, receiver: Receiver
) -> None:
    session = new_setup_session(client, customer=customer.id, setup_intent_data={"metadata": {"purpose": "card"}})

    assert sandbox.pay_checkout(session.url or "").location.endswith(session.id)

    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status) == ("complete", "no_payment_required")
    assert sandbox.state()["charges"] == []
    succeeded = receiver.first("setup_intent.succeeded")["data"]["object"]
    assert (succeeded["id"], succeeded["metadata"], succeeded["customer"]) == (done.setup_intent, {"purpose": "card"}, customer.id)
    assert receiver.first("payment_method.attached")["data"]["object"]["customer"] == customer.id


def test_it_expires_by_api_and_says_so(sandbox: RunningSandbox, client: stripe.StripeClient, receiver: Receiver) -> None:
    session = new_session(client)
    url = session.url or ""
    declined = sandbox.pay_checkout(url, card="4000000000000002")
    assert declined.status == 402

    expired = client.v1.checkout.sessions.expire(session.id)

    assert (expired.status, expired.url) == ("expired", None)
    page = sandbox.pay_checkout(url)
    assert (page.status, "has expired" in page.body) == (410, True)
    assert sandbox.state()["payment_intents"][0]["status"] == "canceled"
    assert receiver.first("checkout.session.expired")["data"]["object"]["id"] == session.id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


@pytest.mark.parametrize(("life", "sentence"), [(29 * 60, "at least 30 minutes"), (24 * 3600 + 60, "less than 24 hours")])
def test_it_holds_sessions_to_stripes_lifetime(client: stripe.StripeClient, life: int, sentence: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=sentence):
        new_session(client, expires_at=int(time.time()) + life)

    assert new_session(client, expires_at=int(time.time()) + 31 * 60).status == "open"


def test_it_completes_a_bank_debit_unpaid_and_pays_it_later(
    sandbox: RunningSandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    session = new_session(client)

    assert sandbox.pay_checkout_by_bank(session.url or "").location.endswith(session.id)
    waiting = client.v1.checkout.sessions.retrieve(session.id)
    assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
    assert receiver.first("checkout.session.completed")["data"]["object"]["payment_status"] == "unpaid"
    sandbox.settle_debit(str(waiting.payment_intent))

    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert receiver.first("checkout.session.async_payment_succeeded")["data"]["object"]["payment_status"] == "paid"


@pytest.mark.parametrize(("account", "told"), [("000222222227", None), ("000111111116", None), ("000123456789", False)])
def test_it_fails_a_bank_debit(
    sandbox: RunningSandbox, client: stripe.StripeClient, receiver: Receiver, account: str, told: bool | None
) -> None:
    session = new_session(client)
    sandbox.pay_checkout_by_bank(session.url or "", account=account)

    sandbox.settle_debit(str(client.v1.checkout.sessions.retrieve(session.id).payment_intent), succeeded=told)

    assert receiver.first("checkout.session.async_payment_failed")["data"]["object"]["payment_status"] == "unpaid"
    assert sandbox.state()["charges"][0]["status"] == "failed"


def test_it_offers_bank_debits_in_dollars_only(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    session = new_session(client, currency="eur")

    assert "Bank account" not in sandbox.open_page(session.url or "").body
    assert sandbox.pay_checkout_by_bank(session.url or "").status == 422


def test_it_may_lead_back_where_the_session_says_and_nowhere_else(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    policy = requests.get(new_session(client).url or "", timeout=20).headers["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert policy.endswith("form-action 'self' http://127.0.0.1:9")


def test_it_shows_nothing_for_an_unknown_address(sandbox: RunningSandbox) -> None:
    for path in ("/c/pay/cs_test_missing", "/authenticate/pi_missing", "/receipts/ch_missing", "/assets/settings.py", "/"):
        assert sandbox.open_page(f"{sandbox.checkout_url}{path}").status == 404


def test_it_lets_only_the_holder_of_the_secret_authenticate(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    asked = sandbox.pay_checkout(new_session(client).url or "", card="4000002500003155", answer="")

    stolen = asked.location.split("?")[0]

    assert sandbox.open_page(stolen, {"answer": "complete"}).status == 404
    assert sandbox.state()["payment_intents"][0]["status"] == "requires_action"


def test_it_gives_a_receipt(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.pay_checkout(new_session(client, amount=2000).url or "")
    charge = client.v1.charges.list().data[0]

    page = sandbox.open_page(charge.receipt_url or "")

    assert page.status == 200
    assert "$20.00" in page.body
    assert "Visa •••• 4242" in page.body


def test_it_expires_by_itself(sandbox: RunningSandbox, client: stripe.StripeClient, receiver: Receiver) -> None:
    session = new_session(client, expires_at=int(time.time()) + 31 * 60)

    sandbox.control("sessions/run_out", session=session.id)

    wait_for(lambda: client.v1.checkout.sessions.retrieve(session.id).status == "expired")
    assert receiver.first("checkout.session.expired")["data"]["object"]["id"] == session.id

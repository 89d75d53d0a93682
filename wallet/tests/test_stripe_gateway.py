"""The gateway through the real SDK over HTTP: what it asks, what it reads, and how each of Stripe's errors becomes ours."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from wallet import stripe_gateway as gateway
from wallet.errors import CardDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from wallet.stripe_objects import Checkout, Payment

URLS = {"success_url": "http://testserver/pay/x/return", "cancel_url": "http://testserver/pay/x"}


@pytest.fixture
def customer(sandbox: RunningSandbox) -> str:
    return gateway.create_customer(name="Acme Calls", workspace="ws_1", idempotency_key="cust-ws_1")


def save(customer: str, name: str = "pm_card_visa") -> str:
    """A card attached to the customer, as Checkout would leave it."""
    return gateway._client().v1.payment_methods.attach(name, {"customer": customer}).id


def charge(customer: str, card: str, *, key: str = "top-up-1", micros: int = 20_000_000, currency: str = "usd") -> Payment:
    return gateway.charge_card(
        customer_id=customer,
        payment_method_id=card,
        amount_micros=micros,
        currency=currency,
        description="Wallet balance",
        metadata={"top_up_id": "t1", "workspace": "ws_1"},
        idempotency_key=key,
    )


def open_payment(customer: str, *, saves_card: bool = False, key: str = "checkout-1", lasts: timedelta = timedelta(hours=2)) -> Checkout:
    return gateway.open_payment_checkout(
        customer_id=customer,
        amount_micros=20_000_000,
        currency="usd",
        product_name="Wallet balance",
        saves_card=saves_card,
        metadata={"top_up_id": "t1", "attempt_id": "a1", "workspace": "ws_1"},
        expires_at=datetime.now(UTC) + lasts,
        idempotency_key=key,
        **URLS,
    )


def open_setup(customer: str) -> Checkout:
    return gateway.open_card_checkout(
        customer_id=customer,
        currency="usd",
        metadata={"attempt_id": "a2"},
        expires_at=datetime.now(UTC) + timedelta(hours=2),
        idempotency_key="checkout-2",
        **URLS,
    )


# ---------------------------------------------------------------- customers and cards
def test_it_makes_one_customer_per_key(sandbox: RunningSandbox, customer: str) -> None:
    again = gateway.create_customer(name="Acme Calls", workspace="ws_1", idempotency_key="cust-ws_1")

    assert again == customer
    (made,) = sandbox.state()["customers"]
    assert (made["name"], made["metadata"]) == ("Acme Calls", {"workspace": "ws_1"})


def test_it_reads_a_saved_card(customer: str) -> None:
    card = gateway.retrieve_card(save(customer))

    assert card is not None
    assert (card.brand, card.last_four, card.customer_id, card.reusable) == ("visa", "4242", customer, True)
    assert card.fingerprint


def test_it_detaches_a_card_and_one_that_is_gone(customer: str) -> None:
    card = save(customer)

    gateway.detach_card(card)
    gateway.detach_card(card)
    gateway.detach_card("pm_unknown")

    left = gateway.retrieve_card(card)
    assert left is not None
    assert not left.reusable


# ---------------------------------------------------------------- charging a saved card
def test_it_charges_a_saved_card(sandbox: RunningSandbox, customer: str) -> None:
    payment = charge(customer, save(customer))

    assert payment.succeeded
    assert (payment.amount_micros, payment.currency, payment.customer_id, payment.livemode) == (20_000_000, "usd", customer, False)
    assert (payment.top_up_id, payment.workspace) == ("t1", "ws_1")
    assert payment.card is not None
    assert (payment.card.last_four, payment.card.reusable) == ("4242", False)
    (intent,) = sandbox.state()["payment_intents"]
    assert intent["amount"] == 2000


def test_it_never_lets_a_redirecting_method_into_a_charge(sandbox: RunningSandbox, customer: str) -> None:
    """Else Stripe asks for a return_url, although nobody is there to return."""
    charge(customer, save(customer))

    (intent,) = sandbox.state()["payment_intents"]
    assert intent["automatic_payment_methods"] == {"enabled": True, "allow_redirects": "never"}


@pytest.mark.parametrize(("currency", "micros", "minor"), [("jpy", 2_000_000_000, 2000), ("bhd", 5_250_000, 5250)])
def test_it_speaks_in_the_smallest_unit(sandbox: RunningSandbox, customer: str, currency: str, micros: int, minor: int) -> None:
    payment = charge(customer, save(customer), micros=micros, currency=currency)

    assert payment.amount_micros == micros
    assert sandbox.state()["payment_intents"][0]["amount"] == minor


@pytest.mark.parametrize(
    ("behaviour", "reason", "advice"),
    [
        ("insufficient_funds", "insufficient_funds", "try_again_later"),
        ("lost_card", "lost_card", "do_not_try_again"),
        ("expired_card", "expired_card", "confirm_card_data"),
        ("do_not_try_again", "do_not_try_again", "do_not_try_again"),
        ("needs_authentication", "authentication_required", ""),
    ],
)
def test_it_tells_a_decline_with_its_codes(sandbox: RunningSandbox, customer: str, behaviour: str, reason: str, advice: str) -> None:
    card = save(customer)
    sandbox.set_card_behaviour(card, behaviour)

    with pytest.raises(CardDeclined) as caught:
        charge(customer, card)

    assert (caught.value.decline.reason, caught.value.decline.advice_code) == (reason, advice)
    assert caught.value.decline.message
    assert gateway.retrieve_payment(caught.value.payment_id).decline == caught.value.decline


def test_it_cancels_a_payment_that_waits(customer: str, sandbox: RunningSandbox) -> None:
    card = save(customer)
    sandbox.set_card_behaviour(card, "needs_authentication")
    with pytest.raises(CardDeclined) as caught:
        charge(customer, card)

    assert gateway.cancel_payment(caught.value.payment_id).status == "canceled"


def test_it_tells_when_a_payment_to_cancel_has_succeeded(customer: str) -> None:
    payment = charge(customer, save(customer))

    assert gateway.cancel_payment(payment.id).succeeded


def test_it_lists_every_payment_over_many_pages(customer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "LIST_PAGE_SIZE", 2)
    card = save(customer)
    made = [charge(customer, card, key=f"top-up-{number}").id for number in range(5)]
    other = gateway.create_customer(name="Other", workspace="ws_2", idempotency_key="cust-ws_2")
    made_of_other = charge(other, save(other), key="top-up-other").id

    since = timezone.now() - timedelta(minutes=1)
    assert {payment.id for payment in gateway.payments_since(since)} == {*made, made_of_other}
    assert [payment.id for payment in gateway.payments_since(since, customer_id=customer)] == made[::-1]
    assert all(payment.card and payment.card.last_four == "4242" for payment in gateway.payments_since(since))
    assert list(gateway.payments_since(timezone.now() + timedelta(minutes=1))) == []


# ---------------------------------------------------------------- Checkout
def test_it_opens_a_session_that_is_paid(sandbox: RunningSandbox, customer: str) -> None:
    session = open_payment(customer)
    assert (session.status, session.paid, session.attempt_id, session.payment) == ("open", False, "a1", None)

    sandbox.pay_checkout(session.url)

    paid = gateway.retrieve_checkout(session.id)
    assert (paid.status, paid.paid, paid.url) == ("complete", True, "")
    assert paid.payment is not None
    assert (paid.payment.top_up_id, paid.payment.customer_id, paid.payment.amount_micros) == ("t1", customer, 20_000_000)
    assert paid.payment.card is not None
    assert not paid.payment.card.reusable


def test_it_keeps_the_card_where_its_holder_agreed(sandbox: RunningSandbox, customer: str) -> None:
    session = open_payment(customer, saves_card=True)
    sandbox.pay_checkout(session.url)

    payment = gateway.retrieve_checkout(session.id).payment

    assert payment is not None
    assert payment.card is not None
    assert payment.card.reusable
    assert charge(customer, payment.card.payment_method_id).succeeded


def test_it_gets_the_same_session_for_the_same_key(sandbox: RunningSandbox, customer: str) -> None:
    """A3, A4: however often it is asked for, never a second session that could be paid."""
    lasts = timedelta(hours=2)
    sandbox.fault("reset_after", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_payment(customer, lasts=lasts)

    first, second = open_payment(customer, lasts=lasts), open_payment(customer, lasts=lasts)

    assert first.id == second.id
    assert len(sandbox.state()["checkout_sessions"]) == 1


def test_it_expires_a_session(customer: str, sandbox: RunningSandbox) -> None:
    session = open_payment(customer)

    assert gateway.expire_checkout(session.id).status == "expired"
    assert gateway.expire_checkout(session.id).status == "expired"
    assert sandbox.pay_checkout(session.url).status == 410


def test_it_tells_when_a_session_to_expire_was_paid(customer: str, sandbox: RunningSandbox) -> None:
    session = open_payment(customer)
    sandbox.pay_checkout(session.url)

    assert gateway.expire_checkout(session.id).paid


def test_it_connects_a_card_without_paying(sandbox: RunningSandbox, customer: str) -> None:
    session = open_setup(customer)
    sandbox.pay_checkout(session.url)

    done = gateway.retrieve_checkout(session.id)

    assert (done.status, done.payment) == ("complete", None)
    assert done.card is not None
    assert (done.card.last_four, done.card.reusable) == ("4242", True)
    assert charge(customer, done.card.payment_method_id).succeeded


# ---------------------------------------------------------------- refunds and disputes
def test_it_refunds_in_parts(sandbox: RunningSandbox, customer: str) -> None:
    payment = charge(customer, save(customer))
    refund = gateway.create_refund(payment_id=payment.id, amount_micros=5_000_000, currency="usd", metadata={}, idempotency_key="refund-1")
    sandbox.refund(payment.id, amount=100)

    assert (refund.status, refund.amount_micros, refund.currency, refund.payment_id) == ("succeeded", 5_000_000, "usd", payment.id)
    assert gateway.retrieve_refund(refund.id) == refund
    assert [part.amount_micros for part in gateway.refunds_of_payment(payment.id)] == [1_000_000, 5_000_000]
    assert len(list(gateway.refunds_since(timezone.now() - timedelta(minutes=1)))) == 2


def test_it_reads_what_a_dispute_took_and_gave_back(sandbox: RunningSandbox, customer: str) -> None:
    payment = charge(customer, save(customer))
    opened = sandbox.open_dispute(payment.id)

    def seen() -> tuple[str, bool, bool]:
        dispute = gateway.retrieve_dispute(opened["id"])
        return dispute.status, dispute.is_withdrawn, dispute.is_reinstated

    assert seen() == ("needs_response", True, False)
    sandbox.win_dispute(opened["id"])
    assert seen() == ("won", True, True)
    (listed,) = gateway.disputes_since(timezone.now() - timedelta(minutes=1))
    assert (listed.id, listed.payment_id, listed.amount_micros, listed.currency) == (opened["id"], payment.id, 20_000_000, "usd")


def test_it_reads_an_inquiry_that_takes_nothing(sandbox: RunningSandbox, customer: str) -> None:
    payment = charge(customer, save(customer))
    opened = sandbox.open_dispute(payment.id, inquiry=True)

    dispute = gateway.retrieve_dispute(opened["id"])

    assert (dispute.status, dispute.is_withdrawn, dispute.is_reinstated) == ("warning_needs_response", False, False)


# ---------------------------------------------------------------- errors
def test_it_takes_a_busy_key_and_a_rate_limit_for_nothing_done(sandbox: RunningSandbox, customer: str) -> None:
    """B6: the same may be sent again, later."""
    card = save(customer)
    for fault in ("conflict", "rate_limit"):
        sandbox.fault(fault, match="payment_intents.create")

        with pytest.raises(GatewayUnavailable):
            charge(customer, card)

    assert charge(customer, card).succeeded


def test_it_tells_a_new_500_from_a_replayed_one(sandbox: RunningSandbox, customer: str) -> None:
    """B5: Stripe saves a 500 under its key and answers it again."""
    card = save(customer)
    sandbox.fault("error_before", match="payment_intents.create")

    with pytest.raises(OutcomeUnknown) as first:
        charge(customer, card)
    with pytest.raises(OutcomeUnknown) as second:
        charge(customer, card)

    assert (first.value.replayed, second.value.replayed) == (False, True)
    assert sandbox.state()["payment_intents"] == []


@pytest.mark.parametrize("fault", ["drop_before", "reset_after", "error_after"])
def test_it_does_not_know_what_became_of_a_lost_answer(sandbox: RunningSandbox, customer: str, fault: str) -> None:
    card = save(customer)
    sandbox.fault(fault, match="payment_intents.create")

    with pytest.raises(OutcomeUnknown):
        charge(customer, card)


def test_it_gives_up_waiting_and_does_not_know(sandbox: RunningSandbox, customer: str, impatient: None) -> None:
    """B4: Stripe charged, and never answered."""
    card = save(customer)
    sandbox.fault("hang_after", match="payment_intents.create", seconds=5)

    with pytest.raises(OutcomeUnknown):
        charge(customer, card)

    assert charge(customer, card).succeeded
    assert len(sandbox.state()["payment_intents"]) == 1


def test_it_does_not_know_where_nobody_listens(sandbox: RunningSandbox, settings: Any) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    gateway._client.cache_clear()

    with pytest.raises(OutcomeUnknown):
        gateway.retrieve_payment("pi_1")


def test_it_calls_a_key_with_other_parameters_our_bug(sandbox: RunningSandbox, customer: str) -> None:
    card = save(customer)
    charge(customer, card)

    with pytest.raises(GatewayRejected) as caught:
        charge(customer, card, micros=30_000_000)

    assert caught.value.key_was_used
    assert len(sandbox.state()["payment_intents"]) == 1


def _with_wrong_key(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_"
    gateway._client.cache_clear()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: gateway.retrieve_payment("pi_unknown"),
        lambda: gateway.retrieve_checkout("cs_unknown"),
        lambda: gateway.expire_checkout("cs_unknown"),
        lambda: gateway.retrieve_refund("re_unknown"),
        lambda: gateway.retrieve_dispute("du_unknown"),
        lambda: gateway.retrieve_card("pm_unknown"),
        lambda: gateway.cancel_payment("pi_unknown"),
        lambda: charge("cus_unknown", "pm_card_visa"),
    ],
)
def test_it_calls_an_unknown_id_our_bug(sandbox: RunningSandbox, ask: Callable[[], object]) -> None:
    with pytest.raises(GatewayRejected) as caught:
        ask()

    assert not caught.value.key_was_used


def test_it_calls_a_wrong_key_our_bug(sandbox: RunningSandbox, settings: Any) -> None:
    _with_wrong_key(settings)

    with pytest.raises(GatewayRejected):
        gateway.retrieve_payment("pi_1")


def test_it_never_retries_by_itself(sandbox: RunningSandbox, customer: str) -> None:
    card = save(customer)
    sandbox.fault("error_before", match="payment_intents.create", count=None, saved=False)

    with pytest.raises(OutcomeUnknown):
        charge(customer, card)

    assert len([request for request in sandbox.state()["requests"] if request["operation"] == "payment_intents.create"]) == 1

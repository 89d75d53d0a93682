"""Idempotency keys: one effect per key, whatever happens to the requests that carry it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import stripe

from stripe_sandbox.testing import TEST_KEY, RunningSandbox
from stripe_sandbox.tests.conftest import charge_off_session, client_of, header_of

AT_ONCE = 20


def _post(sandbox: RunningSandbox, path: str, body: str, *, key: str) -> tuple[int, str, dict[str, str]]:
    headers = {"Authorization": f"Bearer {TEST_KEY}", "Idempotency-Key": key, "Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{sandbox.api_url}{path}", data=body.encode(), headers=headers, timeout=20)
    return answer.status_code, answer.text, dict(answer.headers)


def test_it_does_parallel_requests_of_one_key_once(sandbox: RunningSandbox) -> None:
    start = threading.Barrier(AT_ONCE)

    def ask(_: int) -> tuple[int, str, dict[str, str]]:
        start.wait()
        return _post(sandbox, "/v1/customers", "email=owner@example.com", key="one-key")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, range(AT_ONCE)))

    assert len(sandbox.state()["customers"]) == 1
    assert {status for status, _, _ in answers} <= {200, 409}
    assert len({body for status, body, _ in answers if status == 200}) == 1


def test_it_answers_409_while_the_first_request_is_still_running(sandbox: RunningSandbox) -> None:
    sandbox.fault("delay_before", match="customers.create", seconds=0.1)
    sandbox.fault("delay_during", match="customers.create", seconds=1.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_post, sandbox, "/v1/customers", "", key="slow-key")
        threading.Event().wait(0.5)
        status, body, headers = _post(sandbox, "/v1/customers", "", key="slow-key")

        assert (status, headers["Stripe-Should-Retry"]) == (409, "true")
        assert "idempotency_key_in_use" in body
        assert first.result()[0] == 200
    assert len(sandbox.state()["customers"]) == 1


def test_it_replays_the_first_answer(sandbox: RunningSandbox) -> None:
    _, first, headers_of_first = _post(sandbox, "/v1/customers", "email=owner@example.com", key="again")

    status, second, headers = _post(sandbox, "/v1/customers", "email=owner@example.com", key="again")

    assert (status, second) == (200, first)
    assert headers["Idempotent-Replayed"] == "true"
    assert headers["Original-Request"] == headers_of_first["Request-Id"]
    assert "Idempotent-Replayed" not in headers_of_first


def test_it_replays_a_decline_without_trying_the_card_again(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    customer = client.v1.customers.create({})
    card = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    wish: Any = {"amount": 900, "currency": "usd", "customer": customer.id, "payment_method": card.id, "confirm": True, "off_session": True}

    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(wish, {"idempotency_key": "declined"})

    assert len(sandbox.state()["charges"]) == 1
    assert header_of(caught.value, "Idempotent-Replayed") == "true"


def test_it_refuses_the_key_with_other_parameters(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Alice"}, {"idempotency_key": "mine"})

    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({"name": "Bob"}, {"idempotency_key": "mine"})

    assert caught.value.http_status == 400
    assert "same parameters" in str(caught.value)


def test_it_refuses_the_key_at_another_address(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    client.v1.customers.create({}, {"idempotency_key": "mine"})

    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.update(customer.id, {}, {"idempotency_key": "mine"})


def test_it_takes_the_order_of_parameters_for_nothing(sandbox: RunningSandbox) -> None:
    _post(sandbox, "/v1/customers", "name=Alice&phone=1", key="order")

    status, _, headers = _post(sandbox, "/v1/customers", "phone=1&name=Alice", key="order")

    assert (status, headers.get("Idempotent-Replayed")) == (200, "true")


def test_it_saves_nothing_for_a_request_that_failed_validation(client: stripe.StripeClient) -> None:
    wish: Any = {"amount": "much", "currency": "usd"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create(wish, {"idempotency_key": "mended"})

    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"}, {"idempotency_key": "mended"})

    assert intent.amount == 1000


def test_it_saves_the_refusal_of_an_operation_that_began(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    """Nothing of it stays but the answer, and that is given again although the reason has gone."""
    wish: Any = {"amount": 1000, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa", "expand": ["nothing"]}

    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.payment_intents.create(wish, {"idempotency_key": "refused"})

    assert header_of(caught.value, "Idempotent-Replayed") == "true"
    state = sandbox.state()
    assert (state["payment_intents"], state["charges"], state["events"], state["deliveries"]) == ([], [], [], [])


def test_it_forgets_a_key_as_after_a_day(client: stripe.StripeClient, customer: stripe.Customer, sandbox: RunningSandbox) -> None:
    """What makes it dangerous to send again after a day: the same request is another charge."""
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    def charge() -> str:
        wish: Any = {"amount": 900, "currency": "usd", "customer": customer.id, "payment_method": card.id, "confirm": True}
        return client.v1.payment_intents.create(wish, {"idempotency_key": "old"}).id

    first = charge()
    assert charge() == first

    sandbox.forget_keys("old")

    assert charge() != first


def test_it_refuses_a_key_that_is_too_long(client: stripe.StripeClient) -> None:
    client.v1.customers.create({}, {"idempotency_key": "k" * 255})

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})


def test_it_takes_different_keys_for_different_requests(sandbox: RunningSandbox, customer: stripe.Customer) -> None:
    """The twin of the first test: without a common key, twenty requests are twenty charges."""
    client = client_of(sandbox)
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: charge_off_session(client, customer=customer.id, method=card.id), range(AT_ONCE)))

    assert len(sandbox.state()["payment_intents"]) == AT_ONCE

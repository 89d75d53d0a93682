"""Each fault of the control endpoint strikes as it says: what was done, what was not, and what the SDK makes of it."""

import time
from typing import Any

import pytest
import stripe

from stripe_sandbox.testing import ControlRefused, RunningSandbox
from stripe_sandbox.tests.conftest import client_of, error_of, header_of

CREATE: Any = {"email": "owner@example.com"}


def _customers(sandbox: RunningSandbox) -> int:
    return len(sandbox.state()["customers"])


def test_it_answers_late(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("delay_before", match="customers.create", seconds=0.3)
    sandbox.fault("delay_after", match="customers.create", seconds=0.3)

    began = time.monotonic()
    client.v1.customers.create(CREATE)

    assert time.monotonic() - began >= 0.6
    assert _customers(sandbox) == 1


def test_it_drops_the_connection_before_it_does_anything(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("drop_before", match="customers.create")

    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create(CREATE)

    assert _customers(sandbox) == 0


def test_it_resets_the_connection_after_it_has_done_it(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("reset_after", match="customers.create")

    with pytest.raises(stripe.APIConnectionError) as caught:
        client.v1.customers.create(CREATE)

    assert "reset" in str(caught.value).lower()
    assert _customers(sandbox) == 1


def test_it_times_out_after_it_has_done_it(sandbox: RunningSandbox) -> None:
    """The case that doubles charges elsewhere: the money is taken, and nobody says so."""
    patient = stripe.StripeClient(
        "sk_test_sandbox0000000000000000",
        base_addresses={"api": sandbox.api_url},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=0.5),
    )
    sandbox.fault("hang_after", match="customers.create", seconds=20)

    with pytest.raises(stripe.APIConnectionError) as caught:
        patient.v1.customers.create(CREATE)

    assert "timed out" in str(caught.value).lower()
    assert _customers(sandbox) == 1


def test_it_lets_a_retry_of_the_sdk_find_what_was_done(sandbox: RunningSandbox) -> None:
    sandbox.fault("reset_after", match="customers.create")

    customer = client_of(sandbox, retries=2).v1.customers.create(CREATE)

    state = sandbox.state()
    assert [found["id"] for found in state["customers"]] == [customer.id]
    assert [request["outcome"] for request in state["requests"]] == ["answered", "replayed"]


def test_it_fails_with_500_before_it_does_anything_and_replays_that(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("error_before", match="customers.create")

    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            client.v1.customers.create(CREATE, {"idempotency_key": "unlucky"})

    assert caught.value.http_status == 500
    assert header_of(caught.value, "Idempotent-Replayed") == "true"
    assert header_of(caught.value, "Stripe-Should-Retry") == "false"
    assert _customers(sandbox) == 0


def test_it_fails_with_500_after_it_has_done_it_and_replays_that(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("error_after", match="customers.create")

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.customers.create(CREATE, {"idempotency_key": "unlucky"})

    assert _customers(sandbox) == 1


def test_it_can_forget_a_500(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("error_before", match="customers.create", saved=False)
    with pytest.raises(stripe.APIError):
        client.v1.customers.create(CREATE, {"idempotency_key": "lucky"})

    client.v1.customers.create(CREATE, {"idempotency_key": "lucky"})

    assert _customers(sandbox) == 1


def test_it_limits_the_rate(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("rate_limit", match="customers.create")

    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.create(CREATE, {"idempotency_key": "busy"})
    client.v1.customers.create(CREATE, {"idempotency_key": "busy"})

    assert (caught.value.http_status, error_of(caught.value)["code"]) == (429, "rate_limit")
    assert _customers(sandbox) == 1


def test_it_says_that_a_key_is_in_use(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("conflict", match="customers.create")

    with pytest.raises(stripe.StripeError) as caught:
        client.v1.customers.create(CREATE)

    assert (caught.value.http_status, error_of(caught.value)["code"]) == (409, "idempotency_key_in_use")
    assert _customers(sandbox) == 0


def test_it_strikes_as_often_as_told_and_only_where_it_matches(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("rate_limit", match="customers.*", count=2)

    client.v1.events.list()
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.create(CREATE)

    client.v1.customers.create(CREATE)


def test_it_strikes_for_ever_until_cleared(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    sandbox.fault("rate_limit", count=None)
    for _ in range(3):
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.create(CREATE)

    sandbox.clear_faults()

    client.v1.customers.create(CREATE)


def test_it_strikes_by_chance_and_the_same_way_for_one_seed(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    def play() -> list[int]:
        sandbox.reset(seed=7)
        sandbox.fault("rate_limit", match="customers.create", count=None, probability=0.5)
        for _ in range(20):
            try:
                client.v1.customers.create(CREATE)
            except stripe.RateLimitError:
                continue
        return [request["status"] for request in sandbox.state()["requests"]]

    first = play()

    assert set(first) == {200, 429}
    assert play() == first


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "gremlin"},
        {"kind": "rate_limit", "secconds": 1},
        {"kind": "rate_limit", "count": 0},
        {"kind": "conflict", "probability": 2},
    ],
)
def test_it_refuses_a_fault_that_it_does_not_know(sandbox: RunningSandbox, wish: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused):
        sandbox.control("faults", **wish)

"""The rules that hold for every operation: keys, versions, parameters, expansion, paging, states."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe

from stripe_sandbox.testing import TEST_KEY, RunningSandbox
from stripe_sandbox.tests.conftest import charge_off_session, error_of, header_of, new_session, new_setup_session


@pytest.mark.parametrize("key", ["sk_live_abcdefgh12345678", "rk_live_abcdefgh12345678"])
def test_it_refuses_a_live_key(sandbox: RunningSandbox, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError, match="refuses live keys") as caught:
        stripe.StripeClient(key, base_addresses={"api": sandbox.api_url}).v1.customers.create({})

    assert caught.value.http_status == 401
    assert sandbox.state()["customers"] == []


@pytest.mark.parametrize("key", ["sk_test_", "pk_test_abcdefgh12345678", "whatever"])
def test_it_refuses_what_is_no_secret_key(sandbox: RunningSandbox, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError):
        stripe.StripeClient(key, base_addresses={"api": sandbox.api_url}).v1.customers.list()


def test_it_takes_a_restricted_test_key(sandbox: RunningSandbox) -> None:
    stripe.StripeClient("rk_test_abcdefgh12345678", base_addresses={"api": sandbox.api_url}).v1.customers.list()


def test_it_speaks_one_version_only(sandbox: RunningSandbox) -> None:
    old = stripe.StripeClient(TEST_KEY, base_addresses={"api": sandbox.api_url}, stripe_version="2022-11-15")

    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        old.v1.customers.list()


def test_it_names_each_request(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.retrieve("cus_missing")

    assert header_of(caught.value, "Request-Id").startswith("req_")
    assert header_of(caught.value, "Stripe-Version") == stripe.api_version


@pytest.mark.parametrize(
    ("wish", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": "ten", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": "10.5", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": 0, "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 1001, "currency": "kwd"}, "invalid_charge_amount", "amount"),
        ({"amount": 1000, "currency": "usd", "amonut": 1}, "parameter_unknown", "amonut"),
        (
            {"amount": 1000, "currency": "usd", "automatic_payment_methods": {"enabled": True, "x": 1}},
            "parameter_unknown",
            "automatic_payment_methods[x]",
        ),
        ({"amount": 1000, "currency": "usd", "customer": ""}, "parameter_invalid_empty", "customer"),
        ({"amount": 1000, "currency": "usd", "customer": "cus_missing"}, "resource_missing", "customer"),
        ({"amount": 1000, "currency": "usd", "payment_method": "pm_missing"}, "resource_missing", "payment_method"),
        ({"amount": 1000, "currency": "usd", "payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"amount": 1000, "currency": "usd", "confirm": True}, "payment_intent_unexpected_state", None),
        ({"amount": 1000, "currency": "usd", "off_session": True}, "payment_intent_invalid_parameter", "off_session"),
    ],
)
def test_it_says_what_is_wrong_with_a_request(
    sandbox: RunningSandbox, client: stripe.StripeClient, wish: Any, code: str, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.create(wish)

    assert (caught.value.code, caught.value.param) == (code, param)
    assert sandbox.state()["payment_intents"] == []


@pytest.mark.parametrize(("amount", "currency"), [(50, "jpy"), (30, "gbp"), (50, "usd"), (99_999_999, "usd"), (500, "kwd")])
def test_it_takes_the_least_and_the_most(client: stripe.StripeClient, amount: int, currency: str) -> None:
    assert client.v1.payment_intents.create({"amount": amount, "currency": currency}).amount == amount


def test_it_needs_a_currency_to_set_a_card_up(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create({"mode": "setup", "success_url": "https://example.com"})

    assert caught.value.param == "currency"


@pytest.mark.parametrize(
    "more", [{"setup_intent_data": {"description": "x"}}, {"customer_email": "x@example.com", "customer": "CUSTOMER"}, {"line_items": []}]
)
def test_it_refuses_what_does_not_go_together(client: stripe.StripeClient, customer: stripe.Customer, more: dict[str, Any]) -> None:
    wish: dict[str, Any] = {name: customer.id if value == "CUSTOMER" else value for name, value in more.items()}

    with pytest.raises(stripe.InvalidRequestError):
        new_session(client, **wish)


def test_it_refuses_payment_data_where_a_card_is_only_saved(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent_data"):
        new_setup_session(client, payment_intent_data={"description": "x"})


def test_it_refuses_to_expand_what_is_no_object(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.customers.retrieve(customer.id, {"expand": ["email"]})
    with pytest.raises(stripe.InvalidRequestError, match=r"data\.customer"):
        client.v1.payment_intents.list({"expand": ["customer"]})


def test_it_pages_newest_first(client: stripe.StripeClient) -> None:
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(25)]

    first = client.v1.customers.list({"limit": 10})
    rest = client.v1.customers.list({"limit": 100, "starting_after": first.data[-1].id})
    back = client.v1.customers.list({"limit": 10, "ending_before": rest.data[0].id})

    assert [found.id for found in [*first.data, *rest.data]] == made[::-1]
    assert (first.has_more, rest.has_more) == (True, False)
    assert [found.id for found in back.data] == [found.id for found in first.data]
    assert [found.id for found in client.v1.customers.list({"limit": 7}).auto_paging_iter()] == made[::-1]


@pytest.mark.parametrize("limit", [0, 101])
def test_it_limits_a_page(client: stripe.StripeClient, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.list({"limit": limit})


def test_it_lists_by_time_and_customer(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    ours = client.v1.payment_intents.create({"amount": 1000, "currency": "usd", "customer": customer.id})
    client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})

    def found(created: Any) -> list[str]:
        return [intent.id for intent in client.v1.payment_intents.list({"customer": customer.id, "created": created}).data]

    assert found({"gte": ours.created}) == [ours.id]
    assert found({"gt": ours.created}) == []
    assert found({"lt": ours.created + 1}) == [ours.id]
    assert found(ours.created) == [ours.id]


def test_it_merges_metadata(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"keep": "1", "drop": "2"}})

    updated = client.v1.customers.update(customer.id, {"metadata": {"drop": "", "new": "3"}})

    assert updated.to_dict()["metadata"] == {"keep": "1", "new": "3"}
    assert client.v1.customers.update(customer.id, {"metadata": ""}).to_dict()["metadata"] == {}


def test_it_refuses_a_card_of_somebody_else(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    stranger = client.v1.customers.create({})
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": stranger.id})

    with pytest.raises(stripe.InvalidRequestError, match="belongs to a different Customer"):
        charge_off_session(client, customer=customer.id, method=card.id)
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(card.id, {"customer": customer.id})


def test_it_refuses_a_card_that_was_detached(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})

    client.v1.payment_methods.detach(card.id)

    settings = client.v1.customers.retrieve(customer.id).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charge_off_session(client, customer=customer.id, method=card.id)


@pytest.mark.parametrize(
    "use",
    [
        lambda v1, customer: v1.payment_intents.create({"amount": 2000, "currency": "usd", "customer": customer}),
        lambda v1, customer: v1.setup_intents.create({"customer": customer}),
        lambda v1, customer: v1.payment_methods.attach("pm_card_visa", {"customer": customer}),
        lambda v1, customer: v1.checkout.sessions.create(
            {"mode": "setup", "currency": "usd", "customer": customer, "success_url": "https://example.com"}
        ),
    ],
    ids=["payment", "setup", "card", "session"],
)
def test_it_takes_no_deleted_customer(client: stripe.StripeClient, customer: stripe.Customer, use: Callable[[Any, str], object]) -> None:
    client.v1.customers.delete(customer.id)

    with pytest.raises(stripe.InvalidRequestError, match=f"No such customer: '{customer.id}'") as caught:
        use(client.v1, customer.id)

    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, "resource_missing", "customer")


def test_it_forgets_a_deleted_customer_but_for_its_id(
    sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    paid = charge_off_session(client, customer=customer.id, method=card.id)

    answer = client.v1.customers.delete(customer.id)

    assert (
        answer.to_dict()
        == client.v1.customers.retrieve(customer.id).to_dict()
        == {
            "id": customer.id,
            "object": "customer",
            "deleted": True,
        }
    )
    assert client.v1.customers.list().data == []
    assert client.v1.payment_methods.retrieve(card.id).customer is None
    assert client.v1.payment_intents.retrieve(paid.id).customer == customer.id
    (event,) = [event for event in sandbox.state()["events"] if event["type"] == "customer.deleted"]
    assert event["data"]["object"]["id"] == customer.id
    for act in (client.v1.customers.delete, client.v1.customers.update):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            act(customer.id)
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_it_lets_nobody_pay_for_a_deleted_customer(sandbox: RunningSandbox, client: stripe.StripeClient, customer: stripe.Customer) -> None:
    session = new_session(client, customer=customer.id)
    client.v1.customers.delete(customer.id)

    page = sandbox.pay_checkout(session.url or "")

    assert (page.status, page.error) == (402, "Something went wrong. You were not charged.")
    assert sandbox.state()["payment_intents"] == []
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"


def test_it_ends_a_payment_once(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    paid = charge_off_session(client, customer=customer.id, method=card.id)

    with pytest.raises(stripe.InvalidRequestError) as confirming:
        client.v1.payment_intents.confirm(paid.id)
    with pytest.raises(stripe.InvalidRequestError) as canceling:
        client.v1.payment_intents.cancel(paid.id)

    for caught in (confirming, canceling):
        assert caught.value.code == "payment_intent_unexpected_state"
        assert error_of(caught.value)["payment_intent"]["status"] == "succeeded"


def test_it_tries_another_card_on_the_same_payment(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    with pytest.raises(stripe.CardError) as caught:
        charge_off_session(client, customer=customer.id, method=bad.id)

    intent = error_of(caught.value)["payment_intent"]["id"]
    paid = client.v1.payment_intents.confirm(intent, {"payment_method": good.id, "off_session": True})

    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


def test_it_answers_404_for_an_unknown_address(sandbox: RunningSandbox, client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        client.raw_request("get", "/v1/horses")


def test_it_listens_to_no_page_in_a_browser(sandbox: RunningSandbox) -> None:
    """A page elsewhere whose name points here, or a form sent blindly: neither reaches the API or the control endpoint."""
    foreign = {"Host": "evil.example", "Authorization": f"Bearer {TEST_KEY}"}
    form = {"Content-Type": "text/plain"}
    for path, headers, status in (("/v1/customers", foreign, 403), ("/_control/state", foreign, 403), ("/_control/reset", form, 400)):
        data = b"{}" if headers is form else None
        answer = requests.request("POST" if data else "GET", f"{sandbox.api_url}{path}", data=data, headers=headers, timeout=20)
        assert answer.status_code == status

"""Whatever the gateway asks of Stripe is what Stripe's own OpenAPI document allows, and every operation of it is asked."""

import importlib.util
import inspect
import urllib.parse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stripe
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from wallet import stripe_gateway as gateway
from wallet.errors import GatewayError

DOCUMENT = Path(__file__).resolve().parents[2].parent / "shared" / "stripe" / "contract.py"
pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="Stripe's OpenAPI document (../shared/stripe) is not here to hold the gateway against"
)
Request = tuple[str, str, str]


@pytest.fixture(scope="module")
def contract() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stripe_contract", DOCUMENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def requests(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What went over the wire: method, path, and the form as sent."""
    sent: list[Request] = []
    ask = stripe.RequestsClient.request

    def note(self: stripe.RequestsClient, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
        parts = urllib.parse.urlsplit(url)
        sent.append((method, parts.path, post_data or ""))
        assert headers["Stripe-Version"] == gateway.API_VERSION
        return ask(self, method, url, headers, post_data)

    monkeypatch.setattr(stripe.RequestsClient, "request", note)
    return sent


def use_everything(sandbox: RunningSandbox) -> None:
    """Calls every function of the gateway that asks Stripe."""
    since = timezone.now() - timedelta(minutes=5)
    customer = gateway.create_customer(name="Acme Calls", workspace="ws_1", idempotency_key="cust-1")
    gateway.find_customer(workspace="ws_1", since=since)
    gateway.forget_payer(customer)
    gateway.is_customer_deleted(customer)
    session: dict[str, Any] = {
        "customer_id": customer,
        "currency": "usd",
        "metadata": {"top_up_id": "t1", "attempt_id": "a1", "workspace": "ws_1", "origin": "payment_link"},
        "expires_at": datetime.now(UTC) + timedelta(hours=2),
        "success_url": "https://billing.example.com/pay/x/return",
        "cancel_url": "https://billing.example.com/pay/x",
    }
    product: dict[str, Any] = {"amount_micros": 20_000_000, "product_name": "Wallet balance"}
    paid = gateway.open_payment_checkout(**session, **product, saves_card=True, idempotency_key="checkout-1")
    gateway.open_payment_checkout(**session, **product, saves_card=False, idempotency_key="checkout-2")
    card_session = gateway.open_card_checkout(**session, idempotency_key="checkout-3")
    sandbox.pay_checkout(paid.url)
    payment = gateway.retrieve_checkout(paid.id).payment
    assert payment is not None
    assert payment.card is not None
    gateway.find_checkout(customer_id=customer, attempt_id="a1", since=since)
    gateway.expire_checkout(card_session.id)
    gateway.retrieve_card(payment.card.payment_method_id)
    again = gateway.charge_card(
        customer_id=customer,
        payment_method_id=payment.card.payment_method_id,
        amount_micros=5_000_000,
        currency="usd",
        description="Wallet balance",
        metadata={"top_up_id": "t2"},
        idempotency_key="top-up-2",
    )
    gateway.retrieve_payment(again.id)
    gateway.cancel_payment(again.id)
    refund = gateway.create_refund(
        payment_id=again.id, amount_micros=1_000_000, currency="usd", metadata={"reason": "x"}, idempotency_key="refund-1"
    )
    gateway.retrieve_refund(refund.id)
    gateway.retrieve_dispute(sandbox.open_dispute(payment.id)["id"])
    assert all([list(gateway.payments_since(since)), list(gateway.payments_since(since, customer_id=customer))])
    assert list(gateway.movements_since(since))
    assert all([list(gateway.refunds_since(since)), list(gateway.refunds_of_payment(again.id)), list(gateway.disputes_since(since))])
    gateway.detach_card(payment.card.payment_method_id)


def test_it_sends_only_what_stripes_document_allows(sandbox: RunningSandbox, requests: list[Request], contract: ModuleType) -> None:
    use_everything(sandbox)

    assert gateway.API_VERSION == contract.VERSION
    faults = {f"{method} {path}": contract.request_faults(method, path, body) for method, path, body in requests}
    assert {where: found for where, found in faults.items() if found} == {}


def test_it_leaves_no_function_of_the_gateway_out(sandbox: RunningSandbox) -> None:
    asking = {
        name
        for name, function in inspect.getmembers(gateway, inspect.isfunction)
        if function.__module__ == gateway.__name__ and not name.startswith("_") and "_our_errors" in inspect.getsource(function)
    }
    asking |= {"open_payment_checkout", "open_card_checkout"}

    used = inspect.getsource(use_everything)
    assert {name for name in asking if f"gateway.{name}(" not in used} == set()


def test_it_never_chooses_the_payment_methods_by_type(sandbox: RunningSandbox, requests: list[Request]) -> None:
    """Stripe's newer SDKs have dropped the parameter; the dashboard decides."""
    use_everything(sandbox)

    assert not [body for _, _, body in requests if "payment_method_types" in body]


def test_it_gives_every_request_that_makes_something_a_key(sandbox: RunningSandbox) -> None:
    use_everything(sandbox)

    made = [request for request in sandbox.state()["requests"] if request["operation"].endswith(".create")]
    assert made
    assert all(request["idempotency_key"] for request in made)


def test_it_raises_only_errors_of_ours(sandbox: RunningSandbox) -> None:
    for fault in ("drop_before", "reset_after", "error_before", "error_after", "rate_limit"):
        sandbox.fault(fault, match="*")

        with pytest.raises(GatewayError):
            list(gateway.payments_since(timezone.now()))

"""Every operation, through the real SDK, held against Stripe's own OpenAPI document: what is sent, and what comes back."""

import importlib.util
import json
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stripe

from stripe_sandbox import API_VERSION, routes
from stripe_sandbox.testing import TEST_KEY, RunningSandbox
from stripe_sandbox.tests.conftest import charge_off_session, new_session, new_setup_session

DOCUMENT = Path(__file__).resolve().parents[2].parent / "shared" / "stripe" / "contract.py"
pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="Stripe's OpenAPI document (../shared/stripe) is not here to hold the sandbox against"
)
NAMES = [operation.name for operation in routes.OPERATIONS]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer, as they went over the wire."""

    method: str
    path: str
    query: str
    body: str
    status: int
    answer: Any

    @property
    def operation(self) -> str:
        found = routes.find(self.method.upper(), self.path)
        return found[0].name if found else ""


class Recorder(stripe.RequestsClient):
    """The SDK's own HTTP client; it notes what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []

    def request(self, *arguments: Any, **options: Any) -> Any:
        method, url, _, sent = arguments
        content, status, headers = super().request(*arguments, **options)
        parts = urllib.parse.urlsplit(url)
        exchange = Exchange(method=method, path=parts.path, query=parts.query, body=sent or "", status=status, answer=json.loads(content))
        self.exchanges.append(exchange)
        return content, status, headers


@pytest.fixture(scope="module")
def contract() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stripe_contract", DOCUMENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def exchanges(_sandbox: RunningSandbox) -> list[Exchange]:
    """Everything the driver below said and heard."""
    _sandbox.reset(seed=1)
    recorder = Recorder()
    client = stripe.StripeClient(TEST_KEY, base_addresses={"api": _sandbox.api_url}, http_client=recorder, max_network_retries=0)
    _drive_customers_and_cards(client)
    _drive_checkout(client, _sandbox)
    _drive_payments(client)
    _drive_setups(client)
    _drive_money_back(client, _sandbox)
    _drive_books(client)
    _drive_refusals(client)
    return recorder.exchanges


def _refused(act: Any, *arguments: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        act(*arguments)
    return caught.value


def _drive_customers_and_cards(client: stripe.StripeClient) -> None:
    v1 = client.v1
    customer = v1.customers.create(
        {
            "email": "owner@example.com",
            "name": "Alice",
            "phone": "+15555550100",
            "metadata": {"workspace": "7"},
            "address": {"country": "US", "postal_code": "94107"},
        }
    )
    card = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    spare = v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id, "expand": ["customer"]})
    v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}, "metadata": {"workspace": "8"}})
    v1.customers.retrieve(customer.id, {"expand": ["invoice_settings.default_payment_method"]})
    v1.customers.list({"limit": 3, "email": "owner@example.com", "created": {"gte": 1}})
    v1.customers.payment_methods.list(customer.id, {"type": "card", "limit": 1})
    v1.payment_methods.list({"customer": customer.id, "type": "card", "expand": ["data.customer"]})
    v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"name": "Alice"}})
    v1.payment_methods.retrieve(card.id)
    v1.payment_methods.update(card.id, {"card": {"exp_month": 1, "exp_year": 2040}, "metadata": {"label": "main"}})
    v1.payment_methods.detach(spare.id)
    v1.customers.delete(customer.id)
    v1.customers.retrieve(customer.id)


def _drive_checkout(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    v1 = client.v1
    customer = v1.customers.create({"email": "owner@example.com"})
    session = new_session(
        client,
        customer=customer.id,
        client_reference_id="top-up-1",
        metadata={"top_up": "1"},
        payment_intent_data={"setup_future_usage": "off_session", "metadata": {"top_up": "1"}, "description": "Wallet balance"},
        consent_collection={"payment_method_reuse_agreement": {"position": "auto"}},
        custom_text={"submit": {"message": "Credited at once."}},
        branding_settings={"display_name": "Acme Calls"},
        submit_type="pay",
    )
    v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items", "customer"]})
    sandbox.pay_checkout(session.url or "", card="4000000000000002")
    sandbox.pay_checkout(session.url or "")
    v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge.balance_transaction", "payment_intent.payment_method"]}
    )
    debit = new_session(client)
    sandbox.pay_checkout_by_bank(debit.url or "")
    v1.checkout.sessions.retrieve(debit.id, {"expand": ["payment_intent.latest_charge", "payment_intent.payment_method"]})
    setup = new_setup_session(client, customer=customer.id, setup_intent_data={"metadata": {"purpose": "card"}})
    v1.checkout.sessions.retrieve(setup.id, {"expand": ["setup_intent"]})
    sandbox.pay_checkout(setup.url or "", card="4000002500003155")
    v1.checkout.sessions.retrieve(setup.id, {"expand": ["setup_intent.payment_method"]})
    v1.checkout.sessions.expire(new_session(client, amount=1200, currency="jpy").id)
    v1.checkout.sessions.list({"customer": customer.id, "status": "complete", "limit": 2, "expand": ["data.payment_intent"]})


def _drive_payments(client: stripe.StripeClient) -> None:
    v1 = client.v1
    customer = v1.customers.create({"email": "owner@example.com", "payment_method": "pm_card_visa"})
    card = v1.customers.payment_methods.list(customer.id).data[0].id
    paid = charge_off_session(client, customer=customer.id, method=card, metadata={"attempt": "1"}, description="Automatic payment")
    v1.payment_intents.retrieve(paid.id, {"expand": ["latest_charge.payment_intent", "customer"]})
    v1.payment_intents.update(paid.id, {"metadata": {"attempt": "2"}})
    v1.payment_intents.list({"customer": customer.id, "created": {"gte": paid.created - 5}, "limit": 1})
    for name in ("pm_card_chargeCustomerFail", "pm_card_authenticationRequired"):
        method = v1.payment_methods.attach(name, {"customer": customer.id}).id
        _refused(lambda method=method: charge_off_session(client, customer=customer.id, method=method))
    asked = v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "eur",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "https://example.com/back",
            "automatic_payment_methods": {"enabled": True},
        }
    )
    assert asked.status == "requires_action"
    v1.payment_intents.cancel(asked.id, {"cancellation_reason": "abandoned"})
    later = v1.payment_intents.create({"amount": 900, "currency": "usd", "customer": customer.id})
    v1.payment_intents.confirm(later.id, {"payment_method": card, "off_session": True})


def _drive_setups(client: stripe.StripeClient) -> None:
    v1 = client.v1
    customer = v1.customers.create({})
    setup = v1.setup_intents.create({"customer": customer.id, "usage": "off_session", "metadata": {"purpose": "card"}})
    v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})
    v1.setup_intents.retrieve(setup.id, {"expand": ["payment_method"]})
    v1.setup_intents.list({"customer": customer.id})
    failing = v1.setup_intents.create({"customer": customer.id})
    _refused(lambda: v1.setup_intents.confirm(failing.id, {"payment_method": "pm_card_chargeDeclined"}))
    v1.setup_intents.cancel(failing.id, {"cancellation_reason": "abandoned"})
    asked: Any = {"payment_method": "pm_card_authenticationRequired", "confirm": True, "return_url": "https://example.com/back"}
    v1.setup_intents.create(asked)


def _drive_money_back(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    v1 = client.v1
    customer = v1.customers.create({"payment_method": "pm_card_visa"})
    card = v1.customers.payment_methods.list(customer.id).data[0].id
    paid = charge_off_session(client, customer=customer.id, method=card)
    refund = v1.refunds.create({"payment_intent": paid.id, "amount": 500, "reason": "requested_by_customer", "metadata": {"by": "staff"}})
    sandbox.fail_refund(refund.id)
    v1.refunds.retrieve(refund.id, {"expand": ["charge", "balance_transaction", "failure_balance_transaction"]})
    v1.refunds.update(refund.id, {"metadata": {"by": "owner"}})
    v1.refunds.list({"payment_intent": paid.id})
    charge = v1.charges.retrieve(str(paid.latest_charge), {"expand": ["refunds", "balance_transaction"]})
    v1.charges.update(charge.id, {"description": "Automatic payment"})
    v1.charges.list({"payment_intent": paid.id, "expand": ["data.customer"]})
    dispute = sandbox.open_dispute(paid.id)
    v1.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": "The call log."}, "submit": False, "metadata": {"case": "1"}})
    v1.disputes.retrieve(dispute["id"], {"expand": ["charge", "payment_intent"]})
    v1.disputes.close(dispute["id"])
    v1.disputes.list({"payment_intent": paid.id})
    other = charge_off_session(client, customer=customer.id, method=card)
    sandbox.win_dispute(sandbox.open_dispute(other.id)["id"])
    v1.disputes.list({"charge": str(other.latest_charge)})


def _drive_books(client: stripe.StripeClient) -> None:
    v1 = client.v1
    rows = v1.balance_transactions.list({"limit": 100, "expand": ["data.source"]})
    v1.balance_transactions.list({"type": "refund", "created": {"gte": 1}})
    v1.balance_transactions.retrieve(rows.data[0].id)
    events = v1.events.list({"limit": 100, "created": {"gte": 1}})
    v1.events.list({"types": ["charge.refunded", "payment_intent.succeeded"], "limit": 5})
    v1.events.retrieve(events.data[0].id)


def _drive_refusals(client: stripe.StripeClient) -> None:
    v1 = client.v1
    for act in (
        lambda: v1.customers.retrieve("cus_missing"),
        lambda: v1.payment_intents.retrieve("pi_missing"),
        lambda: v1.payment_intents.create({"amount": 20, "currency": "usd"}),
        lambda: v1.payment_intents.create({"amount": 2000, "currency": "zzz"}),
        lambda: v1.checkout.sessions.retrieve("cs_missing"),
        lambda: v1.refunds.create({"charge": "ch_missing"}),
    ):
        assert isinstance(_refused(act), stripe.InvalidRequestError)


def _unknown_members(contract: ModuleType, schema: Mapping[str, Any], value: Any, *, path: str = "") -> Iterator[str]:
    """Members of an answer that Stripe's document does not have: the schemas allow them, but Stripe would not send them."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        yield from _unknown_members(contract, contract.SPEC["components"]["schemas"][name], value, path=path)
    elif "anyOf" in schema:
        findings = [
            list(_unknown_members(contract, option, value, path=path)) for option in schema["anyOf"] if _fits(contract, option, value)
        ]
        yield from min(findings, key=len, default=[])
    elif isinstance(value, dict) and "properties" in schema:
        for name, child in value.items():
            if name in schema["properties"]:
                yield from _unknown_members(contract, schema["properties"][name], child, path=f"{path}/{name}")
            else:
                yield f"{path}/{name} is not in Stripe's document"
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _unknown_members(contract, schema.get("items", {}), child, path=f"{path}/{index}")


def _fits(contract: ModuleType, schema: Mapping[str, Any], value: Any) -> bool:
    if "$ref" not in schema:
        return (schema.get("type") == "object") == isinstance(value, dict)
    if not isinstance(value, dict):
        return False
    named = contract.SPEC["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]["properties"].get("object", {}).get("enum")
    return named is None or value.get("object") in named


def _faults(contract: ModuleType, exchange: Exchange) -> list[str]:
    described = contract.operation(exchange.method, exchange.path)
    asked = {name.split("[")[0] for name, _ in urllib.parse.parse_qsl(exchange.query)}
    known = {parameter["name"] for parameter in described.get("parameters", [])}
    faults = [f"query: {name} is not in Stripe's document" for name in sorted(asked - known)]
    faults += contract.request_faults(exchange.method, exchange.path, exchange.body)
    faults += contract.response_faults(exchange.method, exchange.path, exchange.status, exchange.answer)
    responses = described["responses"]
    content = responses.get(str(exchange.status), responses["default"])["content"]
    return [*faults, *_unknown_members(contract, content["application/json"]["schema"], exchange.answer)]


def test_it_speaks_the_version_of_the_document(contract: ModuleType) -> None:
    assert contract.VERSION == API_VERSION == stripe.api_version


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_to_stripes_document(name: str, exchanges: list[Exchange], contract: ModuleType) -> None:
    ours = [exchange for exchange in exchanges if exchange.operation == name]

    faults = [fault for exchange in ours for fault in _faults(contract, exchange)]

    assert ours, "the driver never asked for it"
    assert any(exchange.status == 200 for exchange in ours)
    assert faults == []


def test_it_would_notice_a_fault(exchanges: list[Exchange], contract: ModuleType) -> None:
    """The check checks: the same answers with one member spoilt or added are refused."""
    good = next(exchange for exchange in exchanges if exchange.operation == "payment_intents.create" and exchange.status == 200)

    spoilt = Exchange(**{**vars(good), "answer": {**good.answer, "amount": "2500"}})
    invented = Exchange(**{**vars(good), "answer": {**good.answer, "wallet": "w_1"}})
    misasked = Exchange(**{**vars(good), "body": good.body.replace("amount=2500", "amount=plenty")})

    assert _faults(contract, good) == []
    assert all(_faults(contract, bad) for bad in (spoilt, invented, misasked))


def test_it_sends_events_that_keep_to_the_document(exchanges: list[Exchange], contract: ModuleType) -> None:
    events = [event for exchange in exchanges if exchange.operation == "events.list" for event in exchange.answer["data"]]
    schemas = contract.SPEC["components"]["schemas"]

    faults = []
    for event in events:
        about = event["data"]["object"]
        schema = {"$ref": f"urn:stripe#/components/schemas/{about['object']}"}
        assert about["object"] in schemas
        faults += [f"{event['type']}: {fault}" for fault in _unknown_members(contract, schema, about)]

    assert len({event["type"] for event in events}) > 20
    assert faults == []

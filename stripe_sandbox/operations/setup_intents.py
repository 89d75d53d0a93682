"""SetupIntents: the wish to keep a payment method for later, without taking money."""

from typing import Any

from stripe_sandbox import cards, listing, params
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.operations import payment_methods
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

_CONFIRMING: dict[str, params.Kind] = {
    "payment_method": params.filled_text,
    "return_url": params.web_address,
    "use_stripe_sdk": params.boolean,
    **params.EXPAND,
}
CREATE: dict[str, params.Kind] = {
    "automatic_payment_methods": params.hash_of(
        {"enabled": params.boolean, "allow_redirects": params.one_of("always", "never")}, required=("enabled",)
    ),
    "confirm": params.boolean,
    "customer": params.filled_text,
    "description": params.text,
    "metadata": params.metadata,
    "usage": params.one_of("off_session", "on_session"),
    **_CONFIRMING,
}
CONFIRM = _CONFIRMING
CANCEL: dict[str, params.Kind] = {
    "cancellation_reason": params.one_of("abandoned", "duplicate", "requested_by_customer"),
    **params.EXPAND,
}
LIST: dict[str, params.Kind] = {
    "created": params.range_of_times,
    "customer": params.text,
    "payment_method": params.text,
    **params.PAGING,
}
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def new(tx: Transaction, wish: dict[str, Any]) -> Document:
    intent_id = new_id("seti")
    intent: Document = {
        "id": intent_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True, **wish.get("automatic_payment_methods", {})},
        "cancellation_reason": None,
        "client_secret": f"{intent_id}_{new_id('secret', length=25)}",
        "created": tx.now,
        "customer": wish.get("customer"),
        "description": wish.get("description"),
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merged({}, wish),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": wish.get("usage", "off_session"),
        "_return_url": wish.get("return_url"),
    }
    if "customer" in wish:
        tx.fetch_named("customer", wish)
    tx.save(intent)
    tx.emit("setup_intent.created", about=intent)
    return intent


def create(tx: Transaction, wish: dict[str, Any]) -> Document:
    intent = new(tx, wish)
    if "payment_method" in wish:
        intent.update(payment_method=payment_methods.named_or_saved(tx, wish["payment_method"])["id"], status="requires_confirmation")
        tx.save(intent)
    return _confirmed(tx, intent, wish) if wish.get("confirm") else public(intent)


def confirm(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    return _confirmed(tx, _open(tx, intent, verb="confirm"), wish)


def _confirmed(tx: Transaction, intent: Document, wish: dict[str, Any]) -> Document:
    method_id = wish.get("payment_method", intent["payment_method"])
    if method_id is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise InvalidRequest(message, code="setup_intent_unexpected_state", setup_intent=public(intent))
    intent["_return_url"] = wish.get("return_url", intent["_return_url"])
    decline = attempt(tx, intent, method=payment_methods.named_or_saved(tx, method_id))
    if decline:
        method = intent["last_setup_error"]["payment_method"]
        raise payment_methods.declined(decline, setup_intent=public(intent), payment_method=method)
    return public(intent)


def attempt(tx: Transaction, intent: Document, *, method: Document, authenticated: bool = False) -> cards.Decline | None:
    """Try to save the method. The intent's status tells what came of it."""
    behaviour = cards.BEHAVIOURS[method["_behaviour"]]
    if behaviour.needs_authentication and not authenticated:
        return_url = intent["_return_url"]
        page = f"{tx.config.checkout_url}/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
        redirect = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
        sdk = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}
        intent.update(payment_method=method["id"], status="requires_action", next_action=redirect if return_url else sdk)
        tx.save(intent)
        tx.emit("setup_intent.requires_action", about=intent)
        return None
    if behaviour.decline and not behaviour.declines_only_charges:
        record_failure(tx, intent, decline=behaviour.decline, method=method)
        return behaviour.decline
    if intent["customer"]:
        payment_methods.attach_to(tx, method, customer=intent["customer"])
    intent.update(payment_method=method["id"], status="succeeded", next_action=None, last_setup_error=None)
    tx.save(intent)
    tx.emit("setup_intent.succeeded", about=intent)
    return None


def record_failure(tx: Transaction, intent: Document, *, decline: cards.Decline, method: Document) -> None:
    error = payment_methods.declined(decline).body()["error"]
    intent.update(
        last_setup_error={**error, "payment_method": public(method)},
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    tx.save(intent)
    tx.emit("setup_intent.setup_failed", about=intent)


def cancel(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    document = _open(tx, intent, verb="cancel")
    document.update(status="canceled", cancellation_reason=wish.get("cancellation_reason"), next_action=None)
    tx.save(document)
    tx.emit("setup_intent.canceled", about=document)
    return public(document)


def retrieve(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    return public(tx.fetch("setup_intent", object_id=intent, param="intent"))


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {name: wish.get(name) for name in ("customer", "payment_method")}
    return listing.page(tx, "setup_intent", url="/v1/setup_intents", params=wish, equals=equals)


def _open(tx: Transaction, object_id: str, *, verb: str) -> Document:
    document = tx.fetch("setup_intent", object_id=object_id, param="intent")
    if document["status"] not in OPEN:
        message = f"You cannot {verb} this SetupIntent because it has a status of {document['status']}."
        raise InvalidRequest(message, code="setup_intent_unexpected_state", setup_intent=public(document))
    return document

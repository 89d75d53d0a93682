"""PaymentIntents: the wish to collect an amount, from its making to its end."""

from typing import Any

from stripe_sandbox import cards, listing, params
from stripe_sandbox.currencies import check_chargeable
from stripe_sandbox.errors import CardDeclined, InvalidRequest
from stripe_sandbox.operations import charging, payment_methods
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

_CONFIRMING: dict[str, params.Kind] = {
    "error_on_requires_action": params.boolean,
    "off_session": lambda value, path: value if value in ("one_off", "recurring") else params.boolean(value, path),
    "payment_method": params.filled_text,
    "receipt_email": params.text,
    "return_url": params.web_address,
    "setup_future_usage": params.one_of("off_session", "on_session"),
    "use_stripe_sdk": params.boolean,
    **params.EXPAND,
}
_DESCRIBING: dict[str, params.Kind] = {
    "customer": params.filled_text,
    "description": params.text,
    "metadata": params.metadata,
    "statement_descriptor": params.text,
    "statement_descriptor_suffix": params.text,
}
CREATE: dict[str, params.Kind] = {
    "amount": params.integer,
    "currency": params.currency,
    "automatic_payment_methods": params.hash_of(
        {"enabled": params.boolean, "allow_redirects": params.one_of("always", "never")}, required=("enabled",)
    ),
    "capture_method": params.one_of("automatic", "automatic_async"),
    "confirm": params.boolean,
    "confirmation_method": params.one_of("automatic", "manual"),
    **_DESCRIBING,
    **_CONFIRMING,
}
CREATE_REQUIRED = ("amount", "currency")
UPDATE: dict[str, params.Kind] = {
    "amount": params.integer,
    "currency": params.currency,
    "payment_method": params.filled_text,
    "receipt_email": params.text,
    "setup_future_usage": params.one_of("off_session", "on_session"),
    **_DESCRIBING,
    **params.EXPAND,
}
CONFIRM = _CONFIRMING
CANCEL: dict[str, params.Kind] = {
    "cancellation_reason": params.one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer"),
    **params.EXPAND,
}
LIST: dict[str, params.Kind] = {"created": params.range_of_times, "customer": params.text, **params.PAGING}
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = CONFIRMABLE
_PLAIN = ("description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix")


def new(tx: Transaction, wish: dict[str, Any]) -> Document:
    """A saved intent that nobody has confirmed; with its event."""
    check_chargeable(wish["amount"], currency=wish["currency"], param="amount")
    intent_id = new_id("pi")
    intent: Document = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": wish["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True, **wish.get("automatic_payment_methods", {})},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": wish.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_{new_id('secret', length=25)}",
        "confirmation_method": wish.get("confirmation_method", "automatic"),
        "created": tx.now,
        "currency": wish["currency"],
        "customer": wish.get("customer"),
        "description": wish.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged({}, wish),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": wish.get("receipt_email"),
        "review": None,
        "setup_future_usage": wish.get("setup_future_usage"),
        "shipping": None,
        "statement_descriptor": wish.get("statement_descriptor"),
        "statement_descriptor_suffix": wish.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        "_return_url": wish.get("return_url"),
    }
    if "customer" in wish:
        tx.fetch_named("customer", wish)
    if "payment_method" in wish:
        _use(tx, intent, object_id=wish["payment_method"])
    tx.save(intent)
    tx.emit("payment_intent.created", about=intent)
    return intent


def create(tx: Transaction, wish: dict[str, Any]) -> Document:
    if not wish.get("confirm"):
        for name in ("off_session", "error_on_requires_action", "return_url"):
            if wish.get(name):
                message = f"You can only set `{name}` when `confirm` is true."
                raise InvalidRequest(message, code="payment_intent_invalid_parameter", param=name)
    intent = new(tx, wish)
    return _confirmed(tx, intent, wish) if wish.get("confirm") else public(intent)


def confirm(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    document = tx.fetch("payment_intent", object_id=intent, param="intent")
    if document["status"] not in CONFIRMABLE:
        done = "You cannot confirm this PaymentIntent because it has " if document["status"] in ("succeeded", "canceled") else ""
        message = (
            f"{done}already {'succeeded after being previously confirmed' if document['status'] == 'succeeded' else 'been canceled'}."
            if done
            else f"This PaymentIntent's status is {document['status']}: it cannot be confirmed."
        )
        raise _unexpected_state(message, document)
    return _confirmed(tx, document, wish)


def _confirmed(tx: Transaction, intent: Document, wish: dict[str, Any]) -> Document:
    if "payment_method" in wish and wish["payment_method"] != intent["payment_method"]:
        _use(tx, intent, object_id=wish["payment_method"])
    if intent["payment_method"] is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a "
            "payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken."
        )
        raise _unexpected_state(message, intent)
    intent.update({name: wish[name] for name in ("receipt_email", "setup_future_usage") if wish.get(name)})
    intent["_return_url"] = wish.get("return_url", intent["_return_url"])
    must_not_wait = bool(wish.get("off_session")) or wish.get("error_on_requires_action", False)
    decline = charging.attempt(tx, intent, off_session=must_not_wait)
    if decline:
        raise refused(intent, decline=decline)
    return public(intent)


def refused(intent: Document, *, decline: cards.Decline) -> CardDeclined:
    """The card error as Stripe gives it: with the intent and the payment method that was tried."""
    return payment_methods.declined(
        decline,
        charge=intent["latest_charge"],
        payment_intent=public(intent),
        payment_method=intent["last_payment_error"]["payment_method"],
    )


def _use(tx: Transaction, intent: Document, *, object_id: str) -> None:
    """Put a payment method on the intent. Raises InvalidRequest where Stripe would not let it be used."""
    method = payment_methods.named_or_saved(tx, object_id)
    if method["customer"] and method["customer"] != intent["customer"]:
        message = (
            f"The payment method supplied ({object_id}) belongs to a different Customer than the one on the PaymentIntent."
            if intent["customer"]
            else f"The payment method supplied ({object_id}) belongs to a Customer. Please include the Customer in the `customer` "
            "parameter on the PaymentIntent."
        )
        raise InvalidRequest(message, code="payment_intent_invalid_parameter", param="payment_method")
    if method["_is_spent"]:
        message = (
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected "
            "account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod "
            "multiple times, you must attach it to a Customer first."
        )
        raise InvalidRequest(message, param="payment_method")
    intent.update(payment_method=method["id"], status="requires_confirmation")


def retrieve(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    return public(tx.fetch("payment_intent", object_id=intent, param="intent"))


def update(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    document = tx.fetch("payment_intent", object_id=intent, param="intent")
    is_ended = document["status"] in ("succeeded", "canceled", "processing")
    if is_ended and set(wish) - {"metadata", "description", "expand"}:
        raise _unexpected_state(f"This PaymentIntent's status is {document['status']}: it can no longer be changed.", document)
    document["metadata"] = merged(document["metadata"], wish)
    document.update({name: wish[name] or None for name in (*_PLAIN, "customer") if name in wish})
    document.update({name: wish[name] for name in ("amount", "currency") if name in wish})
    check_chargeable(document["amount"], currency=document["currency"], param="amount")
    if "customer" in wish:
        tx.fetch_named("customer", wish)
    if "payment_method" in wish:
        _use(tx, document, object_id=wish["payment_method"])
    return public(tx.save(document))


def cancel(tx: Transaction, wish: dict[str, Any], *, intent: str) -> Document:
    document = tx.fetch("payment_intent", object_id=intent, param="intent")
    if document["status"] not in CANCELABLE:
        message = (
            f"You cannot cancel this PaymentIntent because it has a status of {document['status']}. Only a PaymentIntent with one of the "
            "following statuses may be canceled: requires_payment_method, requires_capture, requires_reauthorization, "
            "requires_confirmation, requires_action, processing."
        )
        raise _unexpected_state(message, document)
    document.update(
        status="canceled", canceled_at=tx.now, cancellation_reason=wish.get("cancellation_reason"), next_action=None, payment_method=None
    )
    tx.save(document)
    tx.emit("payment_intent.canceled", about=document)
    return public(document)


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    return listing.page(tx, "payment_intent", url="/v1/payment_intents", params=wish, equals={"customer": wish.get("customer")})


def _unexpected_state(message: str, intent: Document) -> InvalidRequest:
    return InvalidRequest(message, code="payment_intent_unexpected_state", payment_intent=public(intent))

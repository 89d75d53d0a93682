"""Customers: whom a payment method belongs to."""

from typing import Any

from stripe_sandbox import listing, params
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.operations import payment_methods
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

_FIELDS: dict[str, params.Kind] = {
    "address": params.ADDRESS,
    "description": params.text,
    "email": params.email,
    "invoice_settings": params.hash_of({"default_payment_method": params.text}),
    "metadata": params.metadata,
    "name": params.text,
    "phone": params.text,
    "preferred_locales": params.list_of(params.text),
    **params.EXPAND,
}
CREATE: dict[str, params.Kind] = {**_FIELDS, "payment_method": params.filled_text}
# Stripe unsets an address that is updated to nothing, although its document does not say so.
UPDATE: dict[str, params.Kind] = {**_FIELDS, "email": lambda value, path: value if value == "" else params.email(value, path)}
LIST: dict[str, params.Kind] = {**params.PAGING, "created": params.range_of_times, "email": params.text}
_PLAIN = ("address", "description", "email", "name", "phone", "preferred_locales")


def create(tx: Transaction, wish: dict[str, Any]) -> Document:
    customer_id = new_id("cus", length=14)
    customer: Document = {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": tx.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": customer_id[-8:].upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
        "livemode": False,
        "metadata": merged({}, wish),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer.update({name: wish[name] for name in _PLAIN if name in wish})
    tx.save(customer)
    if "payment_method" in wish:
        payment_methods.attach_to(tx, payment_methods.named_or_saved(tx, wish["payment_method"]), customer=customer_id)
    _set_default(tx, customer, wish)
    tx.emit("customer.created", about=customer)
    return public(tx.save(customer))


def update(tx: Transaction, wish: dict[str, Any], *, customer: str) -> Document:
    document = tx.fetch("customer", object_id=customer, param="customer")
    before = dict(document)
    document["metadata"] = merged(document["metadata"], wish)
    document.update({name: wish[name] or None for name in _PLAIN if name in wish})
    _set_default(tx, document, wish)
    changed = {name: before[name] for name in document if document[name] != before[name]}
    if changed:
        tx.save(document)
        tx.emit("customer.updated", about=document, previous=changed)
    return public(document)


def keep_email(tx: Transaction, customer: str | None, *, email: str) -> None:
    """Checkout writes the payer's address to a customer who has none."""
    document = tx.fetch("customer", object_id=customer) if customer else None
    if document is not None and not document["email"]:
        tx.save({**document, "email": email})


def retrieve(tx: Transaction, wish: dict[str, Any], *, customer: str) -> Document:
    document = tx.get(customer)
    return public(document if document and is_deleted(document) else tx.fetch("customer", object_id=customer, param="id"))


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {"email": wish.get("email")}
    return listing.page(tx, "customer", url="/v1/customers", params=wish, equals=equals, keep=lambda document: not is_deleted(document))


def delete(tx: Transaction, wish: dict[str, Any], *, customer: str) -> Document:
    """For good: its payment methods are of no use any more, and of itself no more than its id is told from here on."""
    document = tx.fetch("customer", object_id=customer, param="id")
    for method in tx.find("payment_method", customer=customer):
        payment_methods.detach(tx, {}, payment_method=method["id"])
    tx.emit("customer.deleted", about=tx.fetch("customer", object_id=customer))
    return tx.save({"id": document["id"], "object": "customer", "deleted": True})


def is_deleted(document: Document) -> bool:
    return "deleted" in document


def _set_default(tx: Transaction, customer: Document, wish: dict[str, Any]) -> None:
    settings = wish.get("invoice_settings", {})
    if "default_payment_method" not in settings:
        return
    method_id = settings["default_payment_method"]
    param = "invoice_settings[default_payment_method]"
    if method_id and payment_methods.named_or_saved(tx, method_id, param=param)["customer"] != customer["id"]:
        message = (
            f"The customer does not have a payment method with the ID {method_id}. The payment method must be attached to the customer."
        )
        raise InvalidRequest(message, code="resource_missing", param=param)
    customer["invoice_settings"] = {**customer["invoice_settings"], "default_payment_method": method_id or None}

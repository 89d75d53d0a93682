"""Stripe's `expand[]`: an id in an answer replaced by its object, along a dotted path."""

from typing import Any

from stripe_sandbox import listing
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.transaction import Document, Transaction, public

DEPTH_MAX = 4
EXPANDABLE: dict[str, frozenset[str]] = {
    "customer": frozenset({"default_source", "test_clock"}),
    "payment_method": frozenset({"customer"}),
    "payment_intent": frozenset({"customer", "latest_charge", "payment_method", "review", "on_behalf_of", "application"}),
    "setup_intent": frozenset({"customer", "payment_method", "latest_attempt", "mandate", "single_use_mandate", "application"}),
    "charge": frozenset(
        {"customer", "payment_intent", "balance_transaction", "failure_balance_transaction", "refunds", "review", "application"}
    ),
    "refund": frozenset({"charge", "payment_intent", "customer", "balance_transaction", "failure_balance_transaction"}),
    "dispute": frozenset({"charge", "payment_intent"}),
    "balance_transaction": frozenset({"source"}),
    "checkout.session": frozenset({"customer", "payment_intent", "setup_intent", "line_items", "subscription", "payment_link", "invoice"}),
    "invoice_settings": frozenset({"default_payment_method"}),
}


def expand(tx: Transaction, answer: Document, *, paths: list[str]) -> Document:
    """The answer with each path filled in. Raises InvalidRequest where a path cannot be."""
    for path in paths:
        parts = path.split(".")
        if len([part for part in parts if part != "data"]) > DEPTH_MAX:
            message = f"You cannot expand more than {DEPTH_MAX} levels of a property. Property: {path}"
            raise InvalidRequest(message, code="property_expansion_max_depth", param="expand")
        _follow(tx, answer, parts, path=path)
    return answer


def _follow(tx: Transaction, node: Document, parts: list[str], *, path: str) -> None:
    if not parts:
        return
    name, *rest = parts
    if name == "data" and node.get("object") == "list":
        for child in node["data"]:
            _follow(tx, child, rest, path=path)
        return
    if name == "invoice_settings" and isinstance(node.get(name), dict):
        _follow(tx, {"object": name, **node[name]}, rest, path=path)
        node[name] = {key: _one(tx, value) if key in rest else value for key, value in node[name].items()}
        return
    if name not in EXPANDABLE.get(str(node.get("object")), frozenset()):
        hint = f" You may want to try expanding 'data.{path}' instead." if node.get("object") == "list" else ""
        raise InvalidRequest(f"This property cannot be expanded ({path}).{hint}", param="expand")
    node[name] = _included(tx, node, name) if name in ("refunds", "line_items") else _one(tx, node.get(name))
    if isinstance(node[name], dict):
        _follow(tx, node[name], rest, path=path)


def _one(tx: Transaction, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    document = tx.get(value)
    return public(document) if document else value


def _included(tx: Transaction, node: Document, name: str) -> Document:
    if name == "refunds":
        return listing.whole(tx.find("refund", charge=node["id"])[::-1], url=f"/v1/charges/{node['id']}/refunds")
    session = tx.fetch("checkout.session", object_id=node["id"])
    return listing.whole(session["_line_items"], url=f"/v1/checkout/sessions/{node['id']}/line_items")

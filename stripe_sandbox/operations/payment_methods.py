"""Payment methods: cards and bank accounts, attached to a customer or not. Card numbers are never kept, only their last four digits."""

import hashlib
from typing import Any

from stripe_sandbox import cards, listing, params
from stripe_sandbox.errors import CardDeclined, InvalidRequest, ResourceMissing
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

_BILLING = params.hash_of({"address": params.ADDRESS, "email": params.text, "name": params.text, "phone": params.text})
CREATE: dict[str, params.Kind] = {
    "type": params.one_of("card"),
    "card": params.hash_of({"token": params.text}, required=("token",)),
    "billing_details": _BILLING,
    "metadata": params.metadata,
    **params.EXPAND,
}
UPDATE: dict[str, params.Kind] = {
    "allow_redisplay": params.one_of("always", "limited", "unspecified"),
    "billing_details": _BILLING,
    "card": params.hash_of({"exp_month": params.integer, "exp_year": params.integer}),
    "metadata": params.metadata,
    **params.EXPAND,
}
ATTACH: dict[str, params.Kind] = {"customer": params.filled_text, **params.EXPAND}
LIST: dict[str, params.Kind] = {
    "customer": params.text,
    "type": params.text,
    "allow_redisplay": params.one_of("always", "limited", "unspecified"),
    **params.PAGING,
}
LIST_OF_CUSTOMER: dict[str, params.Kind] = {name: kind for name, kind in LIST.items() if name != "customer"}
EXPIRY_YEARS_AHEAD = 5


def new_card(
    tx: Transaction, *, number: str, behaviour: str, exp_month: int, exp_year: int, cvc_check: str | None, billing: Document | None = None
) -> Document:
    """A card as the payer typed it, attached to nobody yet."""
    brand = cards.brand_of(number)
    known = cards.by_number(number)
    card = {
        "brand": brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": cvc_check},
        "country": "US",
        "display_brand": {"amex": "american_express"}.get(brand, brand),
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "funding": known.funding if known else "credit",
        "generated_from": None,
        "last4": number[-4:],
        "networks": {"available": [brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _save_new(tx, method_type="card", details=card, behaviour=behaviour, billing=billing)


def new_bank_account(tx: Transaction, *, number: str, billing: Document | None = None) -> Document:
    """One of the test bank's accounts."""
    account = {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "last4": number[-4:],
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": cards.TEST_ROUTING_NUMBER,
        "status_details": {},
    }
    return _save_new(tx, method_type="us_bank_account", details=account, behaviour=cards.BANK_ACCOUNTS[number], billing=billing)


def _save_new(tx: Transaction, *, method_type: str, details: Document, behaviour: str, billing: Document | None) -> Document:
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    given = billing or {}
    return tx.save(
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": {**address, **(given.get("address") or {})},
                "email": given.get("email"),
                "name": given.get("name"),
                "phone": given.get("phone"),
                "tax_id": None,
            },
            method_type: details,
            "created": tx.now,
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": method_type,
            "_behaviour": behaviour,
            "_is_spent": False,
        }
    )


def from_name(tx: Transaction, name: str) -> Document | None:
    """A fresh card for one of Stripe's own names (pm_card_visa …), as Stripe makes one each time the name is used."""
    card = cards.by_name(name)
    if card is None:
        return None
    year = 1970 + tx.now // 31_556_952 + EXPIRY_YEARS_AHEAD
    return new_card(tx, number=card.number, behaviour=card.behaviour, exp_month=12, exp_year=year, cvc_check="pass")


def named_or_saved(tx: Transaction, object_id: str, *, param: str = "payment_method") -> Document:
    """Raises ResourceMissing, in Stripe's words for a payment method."""
    document = from_name(tx, object_id) or tx.get(object_id)
    if document is None or document["object"] != "payment_method":
        raise ResourceMissing("PaymentMethod", object_id=object_id, param=param)
    return document


def create(tx: Transaction, wish: dict[str, Any]) -> Document:
    """From a test token (tok_visa …): numbers are only taken by the hosted pages, as Stripe advises."""
    token = wish.get("card", {}).get("token", "")
    document = from_name(tx, token.replace("tok_", "pm_card_", 1))
    if document is None:
        raise ResourceMissing("token", object_id=token, param="card[token]")
    document["metadata"] = merged({}, wish)
    _fill_billing(document, wish)
    return public(tx.save(document))


def retrieve(tx: Transaction, wish: dict[str, Any], *, payment_method: str) -> Document:
    return public(named_or_saved(tx, payment_method))


def update(tx: Transaction, wish: dict[str, Any], *, payment_method: str) -> Document:
    document = named_or_saved(tx, payment_method)
    if document["customer"] is None:
        message = "You must save this PaymentMethod to a customer before you can update it."
        raise InvalidRequest(message, param="payment_method")
    before = dict(document)
    document["metadata"] = merged(document["metadata"], wish)
    document["allow_redisplay"] = wish.get("allow_redisplay", document["allow_redisplay"])
    _fill_billing(document, wish)
    if "card" in wish:
        document["card"] = {**document["card"], **wish["card"]}
    changed = {name: before[name] for name in document if document[name] != before[name]}
    tx.save(document)
    tx.emit("payment_method.updated", about=document, previous=changed)
    return public(document)


def attach(tx: Transaction, wish: dict[str, Any], *, payment_method: str) -> Document:
    customer = tx.fetch_named("customer", wish)
    document = named_or_saved(tx, payment_method)
    return public(attach_to(tx, document, customer=customer["id"]))


def attach_to(tx: Transaction, document: Document, *, customer: str) -> Document:
    """Idempotent for the same customer. Raises CardDeclined for a card that cannot even be saved."""
    if document["customer"] == customer:
        return document
    if document["customer"] or document["_is_spent"]:
        message = (
            "The payment method you provided has already been attached to a customer."
            if document["customer"]
            else "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, "
            "and may not be used again."
        )
        raise InvalidRequest(message, code="payment_method_unexpected_state", param="payment_method")
    behaviour = cards.BEHAVIOURS[document["_behaviour"]]
    if behaviour.decline and not behaviour.declines_only_charges:
        raise declined(behaviour.decline)
    document["customer"] = customer
    tx.save(document)
    tx.emit("payment_method.attached", about=document)
    return document


def replaced_by_network(tx: Transaction, document: Document, wish: dict[str, Any]) -> Document:
    """The issuer has sent a new card: same payment method, new digits. Nobody asked for it."""
    previous = {"card": document["card"]}
    digits = {name: wish[name] for name in ("last4", "exp_month", "exp_year") if name in wish}
    document["card"] = {**document["card"], "exp_year": document["card"]["exp_year"] + 3, **digits}
    tx.save(document)
    tx.emit("payment_method.automatically_updated", about=document, previous=previous)
    return document


def detach(tx: Transaction, wish: dict[str, Any], *, payment_method: str) -> Document:
    document = named_or_saved(tx, payment_method)
    if document["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise InvalidRequest(message, code="payment_method_unexpected_state", param="payment_method")
    customer = tx.fetch("customer", object_id=document["customer"])
    if customer["invoice_settings"]["default_payment_method"] == document["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
        tx.save(customer)
    previous = {"customer": document["customer"]}
    document.update(customer=None, _is_spent=True)
    tx.save(document)
    tx.emit("payment_method.detached", about=document, previous=previous)
    return public(document)


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    if "customer" not in wish:
        # Stripe gives the methods of one customer, or none at all.
        return listing.whole([], url="/v1/payment_methods")
    tx.fetch_named("customer", wish)
    return _page(tx, wish, customer=wish["customer"], url="/v1/payment_methods")


def list_of_customer(tx: Transaction, wish: dict[str, Any], *, customer: str) -> Document:
    tx.fetch("customer", object_id=customer, param="customer")
    return _page(tx, wish, customer=customer, url=f"/v1/customers/{customer}/payment_methods")


def _page(tx: Transaction, wish: dict[str, Any], *, customer: str, url: str) -> Document:
    equals = {"customer": customer, "type": wish.get("type"), "allow_redisplay": wish.get("allow_redisplay")}
    return listing.page(tx, "payment_method", url=url, params=wish, equals=equals)


def _fill_billing(document: Document, wish: dict[str, Any]) -> None:
    given = dict(wish.get("billing_details", {}))
    address = {**document["billing_details"]["address"], **given.pop("address", {})}
    document["billing_details"] = {
        **document["billing_details"],
        **{name: value or None for name, value in given.items()},
        "address": address,
    }


def declined(decline: cards.Decline, **fields: Any) -> CardDeclined:
    """Stripe's card error for a decline."""
    codes = ("decline_code", "advice_code", "network_decline_code")
    given = {name: getattr(decline, name) for name in codes if getattr(decline, name)}
    return CardDeclined(decline.message, code=decline.code, **given, **fields)

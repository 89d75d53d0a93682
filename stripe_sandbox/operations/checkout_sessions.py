"""Checkout Sessions: a hosted page that collects one payment or one payment method. What the payer does there is in paying.py."""

from typing import Any

from stripe_sandbox import currencies, listing, params
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.operations import payment_intents, setup_intents
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

LIFE_SECONDS_MIN = 30 * 60
LIFE_SECONDS_MAX = 24 * 3600
LINE_ITEMS_MAX = 100

_PRODUCT = params.hash_of(
    {
        "name": params.filled_text,
        "description": params.filled_text,
        "metadata": params.metadata,
        "images": params.list_of(params.web_address),
    },
    required=("name",),
)
_PRICE = params.hash_of(
    {"currency": params.currency, "product_data": _PRODUCT, "unit_amount": params.integer},
    required=("currency", "product_data", "unit_amount"),
)
_CONSENT_COLLECTION: dict[str, params.Kind] = {
    "payment_method_reuse_agreement": params.hash_of({"position": params.one_of("auto", "hidden")}, required=("position",)),
    "promotions": params.one_of("auto", "none"),
    "terms_of_service": params.one_of("none", "required"),
}
_TEXT_AT = params.hash_of({"message": params.filled_text}, required=("message",))
CREATE: dict[str, params.Kind] = {
    "branding_settings": params.hash_of({"display_name": params.text}),
    "cancel_url": params.web_address,
    "client_reference_id": params.filled_text,
    "consent_collection": params.hash_of(_CONSENT_COLLECTION),
    "currency": params.currency,
    "custom_text": params.hash_of({"submit": _TEXT_AT, "after_submit": _TEXT_AT, "terms_of_service_acceptance": _TEXT_AT}),
    "customer": params.filled_text,
    "customer_creation": params.one_of("always", "if_required"),
    "customer_email": params.email,
    "customer_update": params.hash_of({name: params.one_of("auto", "never") for name in ("address", "name", "shipping")}),
    "expires_at": params.integer,
    "line_items": params.list_of(
        params.hash_of({"price_data": _PRICE, "quantity": params.integer, "metadata": params.metadata}, required=("price_data",))
    ),
    "locale": params.text,
    "metadata": params.metadata,
    "mode": params.one_of("payment", "setup"),
    "payment_intent_data": params.hash_of(
        {
            "capture_method": params.one_of("automatic", "automatic_async"),
            "description": params.text,
            "metadata": params.metadata,
            "receipt_email": params.email,
            "setup_future_usage": params.one_of("off_session", "on_session"),
            "statement_descriptor": params.text,
            "statement_descriptor_suffix": params.text,
        }
    ),
    "payment_method_data": params.hash_of({"allow_redisplay": params.one_of("always", "limited", "unspecified")}),
    "saved_payment_method_options": params.hash_of(
        {
            "allow_redisplay_filters": params.list_of(params.one_of("always", "limited", "unspecified")),
            "payment_method_remove": params.one_of("disabled", "enabled"),
            "payment_method_save": params.one_of("disabled", "enabled"),
        }
    ),
    "setup_intent_data": params.hash_of({"description": params.text, "metadata": params.metadata}),
    "submit_type": params.one_of("auto", "book", "donate", "pay"),
    "success_url": params.web_address,
    "ui_mode": params.one_of("hosted_page"),
    **params.EXPAND,
}
CREATE_REQUIRED = ("mode", "success_url")
LIST: dict[str, params.Kind] = {
    "created": params.range_of_times,
    "customer": params.text,
    "payment_intent": params.text,
    "status": params.one_of("complete", "expired", "open"),
    **params.PAGING,
}
EXPIRE = params.EXPAND


def create(tx: Transaction, wish: dict[str, Any]) -> Document:
    _check(tx, wish)
    items = [_line_item(tx, item) for item in wish.get("line_items", [])]
    if wish["mode"] == "payment":
        currency = items[0]["currency"]
        total = sum(item["amount_total"] for item in items)
        currencies.check_chargeable(total, currency=currency, param="line_items")
    else:
        currency, total = wish["currency"], None
    session = _blank(tx, wish, currency=currency, total=total)
    session["_line_items"] = items
    if wish["mode"] == "setup":
        data = {**wish.get("setup_intent_data", {}), **{name: wish[name] for name in ("customer",) if name in wish}}
        session["setup_intent"] = setup_intents.new(tx, {**data, "usage": "off_session"})["id"]
    return public(tx.save(session))


def _check(tx: Transaction, wish: dict[str, Any]) -> None:
    """What may not stand together, and what must."""
    if "customer" in wish:
        tx.fetch_named("customer", wish)
        for name in ("customer_email", "customer_creation"):
            if name in wish:
                raise InvalidRequest(f"You may only specify one of these parameters: customer, {name}.", param=name)
    foreign = {"payment": ("setup_intent_data",), "setup": ("payment_intent_data", "line_items", "submit_type")}[wish["mode"]]
    for name in foreign:
        if name in wish:
            raise InvalidRequest(f"You can not pass `{name}` in `{wish['mode']}` mode.", param=name)
    if wish["mode"] == "payment":
        _check_items(wish.get("line_items", []))
    elif "currency" not in wish:
        message = "You must pass `currency` in `setup` mode, as the payment methods on offer depend on it."
        raise InvalidRequest(message, code="parameter_missing", param="currency")
    life = wish.get("expires_at", tx.now + LIFE_SECONDS_MAX) - tx.now
    if life < LIFE_SECONDS_MIN:
        raise InvalidRequest("The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at")
    if life > LIFE_SECONDS_MAX:
        raise InvalidRequest("The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at")


def _check_items(items: list[dict[str, Any]]) -> None:
    if not items:
        raise InvalidRequest("The `line_items` parameter is required in payment mode.", code="parameter_missing", param="line_items")
    if len(items) > LINE_ITEMS_MAX:
        raise InvalidRequest(f"The `line_items` parameter can have at most {LINE_ITEMS_MAX} items.", param="line_items")
    if len({item["price_data"]["currency"] for item in items}) > 1:
        raise InvalidRequest("All line items must have the same currency.", param="line_items")
    for index, item in enumerate(items):
        if "quantity" not in item:
            where = f"line_items[{index}][quantity]"
            raise InvalidRequest(f"Missing required param: {where}.", code="parameter_missing", param=where)
        if item["price_data"]["unit_amount"] < 0 or item["quantity"] < 1:
            raise InvalidRequest("Invalid amount or quantity.", code="parameter_invalid_integer", param=f"line_items[{index}]")


def _line_item(tx: Transaction, wish: dict[str, Any]) -> Document:
    data = wish["price_data"]
    total = data["unit_amount"] * wish["quantity"]
    price = {
        "id": new_id("price"),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": tx.now,
        "currency": data["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": new_id("prod", length=14),
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": data["unit_amount"],
        "unit_amount_decimal": str(data["unit_amount"]),
    }
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": data["currency"],
        "description": data["product_data"]["name"],
        "metadata": wish.get("metadata", {}),
        "price": price,
        "quantity": wish["quantity"],
        "_details": data["product_data"].get("description", ""),
    }


# Members that Stripe gives and that stay empty here, or until the payer has come.
_EMPTY = (
    "after_expiration",
    "allow_promotion_codes",
    "billing_address_collection",
    "client_secret",
    "collected_information",
    "consent",
    "currency_conversion",
    "invoice",
    "invoice_creation",
    "origin_context",
    "payment_intent",
    "payment_link",
    "payment_method_configuration_details",
    "permissions",
    "recovered_from",
    "setup_intent",
    "shipping_address_collection",
    "shipping_cost",
    "subscription",
    "wallet_options",
)


def _blank(tx: Transaction, wish: dict[str, Any], *, currency: str, total: int | None) -> Document:
    session_id = new_id("cs_test", length=58)
    is_payment = wish["mode"] == "payment"
    texts = dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"))
    consents = dict.fromkeys(("payment_method_reuse_agreement", "promotions", "terms_of_service"))
    email = wish.get("customer_email")
    if "customer" in wish:
        email = tx.fetch("customer", object_id=wish["customer"])["email"]
    return {
        "id": session_id,
        "object": "checkout.session",
        **dict.fromkeys(_EMPTY),
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": wish.get("cancel_url"),
        "client_reference_id": wish.get("client_reference_id"),
        "consent_collection": {**consents, **wish["consent_collection"]} if "consent_collection" in wish else None,
        "created": tx.now,
        "currency": currency,
        "custom_fields": [],
        "custom_text": {**texts, **wish.get("custom_text", {})},
        "customer": wish.get("customer"),
        "customer_creation": None if "customer" in wish else wish.get("customer_creation", "if_required"),
        "customer_details": details(email=email) if email else None,
        "customer_email": wish.get("customer_email"),
        "discounts": [] if is_payment else None,
        "expires_at": wish.get("expires_at", tx.now + LIFE_SECONDS_MAX),
        "livemode": False,
        "locale": wish.get("locale"),
        "metadata": merged({}, wish),
        "mode": wish["mode"],
        "payment_method_collection": "always" if is_payment else None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card", "us_bank_account"] if is_payment and currency == "usd" else ["card"],
        "payment_status": "unpaid" if is_payment else "no_payment_required",
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": wish.get("saved_payment_method_options"),
        "shipping_options": [],
        "status": "open",
        "submit_type": wish.get("submit_type"),
        "success_url": wish["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0} if is_payment else None,
        "ui_mode": "hosted_page",
        "url": f"{tx.config.checkout_url}/c/pay/{session_id}",
        "_intent_data": wish.get("payment_intent_data", {}),
        "_allow_redisplay": wish.get("payment_method_data", {}).get("allow_redisplay", "limited"),
        "_merchant": wish.get("branding_settings", {}).get("display_name") or tx.config.merchant,
        "_decline": "",
    }


def details(*, email: str | None, name: str | None = None, address: Document | None = None) -> Document:
    """Stripe's customer_details."""
    blank = dict.fromkeys(("business_name", "individual_name", "phone"))
    return {**blank, "address": address, "email": email, "name": name, "tax_exempt": "none", "tax_ids": None}


def retrieve(tx: Transaction, wish: dict[str, Any], *, session: str) -> Document:
    return public(tx.fetch("checkout.session", object_id=session, param="session"))


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {name: wish.get(name) for name in ("customer", "payment_intent", "status")}
    return listing.page(tx, "checkout.session", url="/v1/checkout/sessions", params=wish, equals=equals)


def expire(tx: Transaction, wish: dict[str, Any], *, session: str) -> Document:
    document = tx.fetch("checkout.session", object_id=session, param="session")
    if document["status"] != "open":
        message = (
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of {document["status"]}.'
        )
        raise InvalidRequest(message, param="session")
    return public(end(tx, document))


def end(tx: Transaction, session: Document) -> Document:
    """Nobody can pay it any more; an intent that waits is canceled with it."""
    for kind, cancel in (("payment_intent", payment_intents.cancel), ("setup_intent", setup_intents.cancel)):
        if session[kind] and tx.fetch(kind, object_id=session[kind])["status"] in payment_intents.CANCELABLE:
            cancel(tx, {"cancellation_reason": "abandoned"}, intent=session[kind])
    session.update(status="expired", url=None)
    tx.save(session)
    tx.emit("checkout.session.expired", about=session)
    return session


def end_overdue(tx: Transaction) -> int:
    """Expire every open session whose time is over; how many they were."""
    rows = tx.connection.execute(
        "SELECT id FROM document WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open'"
        " AND json_extract(body, '$.expires_at') <= ?",
        (tx.now,),
    ).fetchall()
    for row in rows:
        end(tx, tx.fetch("checkout.session", object_id=row["id"]))
    return len(rows)

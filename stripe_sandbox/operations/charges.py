"""Charges: one attempt to take money, successful, failed, or pending with a bank. Made by charging.py alone."""

from typing import Any

from stripe_sandbox import cards, listing, params
from stripe_sandbox.operations import balance_transactions
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

LIST: dict[str, params.Kind] = {
    "created": params.range_of_times,
    "customer": params.text,
    "payment_intent": params.text,
    **params.PAGING,
}
UPDATE: dict[str, params.Kind] = {
    "description": params.text,
    "metadata": params.metadata,
    "receipt_email": params.text,
    **params.EXPAND,
}


def open_charge(tx: Transaction, *, intent: Document, method: Document, authenticated: bool) -> Document:
    """A charge that has not ended yet; saved by whoever ends it."""
    charge_id = new_id("ch")
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": tx.config.merchant.upper()[:22],
        "captured": False,
        "created": tx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(method, authenticated=authenticated),
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{tx.config.checkout_url}/receipts/{charge_id}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def _details(method: Document, *, authenticated: bool) -> Document:
    kind = method["type"]
    if kind != "card":
        account = {name: method[kind][name] for name in ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4")}
        return {"type": kind, kind: {**account, "payment_reference": None, "routing_number": method[kind]["routing_number"]}}
    card = method["card"]
    names = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "regulated_status")
    secure = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": new_id("3ds", length=16),
        "version": "2.2.0",
    }
    details = {
        **{name: card[name] for name in names},
        "amount_authorized": None,
        "authorization_code": None,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "three_d_secure": secure if authenticated else None,
        "wallet": None,
    }
    return {"type": "card", "card": details}


def succeed(tx: Transaction, charge: Document) -> Document:
    """The money is taken: balance transaction, event."""
    fee = balance_transactions.processing_fee(charge["amount"], currency=charge["currency"])
    row = balance_transactions.record(
        tx,
        source=charge,
        amount=charge["amount"],
        reporting_type="charge",
        category="charge",
        description=charge["description"],
        fee=fee,
        fee_name="Stripe processing fees",
    )
    charge.update(
        amount_captured=charge["amount"],
        balance_transaction=row["id"],
        captured=True,
        outcome=_outcome("approved_by_network", outcome_type="authorized", message="Payment complete."),
        paid=True,
        status="succeeded",
    )
    tx.save(charge)
    tx.emit("charge.succeeded", about=charge)
    return charge


def fail(tx: Transaction, charge: Document, *, decline: cards.Decline) -> Document:
    outcome = _outcome("declined_by_network", outcome_type="issuer_declined", message="The bank returned the decline code.")
    outcome.update(
        advice_code=decline.advice_code or None,
        network_decline_code=decline.network_decline_code or None,
        reason=decline.decline_code or decline.code,
    )
    charge.update(failure_code=decline.code, failure_message=decline.message, outcome=outcome, paid=False, status="failed")
    tx.save(charge)
    tx.emit("charge.failed", about=charge)
    return charge


def _outcome(network_status: str, *, outcome_type: str, message: str) -> Document:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": None,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": message,
        "type": outcome_type,
    }


def retrieve(tx: Transaction, wish: dict[str, Any], *, charge: str) -> Document:
    return public(tx.fetch("charge", object_id=charge, param="id"))


def update(tx: Transaction, wish: dict[str, Any], *, charge: str) -> Document:
    document = tx.fetch("charge", object_id=charge, param="id")
    before = dict(document)
    document["metadata"] = merged(document["metadata"], wish)
    document.update({name: wish[name] or None for name in ("description", "receipt_email") if name in wish})
    changed = {name: before[name] for name in document if document[name] != before[name]}
    tx.save(document)
    if changed:
        tx.emit("charge.updated", about=document, previous=changed)
    return public(document)


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {name: wish.get(name) for name in ("customer", "payment_intent")}
    return listing.page(tx, "charge", url="/v1/charges", params=wish, equals=equals)

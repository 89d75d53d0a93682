"""Refunds: money going back, in whole or in part; one may fail later, and the money is then the merchant's again."""

from typing import Any

from stripe_sandbox import cards, currencies, listing, params
from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.operations import balance_transactions
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

CREATE: dict[str, params.Kind] = {
    "amount": params.integer,
    "charge": params.filled_text,
    "metadata": params.metadata,
    "payment_intent": params.filled_text,
    "reason": params.one_of("duplicate", "fraudulent", "requested_by_customer"),
    **params.EXPAND,
}
UPDATE: dict[str, params.Kind] = {"metadata": params.metadata, **params.EXPAND}
LIST: dict[str, params.Kind] = {
    "charge": params.text,
    "created": params.range_of_times,
    "payment_intent": params.text,
    **params.PAGING,
}
# Stripe's, for a test card whose refund ends later; divided by the sandbox's speed.
SETTLE_SECONDS = 5.0


def create(tx: Transaction, wish: dict[str, Any]) -> Document:
    charge = _charge(tx, wish)
    left = charge["amount"] - charge["amount_refunded"]
    amount = wish.get("amount", left)
    _check(charge, amount=amount, left=left, is_whole="amount" not in wish)
    method = tx.fetch("payment_method", object_id=charge["payment_method"])
    behaviour = cards.BEHAVIOURS[method["_behaviour"]]
    refund: Document = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "destination_details": _destination(method["type"]),
        "metadata": merged({}, wish),
        "payment_intent": charge["payment_intent"],
        "reason": wish.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if behaviour.refund == "pending" else "succeeded",
        "transfer_reversal": None,
    }
    row = balance_transactions.record(
        tx,
        source=refund,
        amount=-amount,
        reporting_type="refund",
        category="refund",
        description=f"REFUND FOR CHARGE ({charge['description'] or charge['id']})",
    )
    refund["balance_transaction"] = row["id"]
    tx.save(refund)
    _count(tx, charge, by=amount)
    tx.emit("refund.created", about=refund)
    tx.emit("charge.refunded", about=charge, previous={"amount_refunded": charge["amount_refunded"] - amount})
    if behaviour.refund:
        tx.plan(f"refund_{behaviour.refund}", target=refund["id"], seconds=SETTLE_SECONDS / tx.config.speed)
    return public(refund)


def _charge(tx: Transaction, wish: dict[str, Any]) -> Document:
    if "charge" in wish:
        return tx.fetch("charge", object_id=wish["charge"], param="charge")
    if "payment_intent" not in wish:
        raise InvalidRequest("One of the following params should be provided for this request: payment_intent or charge.")
    intent = tx.fetch("payment_intent", object_id=wish["payment_intent"], param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise InvalidRequest(message, code="resource_missing", param="payment_intent")
    charge = tx.get(intent["latest_charge"])
    if charge is None:
        raise ResourceMissing("charge", object_id=str(intent["latest_charge"]), param="charge")
    return charge


def _check(charge: Document, *, amount: int, left: int, is_whole: bool) -> None:
    if charge["status"] != "succeeded":
        raise InvalidRequest(
            f"Charge {charge['id']} has not been paid and cannot be refunded.", code="charge_not_refundable", param="charge"
        )
    if charge["disputed"] and charge.get("_held_by_dispute"):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise InvalidRequest(message, code="charge_disputed", param="charge")
    if left == 0:
        raise InvalidRequest(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", param="charge")
    if not is_whole and amount < 1:
        raise InvalidRequest("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount")
    if amount > left:
        asked, open_ = (currencies.written(value, currency=charge["currency"]) for value in (amount, left))
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({open_})"
        raise InvalidRequest(message, param="amount")


def _destination(method_type: str) -> Document:
    if method_type != "card":
        return {"type": "us_bank_transfer", "us_bank_transfer": {"reference": None, "reference_status": None}}
    return {"type": "card", "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}}


def _count(tx: Transaction, charge: Document, *, by: int) -> None:
    refunded = charge["amount_refunded"] + by
    charge.update(amount_refunded=refunded, refunded=refunded == charge["amount"])
    tx.save(charge)


def fail(tx: Transaction, refund: Document) -> Document:
    """The bank sends it back: the charge is no longer refunded by that much, and the balance has it again."""
    if refund["status"] not in ("succeeded", "pending"):
        raise InvalidRequest(f"Refund {refund['id']} has already {refund['status']}.", param="refund")
    previous = {"status": refund["status"]}
    row = balance_transactions.record(
        tx, source=refund, amount=refund["amount"], reporting_type="refund_failure", category="refund_failure", description="REFUND FAILURE"
    )
    refund.update(status="failed", failure_reason="lost_or_stolen_card", failure_balance_transaction=row["id"])
    tx.save(refund)
    _count(tx, tx.fetch("charge", object_id=refund["charge"]), by=-refund["amount"])
    tx.emit("refund.updated", about=refund, previous=previous)
    tx.emit("charge.refund.updated", about=refund, previous=previous)
    tx.emit("refund.failed", about=refund)
    return refund


def succeed(tx: Transaction, refund: Document) -> Document:
    """A pending refund arrives. Nothing where it has already ended."""
    if refund["status"] == "pending":
        refund["status"] = "succeeded"
        tx.save(refund)
        tx.emit("refund.updated", about=refund, previous={"status": "pending"})
        tx.emit("charge.refund.updated", about=refund, previous={"status": "pending"})
    return refund


def retrieve(tx: Transaction, wish: dict[str, Any], *, refund: str) -> Document:
    return public(tx.fetch("refund", object_id=refund, param="refund"))


def update(tx: Transaction, wish: dict[str, Any], *, refund: str) -> Document:
    document = tx.fetch("refund", object_id=refund, param="refund")
    before = document["metadata"]
    document["metadata"] = merged(before, wish)
    tx.save(document)
    if document["metadata"] != before:
        tx.emit("refund.updated", about=document, previous={"metadata": before})
    return public(document)


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {name: wish.get(name) for name in ("charge", "payment_intent")}
    return listing.page(tx, "refund", url="/v1/refunds", params=wish, equals=equals)

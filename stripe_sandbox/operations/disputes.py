"""Disputes: a bank takes the money back, or only asks; won, lost, or answered in time."""

from typing import Any

from stripe_sandbox import listing, params
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.operations import balance_transactions
from stripe_sandbox.operations.metadata import merged
from stripe_sandbox.transaction import Document, Transaction, new_id, public

_EVIDENCE_TEXTS = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
)
_EVIDENCE_FILES = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)
UPDATE: dict[str, params.Kind] = {
    "evidence": params.hash_of(dict.fromkeys(_EVIDENCE_TEXTS, params.text)),
    "metadata": params.metadata,
    "submit": params.boolean,
    **params.EXPAND,
}
LIST: dict[str, params.Kind] = {
    "charge": params.text,
    "created": params.range_of_times,
    "payment_intent": params.text,
    **params.PAGING,
}
RESPONSE_SECONDS = 9 * 24 * 3600
# Stripe's own words in test mode: evidence with this text decides the dispute.
EVIDENCE_THAT_WINS, EVIDENCE_THAT_LOSES = "winning_evidence", "losing_evidence"
DECISION_SECONDS = 2.0
_WARNING = "warning_"
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


def open_dispute(tx: Transaction, charge: Document, *, reason: str = "fraudulent", is_inquiry: bool = False) -> Document:
    """Funds leave at once, with the fee; an inquiry takes none. Raises InvalidRequest where the charge cannot be disputed."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise InvalidRequest(f"Charge {charge['id']} cannot be disputed.", param="charge")
    dispute: Document = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys((*_EVIDENCE_TEXTS, *_EVIDENCE_FILES)), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": tx.now + RESPONSE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _method_details(charge, is_inquiry=is_inquiry),
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
    }
    charge["disputed"] = True
    if not is_inquiry:
        _move(tx, dispute, sign=-1, category="dispute", description=f"Chargeback withdrawal for {charge['id']}")
        charge["_held_by_dispute"] = True
    tx.save(charge)
    tx.save(dispute)
    tx.emit("charge.dispute.created", about=dispute)
    if not is_inquiry:
        tx.emit("charge.dispute.funds_withdrawn", about=dispute)
    return dispute


def _method_details(charge: Document, *, is_inquiry: bool) -> Document:
    case = "inquiry" if is_inquiry else "chargeback"
    card = charge["payment_method_details"].get("card", {"brand": "visa"})
    return {"type": "card", "card": {"brand": card["brand"], "case_type": case, "network": card["brand"], "network_reason_code": "10.4"}}


def _move(tx: Transaction, dispute: Document, *, sign: int, category: str, description: str) -> None:
    is_withdrawal = sign < 0
    row = balance_transactions.record(
        tx,
        source=dispute,
        amount=sign * dispute["amount"],
        reporting_type="adjustment",
        category=category,
        description=description,
        fee=balance_transactions.DISPUTE_FEE_CENTS if is_withdrawal else 0,
        fee_name="Dispute fee" if is_withdrawal else "",
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], public(row)]


def win(tx: Transaction, dispute: Document) -> Document:
    """The bank sides with the merchant: what was taken comes back; the fee does not. An inquiry is closed."""
    _require_open(dispute)
    if dispute["status"].startswith(_WARNING):
        return _close(tx, dispute, status="warning_closed")
    _move(tx, dispute, sign=1, category="dispute_reversal", description=f"Chargeback reversal for {dispute['charge']}")
    charge = tx.fetch("charge", object_id=dispute["charge"])
    charge["_held_by_dispute"] = False
    tx.save(charge)
    closed = _close(tx, dispute, status="won")
    tx.emit("charge.dispute.funds_reinstated", about=closed)
    return closed


def lose(tx: Transaction, dispute: Document) -> Document:
    """The money stays with the payer."""
    _require_open(dispute)
    return _close(tx, dispute, status="lost")


def escalate(tx: Transaction, dispute: Document) -> Document:
    """An inquiry becomes a chargeback: now the funds leave."""
    _require_open(dispute)
    if not dispute["status"].startswith(_WARNING):
        raise InvalidRequest(f"Dispute {dispute['id']} is no inquiry.", param="dispute")
    previous = {"status": dispute["status"]}
    dispute.update(status="needs_response", is_charge_refundable=False)
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    _move(tx, dispute, sign=-1, category="dispute", description=f"Chargeback withdrawal for {dispute['charge']}")
    charge = tx.fetch("charge", object_id=dispute["charge"])
    tx.save({**charge, "_held_by_dispute": True})
    tx.save(dispute)
    tx.emit("charge.dispute.updated", about=dispute, previous=previous)
    tx.emit("charge.dispute.funds_withdrawn", about=dispute)
    return dispute


def _close(tx: Transaction, dispute: Document, *, status: str) -> Document:
    previous = {"status": dispute["status"]}
    dispute.update(status=status, is_charge_refundable=status in ("won", "warning_closed"))
    tx.save(dispute)
    tx.emit("charge.dispute.updated", about=dispute, previous=previous)
    tx.emit("charge.dispute.closed", about=dispute)
    return dispute


def _require_open(dispute: Document) -> None:
    if dispute["status"] not in OPEN:
        raise InvalidRequest(f"This dispute is already closed: {dispute['status']}.", code="dispute_closed", param="dispute")


def close(tx: Transaction, wish: dict[str, Any], *, dispute: str) -> Document:
    """The merchant gives in."""
    return public(lose(tx, tx.fetch("dispute", object_id=dispute, param="dispute")))


def update(tx: Transaction, wish: dict[str, Any], *, dispute: str) -> Document:
    document = tx.fetch("dispute", object_id=dispute, param="dispute")
    before = dict(document)
    document["metadata"] = merged(document["metadata"], wish)
    if "evidence" in wish:
        _require_open(document)
        document["evidence"] = {**document["evidence"], **wish["evidence"]}
        document["evidence_details"] = {**document["evidence_details"], "has_evidence": True}
        if wish.get("submit", True):
            _submit(tx, document)
    changed = {name: before[name] for name in document if document[name] != before[name]}
    tx.save(document)
    if changed:
        tx.emit("charge.dispute.updated", about=document, previous=changed)
    return public(document)


def _submit(tx: Transaction, dispute: Document) -> None:
    count = dispute["evidence_details"]["submission_count"] + 1
    dispute["evidence_details"] = {**dispute["evidence_details"], "submission_count": count}
    dispute["status"] = dispute["status"].replace("needs_response", "under_review")
    said = dispute["evidence"]["uncategorized_text"]
    if said in (EVIDENCE_THAT_WINS, EVIDENCE_THAT_LOSES):
        action = "win_dispute" if said == EVIDENCE_THAT_WINS else "lose_dispute"
        tx.plan(action, target=dispute["id"], seconds=DECISION_SECONDS / tx.config.speed)


def retrieve(tx: Transaction, wish: dict[str, Any], *, dispute: str) -> Document:
    return public(tx.fetch("dispute", object_id=dispute, param="dispute"))


def list_(tx: Transaction, wish: dict[str, Any]) -> Document:
    equals = {name: wish.get(name) for name in ("charge", "payment_intent")}
    return listing.page(tx, "dispute", url="/v1/disputes", params=wish, equals=equals)

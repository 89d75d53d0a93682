"""What a payer does on a hosted page: submit a payment method, pass or fail the bank's question, and what the session becomes."""

from dataclasses import dataclass
from typing import Any

from stripe_sandbox import cards
from stripe_sandbox.operations import charging, checkout_sessions, customers, payment_intents, setup_intents
from stripe_sandbox.transaction import Document, Transaction


@dataclass(frozen=True, kw_only=True)
class Payer:
    """What the page asked besides the payment method."""

    email: str
    name: str
    address: Document | None = None
    accepts_terms: bool = False


def submit(tx: Transaction, session: Document, *, method: Document, payer: Payer) -> None:
    """Pay, or save the method. Whatever comes of it stands in the session and its intent; a refusal in session['_decline']."""
    if session["customer"] is None and session["customer_creation"] == "always":
        session["customer"] = customers.create(tx, {"email": payer.email, "name": payer.name})["id"]
    customers.keep_email(tx, session["customer"], email=payer.email)
    session["customer_details"] = checkout_sessions.details(email=payer.email, name=payer.name, address=payer.address)
    if payer.accepts_terms:
        session["consent"] = {"promotions": None, "terms_of_service": "accepted"}
    method["allow_redisplay"] = session["_allow_redisplay"]
    tx.save(method)
    if session["mode"] == "payment":
        intent = _payment_intent(tx, session)
        intent.update(payment_method=method["id"], payment_method_types=session["payment_method_types"], status="requires_confirmation")
        charging.attempt(tx, intent, off_session=False)
    else:
        intent = tx.fetch("setup_intent", object_id=session["setup_intent"])
        intent.update(customer=session["customer"], _session=session["id"])
        setup_intents.attempt(tx, intent, method=method)
    conclude(tx, session, intent=intent)


def _payment_intent(tx: Transaction, session: Document) -> Document:
    """Stripe makes the intent only when the payer confirms; a second try after a decline uses the same one."""
    if session["payment_intent"]:
        intent = tx.fetch("payment_intent", object_id=session["payment_intent"])
        intent["customer"] = session["customer"]
        return intent
    wish: dict[str, Any] = {"amount": session["amount_total"], "currency": session["currency"], **session["_intent_data"]}
    if session["customer"]:
        wish["customer"] = session["customer"]
    intent = payment_intents.new(tx, wish)
    intent["_session"] = session["id"]
    session["payment_intent"] = intent["id"]
    return intent


def conclude(tx: Transaction, session: Document, *, intent: Document) -> None:
    """Bring the session in line with its intent."""
    error = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    is_complete = intent["status"] in ("succeeded", "processing")
    session["_decline"] = "" if is_complete or intent["status"] == "requires_action" else _in_the_payers_words(error)
    if is_complete and session["status"] == "open":
        session.update(status="complete", url=None)
        if intent["status"] == "succeeded" and session["mode"] == "payment":
            session["payment_status"] = "paid"
        tx.save(session)
        tx.emit("checkout.session.completed", about=session)
    tx.save(session)


def _in_the_payers_words(error: Document) -> str:
    if error.get("code") == cards.AUTHENTICATION_FAILED.code:
        return "We are unable to authenticate your payment method. Please choose a different payment method and try again."
    return str(error.get("message", ""))


def authenticate(tx: Transaction, intent: Document, *, passed: bool) -> None:
    """The answer to the bank's question. Nothing where the question is no longer open."""
    if intent["status"] != "requires_action":
        return
    method = tx.fetch("payment_method", object_id=intent["payment_method"])
    is_payment = intent["object"] == "payment_intent"
    if not passed:
        record = charging.record_failure if is_payment else setup_intents.record_failure
        record(tx, intent, decline=cards.AUTHENTICATION_FAILED, method=method)
    elif is_payment:
        charging.attempt(tx, intent, off_session=False, authenticated=True)
    else:
        setup_intents.attempt(tx, intent, method=method, authenticated=True)
    if "_session" in intent:
        conclude(tx, tx.fetch("checkout.session", object_id=intent["_session"]), intent=intent)


def settle_debit(tx: Transaction, intent: Document, *, succeeded: bool | None = None) -> None:
    """The bank's answer to a debit, and the session's second event."""
    if intent["status"] != "processing":
        return
    charging.settle_debit(tx, intent, succeeded=succeeded)
    if "_session" not in intent:
        return
    session = tx.fetch("checkout.session", object_id=intent["_session"])
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        tx.save(session)
    outcome = "succeeded" if intent["status"] == "succeeded" else "failed"
    tx.emit(f"checkout.session.async_payment_{outcome}", about=session)

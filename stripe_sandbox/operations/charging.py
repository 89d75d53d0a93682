"""One attempt to collect a PaymentIntent with its payment method: what a confirm, a payer's page and a bank's answer have in common."""

from stripe_sandbox import cards
from stripe_sandbox.operations import charges, payment_methods
from stripe_sandbox.transaction import Document, Transaction, public

# Stripe's, for a card that is disputed "after" it was charged; divided by the sandbox's speed.
DISPUTE_SECONDS = 2.0


def attempt(tx: Transaction, intent: Document, *, off_session: bool, authenticated: bool = False) -> cards.Decline | None:
    """Try once. The intent's status tells what came of it; a decline is returned as well, for the caller to put into words."""
    method = tx.fetch("payment_method", object_id=intent["payment_method"])
    behaviour = cards.BEHAVIOURS[method["_behaviour"]]
    if behaviour.needs_authentication and not authenticated:
        if off_session:
            return _failed(tx, intent, method=method, decline=cards.AUTHENTICATION_REQUIRED)
        _ask_for_authentication(tx, intent)
        return None
    if method["type"] != "card":
        _wait_for_the_bank(tx, intent, method=method)
        return None
    if behaviour.decline:
        return _failed(tx, intent, method=method, decline=behaviour.decline)
    _collected(tx, intent, charge=charges.open_charge(tx, intent=intent, method=method, authenticated=authenticated), method=method)
    return None


def settle_debit(tx: Transaction, intent: Document, *, succeeded: bool | None = None) -> None:
    """The bank answers: as told, or as its test account does by itself. Nothing where it has already answered."""
    if intent["status"] != "processing":
        return
    charge = tx.fetch("charge", object_id=intent["latest_charge"])
    method = tx.fetch("payment_method", object_id=intent["payment_method"])
    decline = cards.BEHAVIOURS[method["_behaviour"]].decline
    if decline is None if succeeded is None else succeeded:
        _collected(tx, intent, charge=charge, method=method)
        return
    decline = decline or cards.DEBIT_REFUSED
    charges.fail(tx, charge, decline=decline)
    record_failure(tx, intent, decline=decline, method=method, charge=charge["id"])


def record_failure(tx: Transaction, intent: Document, *, decline: cards.Decline, method: Document, charge: str = "") -> None:
    """The intent wants another payment method; why stands in last_payment_error."""
    fields = {"charge": charge} if charge else {}
    error = payment_methods.declined(decline, **fields).body()["error"]
    intent.update(
        last_payment_error={**error, "payment_method": public(method)},
        next_action=None,
        payment_method=None,
        processing=None,
        status="requires_payment_method",
    )
    tx.save(intent)
    tx.emit("payment_intent.payment_failed", about=intent)


def _failed(tx: Transaction, intent: Document, *, method: Document, decline: cards.Decline) -> cards.Decline:
    charge = charges.open_charge(tx, intent=intent, method=method, authenticated=False)
    charges.fail(tx, charge, decline=decline)
    intent["latest_charge"] = charge["id"]
    record_failure(tx, intent, decline=decline, method=method, charge=charge["id"])
    return decline


def _ask_for_authentication(tx: Transaction, intent: Document) -> None:
    return_url = intent["_return_url"]
    page = f"{tx.config.checkout_url}/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    redirect = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
    sdk = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}
    intent.update(status="requires_action", next_action=redirect if return_url else sdk, last_payment_error=None)
    tx.save(intent)
    tx.emit("payment_intent.requires_action", about=intent)


def _wait_for_the_bank(tx: Transaction, intent: Document, *, method: Document) -> None:
    charge = charges.open_charge(tx, intent=intent, method=method, authenticated=False)
    tx.save(charge)
    intent.update(status="processing", latest_charge=charge["id"], last_payment_error=None, next_action=None)
    tx.save(intent)
    tx.emit("charge.pending", about=charge)
    tx.emit("payment_intent.processing", about=intent)
    if tx.config.debit_seconds is not None:
        tx.plan("settle_debit", target=intent["id"], seconds=tx.config.debit_seconds)


def _collected(tx: Transaction, intent: Document, *, charge: Document, method: Document) -> None:
    charges.succeed(tx, charge)
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach_to(tx, method, customer=intent["customer"])
    elif method["customer"] is None:
        tx.save({**method, "_is_spent": True})
    intent.update(
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        next_action=None,
        processing=None,
        status="succeeded",
    )
    tx.save(intent)
    tx.emit("payment_intent.succeeded", about=intent)
    if cards.BEHAVIOURS[method["_behaviour"]].disputed_as:
        tx.plan("open_dispute", target=charge["id"], seconds=DISPUTE_SECONDS / tx.config.speed)

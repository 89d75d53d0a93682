"""The control endpoint: what a test, or a person at the terminal, can do to the sandbox. Loopback only; nothing of it exists at Stripe."""

import json
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from stripe_sandbox import cards, faults, idempotency, outbox
from stripe_sandbox.errors import InvalidRequest, ResourceMissing, StripeError
from stripe_sandbox.operations import checkout_sessions, disputes, paying, payment_methods, refunds
from stripe_sandbox.store import FORGET_ALL, Sandbox
from stripe_sandbox.transaction import Document, Transaction, begin, public

Wish = dict[str, Any]
STATE_QUERIES = {
    "deliveries": "SELECT * FROM delivery ORDER BY seq",
    "faults": "SELECT * FROM fault ORDER BY seq",
    "requests": "SELECT * FROM request_log ORDER BY seq",
    "plans": "SELECT * FROM plan ORDER BY seq",
}
STATE_KINDS = {
    "customers": "customer",
    "payment_methods": "payment_method",
    "checkout_sessions": "checkout.session",
    "payment_intents": "payment_intent",
    "setup_intents": "setup_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "balance_transactions": "balance_transaction",
    "events": "event",
}


def serve(request: HttpRequest, *, sandbox: Sandbox) -> HttpResponse:
    """GET or POST /_control/<name>, JSON in and out."""
    name = request.path.removeprefix("/_control/").strip("/")
    try:
        if request.method == "GET" and name == "state":
            with begin(sandbox) as tx:
                return JsonResponse(state(tx))
        action = ACTIONS.get(name)
        if request.method != "POST" or action is None:
            known = ", ".join(sorted(ACTIONS))
            raise InvalidRequest(f"Nothing to {request.method} at {request.path}. GET state; POST one of: {known}")
        # A form in some page of a browser on this machine cannot send this type without being asked first.
        if request.content_type != "application/json":
            raise InvalidRequest("Send application/json.")
        wish = json.loads(request.body or b"{}")
        with begin(sandbox) as tx:
            return JsonResponse(action(tx, wish))
    except json.JSONDecodeError as error:
        return JsonResponse(InvalidRequest(f"Not JSON: {error}").body(), status=400)
    except KeyError as error:
        return JsonResponse(InvalidRequest(f"Missing: {error.args[0]}", param=str(error.args[0])).body(), status=400)
    except StripeError as error:
        return JsonResponse(error.body(), status=error.status)


def state(tx: Transaction) -> Document:
    """Everything that there is, oldest first, for tests that reconcile."""
    whole: Document = {name: [public(document) for document in tx.find(kind)] for name, kind in STATE_KINDS.items()}
    for name, query in STATE_QUERIES.items():
        whole[name] = [dict(row) for row in tx.connection.execute(query)]
    whole["webhooks_paused"] = bool(tx.connection.execute("SELECT 1 FROM setting WHERE name = 'webhooks_paused'").fetchone())
    return whole


def _reset(tx: Transaction, wish: Wish) -> Document:
    """Forget everything; with a seed, the dice fall the same way each time."""
    for statement in FORGET_ALL:
        tx.connection.execute(statement)
    tx.sandbox.dice.seed(wish.get("seed"))
    return {}


def _add_fault(tx: Transaction, wish: Wish) -> Document:
    return {"fault": faults.add(tx.connection, wish)}


def _clear_faults(tx: Transaction, wish: Wish) -> Document:
    return {"cleared": tx.connection.execute("DELETE FROM fault").rowcount}


def _pause_webhooks(tx: Transaction, wish: Wish) -> Document:
    tx.connection.execute("INSERT OR REPLACE INTO setting VALUES ('webhooks_paused', 'yes')")
    return {}


def _resume_webhooks(tx: Transaction, wish: Wish) -> Document:
    tx.connection.execute("DELETE FROM setting WHERE name = 'webhooks_paused'")
    return {}


def _send_webhooks_now(tx: Transaction, wish: Wish) -> Document:
    """Whatever waits, for its time or for its next attempt, is due."""
    return {"due": tx.connection.execute("UPDATE delivery SET due_at = ? WHERE state = 'pending'", (time.time(),)).rowcount}


def _send_event(tx: Transaction, wish: Wish) -> Document:
    """An event once more; signed well, badly or not at all, and as old (or as far ahead) as wished."""
    event = tx.fetch("event", object_id=wish["event"], param="event")
    outbox.add(
        tx.connection,
        event=event["id"],
        event_type=event["type"],
        due_at=time.time(),
        signature=wish.get("signature", "good"),
        timestamp_offset=wish.get("timestamp_offset", 0),
        once=True,
    )
    return {}


def _charge(tx: Transaction, wish: Wish) -> Document:
    if "charge" in wish:
        return tx.fetch("charge", object_id=wish["charge"], param="charge")
    intent = tx.fetch("payment_intent", object_id=wish["payment_intent"], param="payment_intent")
    return tx.fetch("charge", object_id=str(intent["latest_charge"]), param="payment_intent")


def _open_dispute(tx: Transaction, wish: Wish) -> Document:
    charge = _charge(tx, wish)
    return public(disputes.open_dispute(tx, charge, reason=wish.get("reason", "fraudulent"), is_inquiry=wish.get("inquiry", False)))


def _on_dispute(act: Callable[[Transaction, Document], Document]) -> Callable[[Transaction, Wish], Document]:
    return lambda tx, wish: public(act(tx, tx.fetch("dispute", object_id=wish["dispute"], param="dispute")))


def _refund(tx: Transaction, wish: Wish) -> Document:
    """As if somebody had pressed Refund in the dashboard."""
    return refunds.create(tx, wish)


def _fail_refund(tx: Transaction, wish: Wish) -> Document:
    return public(refunds.fail(tx, tx.fetch("refund", object_id=wish["refund"], param="refund")))


def _settle_debit(tx: Transaction, wish: Wish) -> Document:
    intent = tx.fetch("payment_intent", object_id=wish["payment_intent"], param="payment_intent")
    paying.settle_debit(tx, intent, succeeded=wish.get("succeeded"))
    return public(intent)


def _expire_session(tx: Transaction, wish: Wish) -> Document:
    return checkout_sessions.expire(tx, {}, session=wish["session"])


def _run_out_session(tx: Transaction, wish: Wish) -> Document:
    """Its time is over now; the background thread finds that out, as it would at the hour."""
    session = tx.fetch("checkout.session", object_id=wish["session"], param="session")
    return public(tx.save({**session, "expires_at": tx.now}))


def _forget_keys(tx: Transaction, wish: Wish) -> Document:
    return {"forgotten": idempotency.forget(tx.connection, key=wish.get("key", ""))}


def _set_behaviour(tx: Transaction, wish: Wish) -> Document:
    """From now on a saved card does what another test card does; no card of Stripe's can be saved and then lack funds."""
    method = tx.fetch("payment_method", object_id=wish["payment_method"], param="payment_method")
    if wish["behaviour"] not in cards.BEHAVIOURS:
        raise InvalidRequest(f"There are: {', '.join(cards.BEHAVIOURS)}", param="behaviour")
    return public(tx.save({**method, "_behaviour": wish["behaviour"]}))


def _replace_card(tx: Transaction, wish: Wish) -> Document:
    """The network sends a new expiry and, where wished, new last digits."""
    method = tx.fetch("payment_method", object_id=wish["payment_method"], param="payment_method")
    if method["type"] != "card":
        raise ResourceMissing("card", object_id=method["id"], param="payment_method")
    return public(payment_methods.replaced_by_network(tx, method, wish))


ACTIONS: dict[str, Callable[[Transaction, Wish], Document]] = {
    "reset": _reset,
    "faults": _add_fault,
    "faults/clear": _clear_faults,
    "webhooks/pause": _pause_webhooks,
    "webhooks/resume": _resume_webhooks,
    "webhooks/send_now": _send_webhooks_now,
    "events/send": _send_event,
    "disputes/open": _open_dispute,
    "disputes/win": _on_dispute(disputes.win),
    "disputes/lose": _on_dispute(disputes.lose),
    "disputes/escalate": _on_dispute(disputes.escalate),
    "refunds/create": _refund,
    "refunds/fail": _fail_refund,
    "debits/settle": _settle_debit,
    "sessions/expire": _expire_session,
    "sessions/run_out": _run_out_session,
    "keys/forget": _forget_keys,
    "cards/behaviour": _set_behaviour,
    "cards/replace": _replace_card,
}

"""What happens without being asked: plans fall due, sessions run out, events are delivered. One thread that plans, a few that send."""

import hashlib
import hmac
import json
import logging
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from stripe_sandbox import cards, outbox
from stripe_sandbox.errors import StripeError
from stripe_sandbox.operations import checkout_sessions, disputes, paying, refunds
from stripe_sandbox.store import Sandbox
from stripe_sandbox.transaction import Transaction, begin, public

logger = logging.getLogger("stripe_sandbox")

SENDERS = 4
LOOK_EVERY_SECONDS = 0.25
ANSWER_SECONDS_MAX = 20.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stripe takes a redirect for a failed delivery."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def _open_dispute(tx: Transaction, target: str) -> None:
    charge = tx.fetch("charge", object_id=target)
    behaviour = cards.BEHAVIOURS[tx.fetch("payment_method", object_id=charge["payment_method"])["_behaviour"]]
    disputes.open_dispute(tx, charge, reason=behaviour.disputed_as or "fraudulent", is_inquiry=behaviour.is_inquiry)


ACTIONS: dict[str, Callable[[Transaction, str], object]] = {
    "open_dispute": _open_dispute,
    "settle_debit": lambda tx, target: paying.settle_debit(tx, tx.fetch("payment_intent", object_id=target)),
    "refund_pending": lambda tx, target: refunds.succeed(tx, tx.fetch("refund", object_id=target)),
    "refund_fails": lambda tx, target: refunds.fail(tx, tx.fetch("refund", object_id=target)),
    "win_dispute": lambda tx, target: disputes.win(tx, tx.fetch("dispute", object_id=target)),
    "lose_dispute": lambda tx, target: disputes.lose(tx, tx.fetch("dispute", object_id=target)),
}


class Background:
    """Runs until the process ends; it holds nothing that is not in the store."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._senders = ThreadPoolExecutor(max_workers=SENDERS, thread_name_prefix="sender")
        self._free = threading.Semaphore(SENDERS)

    def start(self) -> None:
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._sandbox.wake.wait(LOOK_EVERY_SECONDS)
            self._sandbox.wake.clear()
            try:
                carry_out_plans(self._sandbox)
                self._send_due()
            except Exception:  # The thread must outlive a bug in one plan, whatever it raises; the next round sees the rest.
                logger.exception("the background thread stumbled")

    def _send_due(self) -> None:
        free = 0
        while self._free.acquire(blocking=False):
            free += 1
        rows = []
        if free:
            with self._sandbox.store.transaction() as connection:
                rows = outbox.claim(connection, limit=free)
        for _ in range(free - len(rows)):
            self._free.release()
        for row in rows:
            self._senders.submit(self._send, row)

    def _send(self, row: sqlite3.Row) -> None:
        try:
            answer, delivered = post(row, url=self._sandbox.config.webhook_url, secret=self._sandbox.config.webhook_secret)
            with self._sandbox.store.transaction() as connection:
                outbox.settle(connection, row, answer=answer, delivered=delivered, speed=self._sandbox.config.speed)
        finally:
            self._free.release()
            self._sandbox.wake.set()


def carry_out_plans(sandbox: Sandbox) -> None:
    """Do everything that has fallen due, each in its own transaction."""
    with sandbox.store.transaction() as connection:
        due = connection.execute("SELECT * FROM plan WHERE due_at <= ? ORDER BY due_at", (time.time(),)).fetchall()
        overdue = connection.execute(
            "SELECT 1 FROM document WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open'"
            " AND json_extract(body, '$.expires_at') <= ? LIMIT 1",
            (time.time(),),
        ).fetchone()
    for plan in due:
        with begin(sandbox) as tx:
            tx.connection.execute("DELETE FROM plan WHERE seq = ?", (plan["seq"],))
            try:
                ACTIONS[plan["action"]](tx, plan["target"])
            except StripeError as error:
                # Somebody was faster: the dispute is closed already, the refund has failed already.
                logger.info("plan %s for %s is void: %s", plan["action"], plan["target"], error)
    if overdue:
        with begin(sandbox) as tx:
            checkout_sessions.end_overdue(tx)


def signature(payload: bytes, *, secret: str, timestamp: int) -> str:
    """Stripe's header: the time, and the HMAC-SHA256 of time and body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def post(row: sqlite3.Row, *, url: str, secret: str) -> tuple[str, bool]:
    """Send one event; what came back, and whether that was a yes."""
    payload = json.dumps(public(json.loads(row["body"])), indent=2).encode()
    used_secret = secret if row["signature"] == "good" else f"{secret}-another"
    timestamp = int(time.time()) + row["timestamp_offset"]
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
    }
    if row["signature"] != "missing":
        headers["Stripe-Signature"] = signature(payload, secret=used_secret, timestamp=timestamp)
    request = urllib.request.Request(  # noqa: S310 -- the command line has let only http and https through
        url, data=payload, headers=headers, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=ANSWER_SECONDS_MAX) as response:
            return str(response.status), 200 <= response.status < 300
    except urllib.error.HTTPError as error:
        return str(error.code), False
    except (OSError, HTTPException) as error:
        return type(error).__name__, False

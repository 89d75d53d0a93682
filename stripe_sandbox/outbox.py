"""Which event goes to the webhook address when, how often and how signed: rows only; delivery.py sends them."""

import random
import sqlite3
import time

from stripe_sandbox import faults

# Stripe gives up after about three days.
AGE_SECONDS_MAX = 3 * 24 * 3600
RETRY_SECONDS_FIRST = 10
RETRY_SECONDS_MAX = 12 * 3600
# Just past what Stripe's SDKs accept.
OLD_TIMESTAMP_SECONDS = -301


def enqueue(connection: sqlite3.Connection, *, event: str, event_type: str, dice: random.Random) -> None:
    """One row per copy that will be sent, as the faults of the moment will have it."""
    struck = faults.take(connection, name=event_type, kinds=faults.WEBHOOK_KINDS, dice=dice)
    due_at = time.time()
    if delay := struck.get("webhook_delay"):
        due_at += delay.seconds
    for _ in range(struck["webhook_duplicate"].copies if "webhook_duplicate" in struck else 1):
        shuffled = dice.uniform(0, struck["webhook_shuffle"].seconds) if "webhook_shuffle" in struck else 0
        add(
            connection,
            event=event,
            event_type=event_type,
            due_at=due_at + shuffled,
            state="lost" if "webhook_drop" in struck else "pending",
            signature="bad" if "webhook_bad_signature" in struck else "good",
            timestamp_offset=OLD_TIMESTAMP_SECONDS if "webhook_old_timestamp" in struck else 0,
        )


def add(
    connection: sqlite3.Connection,
    *,
    event: str,
    event_type: str,
    due_at: float,
    state: str = "pending",
    signature: str = "good",
    timestamp_offset: int = 0,
    once: bool = False,
) -> None:
    """A copy to send. `once`: never again, whatever the answer is."""
    connection.execute(
        "INSERT INTO delivery (event, type, due_at, state, signature, timestamp_offset, once) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (event, event_type, due_at, state, signature, timestamp_offset, once),
    )


def retry_seconds(attempts: int, *, speed: float) -> float | None:
    """How long to wait after that many attempts; None where Stripe would have given up."""
    waited, step = 0.0, float(RETRY_SECONDS_FIRST)
    for _ in range(attempts - 1):
        waited, step = waited + step, min(step * 3, RETRY_SECONDS_MAX)
    return None if waited + step > AGE_SECONDS_MAX else step / speed


def claim(connection: sqlite3.Connection, *, limit: int) -> list[sqlite3.Row]:
    """Due rows, now being sent; none while deliveries are paused."""
    if connection.execute("SELECT 1 FROM setting WHERE name = 'webhooks_paused'").fetchone():
        return []
    rows = connection.execute(
        "SELECT delivery.*, document.body FROM delivery JOIN document ON document.id = delivery.event"
        " WHERE delivery.state = 'pending' AND delivery.due_at <= ? ORDER BY delivery.due_at, delivery.seq LIMIT ?",
        (time.time(), limit),
    ).fetchall()
    connection.executemany("UPDATE delivery SET state = 'sending' WHERE seq = ?", [(row["seq"],) for row in rows])
    return rows


def settle(connection: sqlite3.Connection, row: sqlite3.Row, *, answer: str, delivered: bool, speed: float) -> None:
    """Write down how an attempt ended, and when the next is due. What was signed wrongly is signed well the next time."""
    attempts = row["attempts"] + 1
    wait = None if delivered or row["once"] else retry_seconds(attempts, speed=speed)
    state = "delivered" if delivered else "given_up" if wait is None else "pending"
    connection.execute(
        "UPDATE delivery SET state = ?, attempts = ?, due_at = ?, last_answer = ?, signature = 'good', timestamp_offset = 0 WHERE seq = ?",
        (state, attempts, time.time() + (wait or 0), answer, row["seq"]),
    )
    if delivered:
        connection.execute("UPDATE document SET body = json_set(body, '$.pending_webhooks', 0) WHERE id = ?", (row["event"],))

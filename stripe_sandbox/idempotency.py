"""Idempotency keys: one request per key; the same again gets the saved answer, another is refused. Pruned after a day, as at Stripe."""

import sqlite3
import time

from stripe_sandbox.errors import IdempotencyMismatch, KeyInUse
from stripe_sandbox.store import Store

KEY_LENGTH_MAX = 255
AGE_SECONDS_MAX = 24 * 3600


def claim(store: Store, key: str, *, fingerprint: str, request_id: str) -> sqlite3.Row | None:
    """The saved answer, or None: the key is now ours and must be finished or released. Raises IdempotencyMismatch, KeyInUse."""
    with store.transaction() as connection:
        connection.execute("DELETE FROM idempotency_key WHERE status IS NOT NULL AND created < ?", (time.time() - AGE_SECONDS_MAX,))
        row: sqlite3.Row | None = connection.execute("SELECT * FROM idempotency_key WHERE key = ?", (key,)).fetchone()
        if row is None:
            connection.execute(
                "INSERT INTO idempotency_key (key, fingerprint, created, request_id) VALUES (?, ?, ?, ?)",
                (key, fingerprint, time.time(), request_id),
            )
            return None
    if row["fingerprint"] != fingerprint:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )
        raise IdempotencyMismatch(message)
    if row["status"] is None:
        raise in_use(key)
    return row


def in_use(key: str) -> KeyInUse:
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other "
        f"request is still going through): {key}. Please try again later."
    )
    return KeyInUse(message, code="idempotency_key_in_use")


def finish(connection: sqlite3.Connection, key: str, *, status: int, body: str, is_saved: bool) -> None:
    """Save the answer in the transaction of its effect, or let the key go with that transaction."""
    if is_saved:
        connection.execute("UPDATE idempotency_key SET status = ?, body = ? WHERE key = ?", (status, body, key))
    else:
        connection.execute("DELETE FROM idempotency_key WHERE key = ?", (key,))


def release(store: Store, key: str | None) -> None:
    """Nothing was done under this key: it may be used again."""
    if key:
        with store.transaction() as connection:
            connection.execute("DELETE FROM idempotency_key WHERE key = ? AND status IS NULL", (key,))


def forget(connection: sqlite3.Connection, *, key: str = "") -> int:
    """As if a day had passed for that key, or for all; how many were forgotten."""
    return connection.execute("DELETE FROM idempotency_key WHERE status IS NOT NULL AND ? IN ('', key)", (key,)).rowcount

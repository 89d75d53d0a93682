"""The faults that a test asked for: kept in rows, matched by name, used up by count or by chance. It applies none itself."""

import json
import random
import sqlite3
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from stripe_sandbox.errors import InvalidRequest

# Around one request to the API, matched against the operation's name.
REQUEST_KINDS = frozenset(
    {
        "delay_before",
        "drop_before",
        "rate_limit",
        "conflict",
        "error_before",
        "error_after",
        "delay_during",
        "delay_after",
        "hang_after",
        "reset_after",
    }
)
# Around one event, matched against the event's type.
WEBHOOK_KINDS = frozenset(
    {"webhook_delay", "webhook_duplicate", "webhook_shuffle", "webhook_drop", "webhook_bad_signature", "webhook_old_timestamp"}
)
# What a fault may be told besides: seconds to wait, copies to send in all, and whether an error is saved under the key.
OPTIONS = {"seconds": 1.0, "copies": 2, "saved": True}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault that strikes now."""

    kind: str
    seconds: float
    copies: int
    saved: bool


def add(connection: sqlite3.Connection, wish: dict[str, Any]) -> int:
    """Keep a fault; its number. Raises InvalidRequest on a kind or option that does not exist."""
    wish = {"match": "*", "count": None, "probability": 1.0, **wish}
    kind, match, count, probability = (wish.pop(name, None) for name in ("kind", "match", "count", "probability"))
    if kind not in REQUEST_KINDS | WEBHOOK_KINDS:
        known = ", ".join(sorted(REQUEST_KINDS | WEBHOOK_KINDS))
        raise InvalidRequest(f"Unknown kind of fault: {kind}. There are: {known}", param="kind")
    if not (count is None or (isinstance(count, int) and count > 0)):
        raise InvalidRequest("count must be a whole number above zero, or null for ever.", param="count")
    if not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise InvalidRequest("probability must lie between 0 and 1.", param="probability")
    if unknown := sorted(set(wish) - set(OPTIONS)):
        raise InvalidRequest(f"Unknown option of a fault: {unknown[0]}", param=unknown[0])
    cursor = connection.execute(
        "INSERT INTO fault (kind, match, remaining, probability, options) VALUES (?, ?, ?, ?, ?)",
        (kind, match, count, probability, json.dumps(wish)),
    )
    return int(cursor.lastrowid or 0)


def take(connection: sqlite3.Connection, *, name: str, kinds: frozenset[str], dice: random.Random) -> dict[str, Fault]:
    """The faults that strike this operation or event, by kind; each counts as used."""
    struck: dict[str, Fault] = {}
    rows = connection.execute("SELECT * FROM fault WHERE remaining IS NULL OR remaining > 0 ORDER BY seq").fetchall()
    for row in rows:
        is_ours = row["kind"] in kinds and row["kind"] not in struck and fnmatchcase(name, row["match"])
        if not is_ours or dice.random() >= row["probability"]:
            continue
        connection.execute("UPDATE fault SET remaining = remaining - 1 WHERE seq = ?", (row["seq"],))
        struck[row["kind"]] = Fault(kind=row["kind"], **{**OPTIONS, **json.loads(row["options"])})
    return struck

"""The sandbox's memory: one SQLite file, one writer at a time, kept over a kill -9. Knows tables, not what is in them."""

import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stripe_sandbox.config import Config

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS document_kind ON document (kind, seq);
CREATE INDEX IF NOT EXISTS document_customer ON document (kind, json_extract(body, '$.customer'));
CREATE INDEX IF NOT EXISTS document_payment_intent ON document (kind, json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS document_charge ON document (kind, json_extract(body, '$.charge'));
CREATE INDEX IF NOT EXISTS document_open_session ON document (json_extract(body, '$.expires_at'))
    WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open';
CREATE TABLE IF NOT EXISTS idempotency_key (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    created REAL NOT NULL,
    status INTEGER,
    body TEXT,
    request_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    type TEXT NOT NULL,
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    signature TEXT NOT NULL DEFAULT 'good',
    timestamp_offset INTEGER NOT NULL DEFAULT 0,
    once INTEGER NOT NULL DEFAULT 0,
    last_answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, due_at);
CREATE TABLE IF NOT EXISTS plan (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at REAL NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS fault (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    match TEXT NOT NULL,
    remaining INTEGER,
    probability REAL NOT NULL,
    options TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS request_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    path TEXT NOT NULL,
    idempotency_key TEXT,
    status INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    received_at REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
FORGET_ALL = (
    "DELETE FROM document",
    "DELETE FROM idempotency_key",
    "DELETE FROM delivery",
    "DELETE FROM plan",
    "DELETE FROM fault",
    "DELETE FROM request_log",
    "DELETE FROM setting",
)


class Store:
    """One connection behind one lock: what happens in a transaction happens whole, and one after the other."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(state_dir / "sandbox.sqlite3", isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Enough for a killed process; a machine that loses power may lose the last moments of a sandbox.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        self._add_what_older_files_lack()
        # A request that was running when the process died left no effect: its transaction never ended.
        self._connection.execute("DELETE FROM idempotency_key WHERE status IS NULL")
        self._connection.execute("UPDATE delivery SET state = 'pending' WHERE state = 'sending'")

    def _add_what_older_files_lack(self) -> None:
        columns = {row["name"] for row in self._connection.execute("PRAGMA table_info(request_log)")}
        if "received_at" not in columns:
            self._connection.execute("ALTER TABLE request_log ADD COLUMN received_at REAL NOT NULL DEFAULT 0")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything or nothing. Not to be held while waiting for anything but the lock."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@dataclass(kw_only=True)
class Sandbox:
    """The running whole: what it was started with, what it remembers, and its dice."""

    config: Config
    store: Store
    dice: random.Random = field(default_factory=random.Random)
    # Set when something became due, so that the background thread need not be polled for.
    wake: threading.Event = field(default_factory=threading.Event)

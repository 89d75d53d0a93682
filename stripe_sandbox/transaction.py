"""What an operation works with: documents by id, events, and plans for later, all in one database transaction.

It knows the shape that all of Stripe's objects share, and no single one of them.
"""

import json
import secrets
import sqlite3
import string
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stripe_sandbox import API_VERSION, outbox
from stripe_sandbox.config import Config
from stripe_sandbox.errors import NamedMissing, ResourceMissing
from stripe_sandbox.store import Sandbox

# One object of Stripe's as JSON. Names that begin with "_" are the sandbox's own and never leave it.
Document = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, *, length: int = 24) -> str:
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


def public(document: Mapping[str, Any]) -> Document:
    return {name: value for name, value in document.items() if not name.startswith("_")}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The API request on whose behalf something happens; both None for a payer's page, a timer or the control endpoint."""

    request_id: str | None = None
    idempotency_key: str | None = None


NOBODY = Caller()


class Transaction:
    """One unit of work. Times are whole seconds, as Stripe's."""

    def __init__(self, connection: sqlite3.Connection, *, sandbox: Sandbox, caller: Caller) -> None:
        self.connection = connection
        self.sandbox = sandbox
        self.caller = caller
        self.now = int(time.time())

    @property
    def config(self) -> Config:
        return self.sandbox.config

    def get(self, object_id: str) -> Document | None:
        row = self.connection.execute("SELECT body FROM document WHERE id = ?", (object_id,)).fetchone()
        return json.loads(row["body"]) if row else None

    def fetch(self, kind: str, *, object_id: str, param: str = "id") -> Document:
        """The object of that kind and id; one that was deleted is none. Raises ResourceMissing."""
        document = self.get(object_id)
        if document is None or document["object"] != kind or "deleted" in document:
            raise ResourceMissing(kind, object_id=object_id, param=param)
        return document

    def fetch_named(self, kind: str, wish: Mapping[str, Any]) -> Document:
        """The object that the parameter of its kind's name names. Raises NamedMissing."""
        try:
            return self.fetch(kind, object_id=wish[kind])
        except ResourceMissing:
            raise NamedMissing(kind, object_id=wish[kind], param=kind) from None

    def save(self, document: Document) -> Document:
        self.connection.execute(
            "INSERT INTO document (id, kind, created, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            # What is left of a deleted object tells no time; its row keeps its own.
            (document["id"], document["object"], document.get("created", self.now), json.dumps(document)),
        )
        return document

    def find(self, kind: str, **equals: str) -> list[Document]:
        """All objects of a kind whose members equal what is given, oldest first."""
        conditions = "".join(f" AND json_extract(body, '$.{name}') = ?" for name in equals)
        query = f"SELECT body FROM document WHERE kind = ?{conditions} ORDER BY seq"  # noqa: S608 -- our own names; values are bound
        rows = self.connection.execute(query, (kind, *equals.values()))
        return [json.loads(row["body"]) for row in rows]

    def emit(self, event_type: str, *, about: Document, previous: Mapping[str, Any] | None = None) -> Document:
        """Store the event and put it into the outbox; it is sent once this transaction has been committed."""
        data: Document = {"object": public(about)}
        if previous is not None:
            data["previous_attributes"] = dict(previous)
        event: Document = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 1 if self.config.webhook_url else 0,
            "request": {"id": self.caller.request_id, "idempotency_key": self.caller.idempotency_key},
            "type": event_type,
        }
        self.save(event)
        if self.config.webhook_url:
            outbox.enqueue(self.connection, event=str(event["id"]), event_type=event_type, dice=self.sandbox.dice)
        return event

    def plan(self, action: str, *, target: str, seconds: float) -> None:
        """Let the background thread do something to an object later."""
        due_at = time.time() + seconds
        self.connection.execute("INSERT INTO plan (due_at, action, target) VALUES (?, ?, ?)", (due_at, action, target))


@contextmanager
def begin(sandbox: Sandbox, *, caller: Caller = NOBODY) -> Iterator[Transaction]:
    with sandbox.store.transaction() as connection:
        yield Transaction(connection, sandbox=sandbox, caller=caller)
    sandbox.wake.set()

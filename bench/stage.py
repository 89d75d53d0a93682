"""What is measured on: workspaces with funded wallets, a key, and batches of events. Imports Django, so after it is set up."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from bench.load import Request
from usage.cloud_events import BATCH
from wallet.ledger import Entry, post
from wallet.models import Account, Kind, Wallet
from wallet.services.wallets import open_wallet
from workspaces.models import Scope, Workspace
from workspaces.services import create_api_key

BATCH_EVENTS = 1_000
_numbers = count()


@dataclass(frozen=True)
class Stage:
    """The wallets and the platform's key."""

    wallets: list[Wallet]
    secret: str

    @property
    def subjects(self) -> list[str]:
        return [wallet.workspace.public_id for wallet in self.wallets]


def set_stage(*, wallets: int) -> Stage:
    """That many workspaces with $10,000 each, and a key for all of them."""
    made = [funded_wallet(f"Workspace {number}") for number in range(wallets)]
    key = create_api_key(None, name="bench", scopes=[Scope.EVENTS_WRITE, Scope.HOLDS_WRITE], created_by=None, expires_at=None)
    return Stage(made, key.secret)


def funded_wallet(name: str) -> Wallet:
    """A new workspace's wallet with $10,000 in it."""
    wallet = open_wallet(Workspace.objects.create(name=name), currency="usd")
    entry = Entry(
        debit=Account.ADJUSTMENTS,
        credit=Account.WALLET,
        amount_micros=10_000_000_000,
        kind=Kind.ADJUSTMENT,
        reference="bench",
        description="Opening balance",
        happened_at=datetime.now(UTC),
        idempotency_key="bench",
    )
    post(wallet.pk, [entry])
    return wallet


def batch(subjects: list[str]) -> Request:
    """A thousand outbound calls, shared out among the subjects."""
    events = [event(subjects[number % len(subjects)]) for number in range(BATCH_EVENTS)]
    return Request("/api/v1/events", json.dumps(events).encode(), BATCH)


def event(subject: str, **data: object) -> dict[str, object]:
    """One outbound call that was never reported before."""
    number = next(_numbers)
    call = {"duration_seconds": 20 + number % 600, "to": f"+1415555{number % 10_000:04d}", "from": "+12125550100", "agent": "Sales agent"}
    return {
        "specversion": "1.0",
        "id": f"call-{number}",
        "source": "/bench/calls",
        "type": "call_out",
        "subject": subject,
        "time": datetime.now(UTC).isoformat(),
        "data": call | data,
    }

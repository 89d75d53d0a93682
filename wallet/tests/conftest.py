"""What tests of the wallet share: Alice's wallet, callers of its API, and an endpoint that listens. A file may have its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from wallet.models import Wallet
from wallet.services.webhook_endpoints import NewEndpoint
from wallet.tests.builders import make_wallet
from wallet.tests.desk import Desk, give_refunds, make_desk
from wallet.tests.hooks import endpoint_of
from wallet.tests.news import Stage, make_stage
from wallet.tests.receiver import Receiver, running_receiver
from workspaces.tests.api_caller import Caller, caller


@pytest.fixture
def wallet(db: None) -> Wallet:
    return make_wallet()


# ---------------------------------------------------------------- the API
@pytest.fixture
def path(wallet: Wallet) -> str:
    """The wallet's address in the API."""
    return f"/wallets/{wallet.workspace.public_id}"


@pytest.fixture
def own(wallet: Wallet) -> Caller:
    """A caller with the workspace's own key."""
    return caller(wallet.workspace)


@pytest.fixture
def platform(db: None) -> Caller:
    """A caller with the platform's key."""
    return caller(None)


# ---------------------------------------------------------------- outgoing webhooks
@pytest.fixture
def private_targets(settings: Any) -> None:
    """Webhooks may go to addresses of this machine."""
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def hook(wallet: Wallet, receiver: Receiver, private_targets: None) -> NewEndpoint:
    """The workspace's endpoint, at the receiver."""
    return endpoint_of(wallet.workspace, receiver.url)


# ---------------------------------------------------------------- e-mails
@pytest.fixture
def stage(db: None) -> Stage:
    return make_stage()


# ---------------------------------------------------------------- the operator's people
@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the refunds that Stripe was asked for; each succeeds."""
    return give_refunds(monkeypatch)


@pytest.fixture
def desk(db: None, stripe: list[str]) -> Desk:
    return make_desk()

"""Alice owns Northside, whose wallet is in dollars; Bob is a member, Charlie a stranger with a workspace of his own."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing import limits
from billing.forms import new_request_id
from stripe_sandbox.testing import RunningSandbox
from wallet import stripe_gateway
from wallet.models import Card, PaymentLink, Wallet
from wallet.services.cards import save_card
from wallet.services.customers import stripe_customer
from wallet.services.payment_links import request_payment_link
from wallet.services.wallets import open_wallet
from wallet.tests.builders import DOLLAR, card_details
from workspaces import services
from workspaces.models import Membership, Role, User, Workspace

PASSWORD = "correct horse battery"
NOBODY_LISTENS = "redis://127.0.0.1:9/0"

SignedIn = Callable[[User], Client]
Address = Callable[..., str]


@pytest.fixture
def alice(db: None) -> User:
    return services.add_user("alice@northside.example", password=PASSWORD, name="Alice Moreau")


@pytest.fixture
def bob(workspace: Workspace) -> User:
    user = services.add_user("bob@northside.example", password=PASSWORD, name="Bob Tanaka")
    Membership.objects.create(workspace=workspace, user=user, role=Role.MEMBER)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    return services.add_user("charlie@elsewhere.example", password=PASSWORD)


@pytest.fixture
def elsewhere(charlie: User) -> Wallet:
    """The wallet of Charlie's own workspace."""
    return open_wallet(services.create_workspace(charlie, name="Elsewhere", time_zone="UTC"), currency="usd")


@pytest.fixture
def workspace(alice: User) -> Workspace:
    return services.create_workspace(alice, name="Northside Realty", time_zone="America/New_York")


@pytest.fixture
def wallet(workspace: Workspace) -> Wallet:
    return open_wallet(workspace, currency="usd")


@pytest.fixture
def signed_in() -> SignedIn:
    """A function from a user to a browser in which they are signed in."""

    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def alices(alice: User, signed_in: SignedIn) -> Client:
    """Alice's browser."""
    return signed_in(alice)


@pytest.fixture
def page(workspace: Workspace, wallet: Wallet) -> str:
    """The address of Northside's Settings → Billing."""
    return f"/w/{workspace.public_id}/settings/billing"


@pytest.fixture
def pay_link(wallet: Wallet, alice: User) -> PaymentLink:
    """A link to pay $20."""
    return a_link(wallet, by=alice)


@pytest.fixture
def stripe_card(wallet: Wallet, alice: User, sandbox: RunningSandbox) -> Card:
    """A Visa saved at the sandbox and here."""
    return connect(wallet, by=alice)


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    """Redis is down, as far as limits are concerned."""
    settings.REDIS_URL = NOBODY_LISTENS
    limits._limiter.cache_clear()
    yield
    limits._limiter.cache_clear()


@pytest.fixture
def two_a_minute(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that lowers one of the limits by its name, so that a test need not try thirty times."""

    def lower(name: str) -> None:
        known: limits.Limit = getattr(limits, name)
        monkeypatch.setattr(known.item, "amount", 2)

    return lower


def a_link(wallet: Wallet, *, by: User, dollars: int | None = 20) -> PaymentLink:
    """A link to pay, or without dollars one to connect a card."""
    return request_payment_link(
        wallet,
        purpose=PaymentLink.Purpose.PAY if dollars else PaymentLink.Purpose.CONNECT_CARD,
        amount_micros=dollars * DOLLAR if dollars else None,
        request_id=uuid4().hex,
        requested_by=by,
    )


def a_card(wallet: Wallet, **changes: Any) -> Card:
    """A saved card that Stripe knows nothing of."""
    return save_card(wallet.pk, card_details(uuid4().hex, **changes), connected_by=None)


def connect(wallet: Wallet, *, by: User, name: str = "pm_card_visa", behaviour: str = "", sandbox: RunningSandbox | None = None) -> Card:
    """A card saved at the sandbox and here; `behaviour` is what it does from now on."""
    method = stripe_gateway._client().v1.payment_methods.attach(name, {"customer": stripe_customer(wallet)})
    if sandbox is not None:
        sandbox.set_card_behaviour(method.id, behaviour)
    details = stripe_gateway.retrieve_card(method.id)
    assert details is not None
    return save_card(wallet.pk, details, connected_by=by)


def form(amount: str = "20", *, pay_with: object = "link", request_id: str = "") -> dict[str, str]:
    """Add Balance, filled in."""
    return {"amount": amount, "pay_with": str(pay_with), "request_id": request_id or new_request_id()}

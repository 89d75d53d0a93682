"""Alice owns Northside, Bob is a member, Charlie a stranger; prices as they are seeded, and calls whose time can be moved."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from usage.models import LabRun
from usage.services.default_prices import seed_default_prices
from usage.services.lab_calls import CallPlan, start_call
from wallet.ledger import post
from wallet.models import Wallet
from wallet.services.wallets import open_wallet
from wallet.tests.builders import DOLLAR, adjustment
from workspaces import services
from workspaces.models import Membership, Role, User, Workspace

PASSWORD = "correct horse battery"
NUMBER = "+12125550142"
"""At $0.0140 a minute by 6 seconds."""
MINUTE_OUT = 14_000
MINUTE_IN = 8_500
ANSWER = 50_000

Fund = Callable[[int], None]
Call = Callable[..., LabRun]


@pytest.fixture(autouse=True)
def prices(db: None) -> None:
    seed_default_prices()


@pytest.fixture
def alice(db: None) -> User:
    return services.add_user("alice@northside.example", password=PASSWORD, name="Alice Moreau")


@pytest.fixture
def workspace(alice: User) -> Workspace:
    return services.create_workspace(alice, name="Northside Realty", time_zone="America/New_York")


@pytest.fixture
def bob(workspace: Workspace) -> User:
    user = services.add_user("bob@northside.example", password=PASSWORD, name="Bob Tanaka")
    Membership.objects.create(workspace=workspace, user=user, role=Role.MEMBER)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    user = services.add_user("charlie@elsewhere.example", password=PASSWORD)
    open_wallet(services.create_workspace(user, name="Elsewhere", time_zone="UTC"), currency="usd")
    return user


@pytest.fixture
def wallet(workspace: Workspace) -> Wallet:
    return open_wallet(workspace, currency="usd")


@pytest.fixture
def fund(wallet: Wallet) -> Fund:
    """A function that puts so many micros into the wallet."""

    def put_in(amount_micros: int) -> None:
        post(wallet.pk, [adjustment(amount_micros)])
        wallet.refresh_from_db()

    return put_in


@pytest.fixture
def funded(fund: Fund) -> None:
    fund(10 * DOLLAR)


@pytest.fixture
def call(wallet: Wallet, alice: User) -> Call:
    """A function that lets a call ring, outbound and live unless said otherwise."""

    def start(*, is_live: bool = True, direction: str = "out", request_id: str = "") -> LabRun:
        plan = CallPlan(agent="reception", direction=direction, number=NUMBER, is_live=is_live)
        return start_call(wallet, plan, request_id=request_id or uuid4().hex, by=alice)

    return start


def pass_time(run: LabRun, *, seconds: float, seen: bool = True) -> None:
    """As if the run had begun that much earlier; `seen` where its page was heard of all the while."""
    by = timedelta(seconds=seconds)
    run.refresh_from_db()
    run.started_at -= by
    run.answered_at = run.answered_at - by if run.answered_at else None
    if not seen:
        run.last_seen_at -= by
    run.save(update_fields=["started_at", "answered_at", "last_seen_at"])


def answered(run: LabRun, *, seconds: float, seen: bool = True) -> None:
    """As if the call had been answered so many seconds ago."""
    assert run.answered_at is not None
    pass_time(run, seconds=seconds + (run.answered_at - run.started_at).total_seconds(), seen=seen)


def standing(wallet: Wallet) -> tuple[int, int]:
    """Balance and held, as they stand now."""
    wallet.refresh_from_db()
    return wallet.balance_micros, wallet.held_micros


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A function from a user to a browser in which they are signed in."""

    def browser(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return browser


@pytest.fixture
def address(workspace: Workspace) -> Callable[..., str]:
    """A function from a page's name to its address."""
    return lambda name, *args: reverse(f"usage:{name}", args=[workspace.public_id, *args])

"""Alice owns Northside, Dana is an admin, Bob a member, Charlie a stranger with a workspace of his own."""

from collections.abc import Callable

import pytest
from django.test import Client

from wallet.services.wallets import open_wallet
from workspaces import services
from workspaces.models import Membership, Role, User, Workspace

PASSWORD = "correct horse battery"


@pytest.fixture
def alice(db: None) -> User:
    return services.add_user("alice@northside.example", password=PASSWORD, name="Alice Moreau")


@pytest.fixture
def dana(workspace: Workspace) -> User:
    return _member(workspace, email="dana@northside.example", name="Dana O'Neill", role=Role.ADMIN)


@pytest.fixture
def bob(workspace: Workspace) -> User:
    return _member(workspace, email="bob@northside.example", name="Bob Tanaka", role=Role.MEMBER)


@pytest.fixture
def charlie(db: None) -> User:
    user = services.add_user("charlie@elsewhere.example", password=PASSWORD)
    own = services.create_workspace(user, name="Elsewhere", time_zone="UTC")
    open_wallet(own, currency="eur")
    return user


@pytest.fixture
def workspace(alice: User) -> Workspace:
    workspace = services.create_workspace(alice, name="Northside Realty", time_zone="America/New_York")
    open_wallet(workspace, currency="usd")
    return workspace


@pytest.fixture
def membership_of(workspace: Workspace) -> Callable[[User], Membership]:
    """A function from a user to their membership in Northside as it stands now."""
    return lambda user: Membership.objects.select_related("workspace", "user").get(workspace=workspace, user=user)


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A function from a user to a browser in which they are signed in."""

    def browser(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return browser


def _member(workspace: Workspace, *, email: str, name: str, role: Role) -> User:
    user = services.add_user(email, password=PASSWORD, name=name)
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return user

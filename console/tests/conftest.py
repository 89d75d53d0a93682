"""The operator's people and a customer who has seen everything once."""

import pytest
from django.test import Client

from usage.tests.stage import Metering
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, make_wallet, paid_top_up
from wallet.tests.staff import signed_in, staff
from workspaces.models import Membership, Role, User
from workspaces.staff import StaffRole


@pytest.fixture
def sam(db: None) -> Client:
    """Of support."""
    return signed_in(staff("sam", StaffRole.SUPPORT))


@pytest.fixture
def frances(db: None) -> Client:
    """Of finance."""
    return signed_in(staff("frances", StaffRole.FINANCE))


@pytest.fixture
def petra(db: None) -> Client:
    """Of pricing."""
    return signed_in(staff("petra", StaffRole.PRICING))


@pytest.fixture
def wallet(db: None) -> Wallet:
    """Alice's, with twenty dollars that she paid."""
    wallet = make_wallet(name="Alice's Bakery")
    alice = User.objects.create_user("alice@bakery.example", "correct horse battery", name="Alice Moreau")
    Membership.objects.create(workspace=wallet.workspace, user=alice, role=Role.OWNER)
    paid_top_up(wallet, 20 * DOLLAR)
    wallet.refresh_from_db()
    return wallet


@pytest.fixture
def kept(metering: Metering) -> int:
    """A call that no meter prices, kept aside."""
    metering.report(metering.event(type="fax_out", id="fax-1", data={"quantity": 3}))
    return metering.kept[0].pk

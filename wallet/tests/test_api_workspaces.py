"""Workspaces through the API: the platform makes each once, with its wallet, and invites its owner."""

from typing import Any

import pytest

from wallet.tests.api_bodies import new_workspace
from workspaces.models import Invitation, Membership, Role, User, Workspace
from workspaces.tests.api_caller import Caller

pytestmark = pytest.mark.django_db


def test_it_makes_a_workspace_with_its_wallet(platform: Caller) -> None:
    answer = platform.post("/workspaces", new_workspace())

    assert answer.status == 201
    made = Workspace.objects.get()
    assert made.wallet.currency == "usd"
    assert answer.body == {
        "id": made.public_id,
        "external_id": "customer-1042",
        "name": "Acme, Inc.",
        "currency": "usd",
        "time_zone": "Europe/Berlin",
        "created_at": made.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_it_finds_the_workspace_that_is_there_and_leaves_it_as_it_is(platform: Caller) -> None:
    first = platform.post("/workspaces", new_workspace())

    again = platform.post("/workspaces", new_workspace(name="Another name", time_zone="UTC"))

    assert (again.status, again.body) == (200, first.body)
    assert platform.get("/workspaces/customer-1042").body == first.body
    assert platform.get(f"/workspaces/{first.body['id']}").body == first.body


def test_it_changes_no_wallets_currency(platform: Caller) -> None:
    platform.post("/workspaces", new_workspace())

    answer = platform.post("/workspaces", new_workspace(currency="eur"))

    assert (answer.status, answer.code, answer.body["currency"]) == (409, "currency_fixed", "usd")


def test_it_invites_an_owner_once(platform: Caller) -> None:
    for _ in range(2):
        platform.post("/workspaces", new_workspace(owner_email="owner@acme.example"))

    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role, invitation.invited_by) == ("owner@acme.example", Role.OWNER, None)


def test_it_invites_nobody_where_somebody_is(platform: Caller) -> None:
    platform.post("/workspaces", new_workspace())
    alice = User.objects.create_user("alice@acme.example")
    Membership.objects.create(workspace=Workspace.objects.get(), user=alice, role=Role.OWNER)

    platform.post("/workspaces", new_workspace(owner_email="mallory@acme.example"))

    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"external_id": ""}, "#/external_id"),
        ({"external_id": "a b"}, "#/external_id"),
        ({"external_id": "a/b"}, "#/external_id"),
        ({"external_id": "ü"}, "#/external_id"),
        ({"external_id": "x" * 201}, "#/external_id"),
        ({"external_id": 7}, "#/external_id"),
        ({"external_id": None}, "#/external_id"),
        ({"name": ""}, "#/name"),
        ({"name": "   "}, "#/name"),
        ({"name": "a\nb"}, "#/name"),
        ({"name": "a\0b"}, "#/name"),
        ({"name": "\ud800"}, "#/name"),
        ({"name": "x" * 101}, "#/name"),
        ({"currency": "USD"}, "#/currency"),
        ({"currency": "zzz"}, "#/currency"),
        ({"time_zone": "Mars/Olympus"}, "#/time_zone"),
        ({"time_zone": "../etc/passwd"}, "#/time_zone"),
        ({"owner_email": "nobody"}, "#/owner_email"),
        ({"owner_email": "a@b.example\nBcc: c@d.example"}, "#/owner_email"),
    ],
)
def test_it_says_what_is_wrong_with_a_workspace(platform: Caller, changes: dict[str, Any], pointer: str) -> None:
    answer = platform.post("/workspaces", new_workspace(**changes))

    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.body["errors"][0]["pointer"] == pointer
    assert not Workspace.objects.exists()


def test_it_takes_no_external_id_that_looks_like_ours(platform: Caller) -> None:
    victim = Workspace.objects.create(name="Victim")

    answer = platform.post("/workspaces", new_workspace(external_id=victim.public_id))

    assert (answer.status, answer.code) == (422, "external_id_refused")


def test_it_lets_only_the_platform_make_workspaces(own: Caller) -> None:
    assert own.post("/workspaces", new_workspace()).code == "scope_missing"

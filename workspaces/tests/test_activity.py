"""The audit log: each act that matters leaves one row, nobody can change it, and the workspace's owner can read it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.test import Client

from workspaces import services
from workspaces.acting import Actor, acting_as
from workspaces.models import AuditEntry, Membership, Role, Scope, User, Workspace
from workspaces.services.audit import record

pytestmark = pytest.mark.django_db

SignedIn = Callable[[User], Client]


@pytest.fixture
def alices(signed_in: SignedIn, alice: User) -> Client:
    return signed_in(alice)


def address(workspace: Workspace) -> str:
    return f"/w/{workspace.public_id}/settings/activity"


def acts(workspace: Workspace) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(workspace=workspace).order_by("pk").values_list("action", "actor_label"))


def test_it_keeps_who_what_and_from_where(alices: Client, alice: User, bob: User, workspace: Workspace) -> None:
    member = Membership.objects.get(user=bob, workspace=workspace)

    alices.post(f"/w/{workspace.public_id}/settings/members/{member.pk}", {"role": Role.ADMIN}, REMOTE_ADDR="192.0.2.7")

    entry = AuditEntry.objects.get(action="member.role_changed")
    assert (entry.actor, entry.actor_label, entry.address) == (alice, alice.email, "192.0.2.7")
    assert (entry.target, entry.before, entry.after) == (bob.email, {"role": "member"}, {"role": "admin"})


def test_it_leaves_one_row_for_each_act(workspace: Workspace, alice: User, bob: User) -> None:
    owner = Membership.objects.get(user=alice, workspace=workspace)
    member = Membership.objects.get(user=bob, workspace=workspace)
    made = services.create_api_key(workspace, name="Calls", scopes=[Scope.WALLET_READ], expires_at=None, created_by=alice)
    services.revoke_api_key(made.api_key)
    services.revoke_api_key(made.api_key)
    services.rename_workspace(workspace, name="Northside Homes")
    services.rename_workspace(workspace, name="Northside Homes")
    services.change_time_zone(workspace, time_zone="Europe/Berlin")
    services.remove_member(member, by=owner)

    assert [action for action, _ in acts(workspace)] == [
        "workspace.made",
        "api_key.made",
        "api_key.revoked",
        "workspace.renamed",
        "workspace.time_zone_changed",
        "member.removed",
    ]
    assert made.secret not in str(list(AuditEntry.objects.values()))


def test_it_stands_or_falls_with_the_act(workspace: Workspace) -> None:
    def rename_and_fail() -> None:
        with transaction.atomic():
            services.rename_workspace(workspace, name="Gone")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        rename_and_fail()

    assert [action for action, _ in acts(workspace)] == ["workspace.made"]


@pytest.mark.parametrize(
    "statement", ["UPDATE workspaces_auditentry SET action = 'x'", "DELETE FROM workspaces_auditentry", "TRUNCATE workspaces_auditentry"]
)
def test_it_cannot_be_changed(workspace: Workspace, statement: str) -> None:
    """S36: not by the app's role."""
    record("workspace.renamed", workspace=workspace)

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", ["UPDATE workspaces_auditentry SET action = 'x'", "DELETE FROM workspaces_auditentry"])
def test_it_cannot_be_changed_by_the_owner_of_the_tables_by_accident(owner_connection: Any, workspace: Workspace, statement: str) -> None:
    record("workspace.renamed", workspace=workspace)

    with pytest.raises(Exception, match="the audit log is only added to"), owner_connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_shows_the_owner_what_was_done(alices: Client, workspace: Workspace, alice: User) -> None:
    with acting_as(Actor(AuditEntry.ActorKind.PERSON, alice.email, alice, "192.0.2.7")):
        services.rename_workspace(workspace, name="<b>Northside</b>")
    record("wallet.frozen", workspace=workspace, reason="Suspicion.", as_staff=True)

    shown = alices.get(address(workspace)).content.decode()

    assert "Workspace renamed" in shown
    assert "192.0.2.7" in shown
    assert "&lt;b&gt;Northside&lt;/b&gt;" in shown
    assert "The operator" in shown
    assert "Suspicion." not in shown, "what staff writes for itself is for itself"


def test_it_tells_changes_in_words(alices: Client, workspace: Workspace) -> None:
    record("webhook_endpoint.added", workspace=workspace, after={"event_types": ["all"], "description": ""})
    record("wallet.frozen", workspace=workspace, before={"is_frozen": False}, after={"is_frozen": True}, as_staff=True)

    shown = alices.get(address(workspace)).content.decode()

    assert "Webhook added" in shown
    assert "event types: all" in shown
    assert "is frozen: no → yes" in shown
    assert "description" not in shown, "nothing was said of it"


def test_it_shows_page_after_page(alices: Client, workspace: Workspace) -> None:
    for number in range(120):
        record("workspace.renamed", workspace=workspace, target=f"name-{number}")
    seen: list[str] = []
    query = ""
    while True:
        page = alices.get(f"{address(workspace)}{query}").content.decode()
        seen += [part.split("<")[0] for part in page.split("<span>name-")[1:]]
        if "?before=" not in page:
            break
        query = "?before=" + page.split("?before=")[1].split('"')[0]

    assert seen == [str(number) for number in reversed(range(120))]


@pytest.mark.parametrize("query", ["?before=0", "?before=x", "?before=999999999999999999", "?before=-1", "?before=٣"])
def test_it_bears_any_place_to_go_on_from(alices: Client, workspace: Workspace, query: str) -> None:
    assert alices.get(address(workspace) + query).status_code == 200


def test_it_is_for_owners_alone(signed_in: SignedIn, bob: User, charlie: User, workspace: Workspace) -> None:
    assert signed_in(bob).get(address(workspace)).status_code == 403
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    assert signed_in(bob).get(address(workspace)).status_code == 403
    assert signed_in(charlie).get(address(workspace)).status_code == 404


def test_it_says_who_made_someone_staff(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("staff", "grant", alice.email, "--role", "support", "--role", "finance")
    call_command("staff", "revoke", alice.email)

    changes = AuditEntry.objects.filter(action="staff.roles_changed").order_by("pk").values_list("before", "after")
    assert list(changes) == [({"roles": []}, {"roles": ["finance", "support"]}), ({"roles": ["finance", "support"]}, {"roles": []})]
    alice.refresh_from_db()
    assert not alice.is_staff

"""No key reaches another's workspace: every operation of the description, with Charlie's key and Alice's ids (faults: S12, S14).

The operations come from the description itself: one that is new fails here until it is said how it is asked.
"""

import json
from uuid import uuid4

import pytest

from billing.api import api
from billing.tests.api_operations import BY_EVENT, DESCRIBED, EVENT, OF_THE_PLATFORM, WAYS, Tenant, ask, tenant
from billing.tests.rows import rows_of
from usage.services.default_prices import seed_default_prices
from wallet.models import Hold
from workspaces.models import Scope, Workspace
from workspaces.tests.api_caller import ROOT, Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _prices(db: None) -> None:
    seed_default_prices()


@pytest.fixture
def alice() -> Tenant:
    return tenant("Alice's Bakery")


@pytest.fixture
def charlie() -> Tenant:
    return tenant("Charlie's Café")


def test_it_knows_how_every_operation_is_asked() -> None:
    assert WAYS.keys() | OF_THE_PLATFORM | BY_EVENT == DESCRIBED.keys()


def test_it_counts_what_there_is(alice: Tenant) -> None:
    rows = rows_of(alice.workspace)

    assert {name for name, found in rows.items() if found} >= {
        "workspaces.Workspace", "wallet.Wallet", "wallet.Transfer", "wallet.TopUp", "wallet.PaymentLink", "wallet.Hold",
    }  # fmt: skip


@pytest.mark.parametrize("operation", WAYS)
def test_it_reaches_its_own(alice: Tenant, operation: str) -> None:
    """The control: asked like this, the operation does find what is one's own."""
    answer = ask(operation, by=alice.key, subject=alice.workspace.public_id, ids=alice.ids)

    assert answer.status < 400 or answer.code != "not_found"
    assert answer.status not in (400, 401, 403, 405, 415, 422, 500), answer.raw


@pytest.mark.parametrize("operation", WAYS)
@pytest.mark.parametrize("by_external_id", [False, True])
def test_it_reaches_no_other_workspace(alice: Tenant, charlie: Tenant, operation: str, by_external_id: bool) -> None:
    Workspace.objects.filter(pk=alice.workspace.pk).update(external_id="alice")
    subject = "alice" if by_external_id else alice.workspace.public_id
    before = rows_of(alice.workspace), rows_of(charlie.workspace)

    answer = ask(operation, by=charlie.key, subject=subject, ids=alice.ids)
    nowhere = ask(operation, by=charlie.key, subject=f"ws_{'0' * 24}", ids={name: str(uuid4()) for name in alice.ids})

    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.raw == nowhere.raw
    assert (rows_of(alice.workspace), rows_of(charlie.workspace)) == before


@pytest.mark.parametrize("operation", [name for name, (_, path) in DESCRIBED.items() if "_id}" in path])
def test_it_reaches_nothing_of_others_through_its_own_workspace(alice: Tenant, charlie: Tenant, operation: str) -> None:
    before = rows_of(alice.workspace), rows_of(charlie.workspace)

    answer = ask(operation, by=charlie.key, subject=charlie.workspace.public_id, ids=alice.ids)

    assert (answer.status, answer.code) == (404, "not_found")
    assert (rows_of(alice.workspace), rows_of(charlie.workspace)) == before


@pytest.mark.parametrize("operation", sorted(DESCRIBED))
def test_it_asks_for_a_key_and_a_scope_everywhere(alice: Tenant, operation: str) -> None:
    method, path = DESCRIBED[operation]
    path = path.format(subject=alice.workspace.public_id, **alice.ids)
    described = api.get_openapi_schema()["paths"][f"{ROOT}{DESCRIBED[operation][1]}"][method.lower()]
    needed = Scope(described["x-scope"])
    others = caller(None, *(scope for scope in Scope if scope is not needed))
    before = rows_of(alice.workspace)

    assert Caller("").send(method, path, body="{}").code == "unauthenticated"
    assert (others.send(method, path, body="{}").code, needed) == ("scope_missing", needed)
    assert Caller(others.secret).get(f"{path}?api_key=x").status in (401, 405)
    assert rows_of(alice.workspace) == before


@pytest.mark.parametrize("operation", sorted(OF_THE_PLATFORM))
def test_it_refuses_a_workspaces_key_what_is_the_platforms(charlie: Tenant, operation: str) -> None:
    method, path = DESCRIBED[operation]

    assert charlie.key.send(method, path, body="{}").code == "scope_missing"


def test_it_charges_no_other_workspace_by_an_event(alice: Tenant, charlie: Tenant) -> None:
    before = rows_of(alice.workspace)
    batch = json.dumps([EVENT | {"subject": alice.workspace.public_id}])

    answer = charlie.key.send("POST", "/events", body=batch, content_type="application/cloudevents-batch+json")

    assert answer.status == 207
    assert rows_of(alice.workspace) == before


def test_it_captures_no_hold_of_another_by_an_event(alice: Tenant, charlie: Tenant) -> None:
    before = rows_of(alice.workspace)
    event = EVENT | {"subject": charlie.workspace.public_id, "data": {"duration_seconds": 60, "hold": alice.ids["hold_id"]}}

    charlie.key.send("POST", "/events", body=json.dumps(event), content_type="application/cloudevents+json")

    assert rows_of(alice.workspace) == before
    assert Hold.objects.get(id=alice.ids["hold_id"]).status == Hold.Status.OPEN

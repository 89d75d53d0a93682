"""Two owners act at the same instant: one owner must be left. With the lock taken out none is, which shows that the lock is what holds."""

from collections.abc import Callable

import pytest

from workspaces import services
from workspaces.errors import LastOwner
from workspaces.models import Membership, Role, User, Workspace
from workspaces.services import members
from workspaces.tests.race import meet_after, without_lock
from workspaces.tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

Of = Callable[[User], Membership]


def test_it_keeps_one_of_two_owners_who_leave_at_once(
    transactional_db: None, alice: User, bob: User, workspace: Workspace, membership_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = _both_leave(alice, bob, membership_of=membership_of, monkeypatch=monkeypatch)

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [LastOwner]
    assert _owners(workspace) == 1


def test_it_would_lose_both_without_the_lock(
    transactional_db: None, alice: User, bob: User, workspace: Workspace, membership_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lock(monkeypatch)

    outcomes = _both_leave(alice, bob, membership_of=membership_of, monkeypatch=monkeypatch)

    assert outcomes == [None, None]
    assert _owners(workspace) == 0


def test_it_keeps_one_of_two_owners_who_demote_each_other(
    transactional_db: None, alice: User, bob: User, workspace: Workspace, membership_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = _both_demote(alice, bob, membership_of=membership_of, monkeypatch=monkeypatch)

    assert len([outcome for outcome in outcomes if outcome is not None]) == 1
    assert _owners(workspace) == 1


def test_it_would_demote_both_without_the_lock(
    transactional_db: None, alice: User, bob: User, workspace: Workspace, membership_of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lock(monkeypatch)

    outcomes = _both_demote(alice, bob, membership_of=membership_of, monkeypatch=monkeypatch)

    assert outcomes == [None, None]
    assert _owners(workspace) == 0


def _both_leave(alice: User, bob: User, *, membership_of: Of, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.OWNER)
    hers, his = membership_of(alice), membership_of(bob)
    meet_after(monkeypatch, module=members, name="other_owners")
    return at_once([lambda: services.leave_workspace(hers), lambda: services.leave_workspace(his)])


def _both_demote(alice: User, bob: User, *, membership_of: Of, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.OWNER)
    hers, his = membership_of(alice), membership_of(bob)
    meet_after(monkeypatch, module=members, name="other_owners")
    return at_once(
        [
            lambda: services.change_role(his, by=hers, role=Role.MEMBER),
            lambda: services.change_role(hers, by=his, role=Role.MEMBER),
        ]
    )


def _owners(workspace: Workspace) -> int:
    return workspace.memberships.filter(role=Role.OWNER).count()

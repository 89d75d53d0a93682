"""Roles: who may give, change and take them, and that an owner always stays."""

from collections.abc import Callable

import pytest

from workspaces import services
from workspaces.errors import LastOwner, RoleNotAllowed
from workspaces.models import Invitation, Membership, Role, User, Workspace

Of = Callable[[User], Membership]


def test_it_lets_an_owner_change_any_role(alice: User, bob: User, dana: User, membership_of: Of) -> None:
    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.OWNER)
    services.change_role(membership_of(dana), by=membership_of(alice), role=Role.MEMBER)

    assert membership_of(bob).role == Role.OWNER
    assert membership_of(dana).role == Role.MEMBER


def test_it_lets_an_admin_move_people_between_admin_and_member(bob: User, dana: User, membership_of: Of) -> None:
    services.change_role(membership_of(bob), by=membership_of(dana), role=Role.ADMIN)

    assert membership_of(bob).role == Role.ADMIN


def test_it_refuses_an_admin_who_would_make_an_owner(bob: User, dana: User, membership_of: Of) -> None:
    for subject in (bob, dana):
        with pytest.raises(RoleNotAllowed, match="Only an owner"):
            services.change_role(membership_of(subject), by=membership_of(dana), role=Role.OWNER)

    assert Membership.objects.filter(role=Role.OWNER).count() == 1


def test_it_refuses_an_admin_who_would_touch_an_owner(alice: User, dana: User, membership_of: Of) -> None:
    with pytest.raises(RoleNotAllowed):
        services.change_role(membership_of(alice), by=membership_of(dana), role=Role.MEMBER)
    with pytest.raises(RoleNotAllowed):
        services.remove_member(membership_of(alice), by=membership_of(dana))

    assert membership_of(alice).role == Role.OWNER


def test_it_refuses_a_member_everything(alice: User, bob: User, dana: User, membership_of: Of) -> None:
    for subject in (alice, bob, dana):
        with pytest.raises(RoleNotAllowed, match="owners and admins"):
            services.remove_member(membership_of(subject), by=membership_of(bob))
        with pytest.raises(RoleNotAllowed):
            services.change_role(membership_of(subject), by=membership_of(bob), role=Role.MEMBER)

    assert Membership.objects.filter(workspace=membership_of(alice).workspace).count() == 3


def test_it_reads_the_acting_role_anew(alice: User, bob: User, dana: User, membership_of: Of) -> None:
    as_it_was = membership_of(dana)
    services.change_role(membership_of(dana), by=membership_of(alice), role=Role.MEMBER)

    with pytest.raises(RoleNotAllowed):
        services.remove_member(membership_of(bob), by=as_it_was)


def test_it_gives_someone_who_was_removed_no_rights(alice: User, bob: User, dana: User, membership_of: Of) -> None:
    as_it_was = membership_of(dana)
    services.remove_member(membership_of(dana), by=membership_of(alice))

    with pytest.raises(RoleNotAllowed):
        services.remove_member(membership_of(bob), by=as_it_was)


def test_it_keeps_the_last_owner(alice: User, bob: User, dana: User, membership_of: Of) -> None:
    mine = membership_of(alice)

    with pytest.raises(LastOwner, match="at least one owner"):
        services.change_role(mine, by=mine, role=Role.ADMIN)
    with pytest.raises(LastOwner):
        services.remove_member(mine, by=mine)
    with pytest.raises(LastOwner):
        services.leave_workspace(mine)

    assert membership_of(alice).role == Role.OWNER


def test_it_does_not_count_an_owner_who_cannot_sign_in(alice: User, bob: User, membership_of: Of) -> None:
    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.OWNER)
    User.objects.filter(pk=bob.pk).update(is_active=False)

    with pytest.raises(LastOwner):
        services.leave_workspace(membership_of(alice))


def test_it_lets_an_owner_go_when_another_stays(alice: User, bob: User, workspace: Workspace, membership_of: Of) -> None:
    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.OWNER)

    services.leave_workspace(membership_of(alice))

    assert [place.user for place in workspace.memberships.all()] == [bob]


def test_it_lets_a_member_leave(bob: User, workspace: Workspace, membership_of: Of) -> None:
    services.leave_workspace(membership_of(bob))

    assert not workspace.memberships.filter(user=bob).exists()


def test_it_withdraws_what_a_removed_member_had_offered(alice: User, dana: User, workspace: Workspace, membership_of: Of) -> None:
    by_dana = services.invite_member(workspace, by=membership_of(dana), email="erin@northside.example", role=Role.ADMIN)
    by_alice = services.invite_member(workspace, by=membership_of(alice), email="frank@northside.example", role=Role.ADMIN)

    services.remove_member(membership_of(dana), by=membership_of(alice))

    assert Invitation.objects.get(pk=by_dana.pk).revoked_at is not None
    assert Invitation.objects.get(pk=by_alice.pk).is_open


def test_it_withdraws_only_what_a_lower_role_could_not_offer(alice: User, bob: User, workspace: Workspace, membership_of: Of) -> None:
    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.OWNER)
    to_own = services.invite_member(workspace, by=membership_of(bob), email="erin@northside.example", role=Role.OWNER)
    to_use = services.invite_member(workspace, by=membership_of(bob), email="frank@northside.example", role=Role.MEMBER)

    services.change_role(membership_of(bob), by=membership_of(alice), role=Role.ADMIN)

    assert not Invitation.objects.get(pk=to_own.pk).is_open
    assert Invitation.objects.get(pk=to_use.pk).is_open

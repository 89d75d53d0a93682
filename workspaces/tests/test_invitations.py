"""Invitations: who may offer what, what ends one, and that the link is for one address and one use."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from workspaces import services
from workspaces.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationExpired,
    InvitationForAnother,
    InvitationUnknown,
    RoleNotAllowed,
    TooManyInvitations,
)
from workspaces.models import Invitation, Membership, Role, User, Workspace
from workspaces.services import invitations

Of = Callable[[User], Membership]
ERIN = "erin@northside.example"


@pytest.fixture
def erin(db: None) -> User:
    return services.add_user(ERIN)


@pytest.fixture
def invitation(workspace: Workspace, alice: User, membership_of: Of) -> Invitation:
    return services.invite_member(workspace, by=membership_of(alice), email=ERIN, role=Role.ADMIN)


def test_it_makes_a_member_of_who_accepts(invitation: Invitation, erin: User) -> None:
    membership = services.accept_invitation(services.invitation_token(invitation), user=erin)

    assert (membership.user, membership.role) == (erin, Role.ADMIN)


def test_it_accepts_once(invitation: Invitation, erin: User, alice: User, membership_of: Of) -> None:
    token = services.invitation_token(invitation)
    services.accept_invitation(token, user=erin)
    services.remove_member(membership_of(erin), by=membership_of(alice))

    with pytest.raises(InvitationUnknown):
        services.accept_invitation(token, user=erin)

    assert not invitation.workspace.memberships.filter(user=erin).exists()


def test_it_accepts_from_the_invited_address_alone(invitation: Invitation, charlie: User) -> None:
    with pytest.raises(InvitationForAnother, match=r"signed in as charlie@elsewhere\.example"):
        services.accept_invitation(services.invitation_token(invitation), user=charlie)

    assert Invitation.objects.get(pk=invitation.pk).is_open


def test_it_does_not_take_an_address_that_was_never_proved(invitation: Invitation, charlie: User) -> None:
    EmailAddress.objects.create(user=charlie, email=ERIN, verified=False, primary=False)

    with pytest.raises(InvitationForAnother):
        services.accept_invitation(services.invitation_token(invitation), user=charlie)


def test_it_matches_the_address_in_any_case(workspace: Workspace, alice: User, erin: User, membership_of: Of) -> None:
    invitation = services.invite_member(workspace, by=membership_of(alice), email=" Erin@NORTHSIDE.example ", role=Role.MEMBER)

    assert services.accept_invitation(services.invitation_token(invitation), user=erin).role == Role.MEMBER


def test_it_keeps_the_role_of_someone_who_is_in_already(invitation: Invitation, erin: User) -> None:
    Membership.objects.create(workspace=invitation.workspace, user=erin, role=Role.MEMBER)

    assert services.accept_invitation(services.invitation_token(invitation), user=erin).role == Role.MEMBER


def test_it_refuses_what_has_expired(invitation: Invitation, erin: User) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(InvitationExpired):
        services.accept_invitation(services.invitation_token(invitation), user=erin)


def test_it_refuses_what_was_withdrawn(invitation: Invitation, erin: User, dana: User, membership_of: Of) -> None:
    services.revoke_invitation(invitation, by=membership_of(dana))

    with pytest.raises(InvitationUnknown):
        services.accept_invitation(services.invitation_token(invitation), user=erin)


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.swapcase(), lambda t: t.partition(".")[0], lambda t: ""]
)
def test_it_refuses_a_link_that_was_changed(invitation: Invitation, spoil: Callable[[str], str]) -> None:
    with pytest.raises(InvitationUnknown):
        services.find_invitation(spoil(services.invitation_token(invitation)))


def test_it_makes_no_link_from_what_the_database_holds(invitation: Invitation) -> None:
    stored = [str(value) for value in Invitation.objects.filter(pk=invitation.pk).values_list()[0]]

    assert services.invitation_token(invitation) not in stored
    with pytest.raises(InvitationUnknown):
        services.find_invitation(invitation.nonce)


def test_it_replaces_the_link_when_sent_again(invitation: Invitation, alice: User, membership_of: Of) -> None:
    earlier = services.invitation_token(invitation)

    services.resend_invitation(invitation, by=membership_of(alice))

    with pytest.raises(InvitationUnknown):
        services.find_invitation(earlier)
    renewed = Invitation.objects.get(pk=invitation.pk)
    assert services.find_invitation(services.invitation_token(renewed)) == invitation


def test_it_brings_an_expired_one_back_when_sent_again(invitation: Invitation, alice: User, membership_of: Of) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))

    services.resend_invitation(invitation, by=membership_of(alice))

    assert not Invitation.objects.get(pk=invitation.pk).is_expired


@pytest.mark.parametrize("role", [Role.OWNER])
def test_it_refuses_an_admin_who_would_invite_an_owner(workspace: Workspace, dana: User, membership_of: Of, role: Role) -> None:
    with pytest.raises(RoleNotAllowed):
        services.invite_member(workspace, by=membership_of(dana), email=ERIN, role=role)

    assert not Invitation.objects.exists()


def test_it_keeps_an_owners_invitation_out_of_an_admins_hands(workspace: Workspace, alice: User, dana: User, membership_of: Of) -> None:
    invitation = services.invite_member(workspace, by=membership_of(alice), email=ERIN, role=Role.OWNER)

    with pytest.raises(RoleNotAllowed):
        services.revoke_invitation(invitation, by=membership_of(dana))
    with pytest.raises(RoleNotAllowed):
        services.resend_invitation(invitation, by=membership_of(dana))


@pytest.mark.parametrize("role", list(Role))
def test_it_refuses_a_member_who_would_invite(workspace: Workspace, bob: User, membership_of: Of, role: Role) -> None:
    with pytest.raises(RoleNotAllowed):
        services.invite_member(workspace, by=membership_of(bob), email=ERIN, role=role)


def test_it_takes_no_rights_from_another_workspace(workspace: Workspace, charlie: User) -> None:
    elsewhere = Membership.objects.get(user=charlie)

    with pytest.raises(RoleNotAllowed):
        services.invite_member(workspace, by=elsewhere, email=ERIN, role=Role.MEMBER)


def test_it_refuses_someone_who_is_a_member(workspace: Workspace, alice: User, bob: User, membership_of: Of) -> None:
    with pytest.raises(AlreadyMember):
        services.invite_member(workspace, by=membership_of(alice), email="BOB@northside.example", role=Role.ADMIN)


def test_it_keeps_one_open_invitation_per_address(invitation: Invitation, alice: User, membership_of: Of) -> None:
    with pytest.raises(AlreadyInvited):
        services.invite_member(invitation.workspace, by=membership_of(alice), email=ERIN.upper(), role=Role.MEMBER)


def test_it_lets_an_expired_one_give_way(invitation: Invitation, alice: User, membership_of: Of) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))

    again = services.invite_member(invitation.workspace, by=membership_of(alice), email=ERIN, role=Role.MEMBER)

    assert again.pk != invitation.pk
    assert not Invitation.objects.get(pk=invitation.pk).is_open


def test_it_limits_invitations_per_day(workspace: Workspace, alice: User, membership_of: Of, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "PER_DAY_MAX", 2)
    for number in range(2):
        made = services.invite_member(workspace, by=membership_of(alice), email=f"{number}@northside.example", role=Role.MEMBER)
        services.revoke_invitation(made, by=membership_of(alice))

    with pytest.raises(TooManyInvitations, match="2 invitations in a day"):
        services.invite_member(workspace, by=membership_of(alice), email=ERIN, role=Role.MEMBER)

    another = services.create_workspace(alice, name="Another", time_zone="UTC")
    with pytest.raises(TooManyInvitations):
        services.invite_member(another, by=another.memberships.get(), email=ERIN, role=Role.MEMBER)


def test_it_limits_how_often_one_is_sent_again(invitation: Invitation, alice: User, membership_of: Of) -> None:
    for _ in range(invitations.SENT_AGAIN_MAX):
        services.resend_invitation(invitation, by=membership_of(alice))

    with pytest.raises(TooManyInvitations, match="5 times"):
        services.resend_invitation(invitation, by=membership_of(alice))


def test_it_waits_between_two_mails_to_one_address(invitation: Invitation, alice: User, membership_of: Of) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(sent_at=timezone.now())

    with pytest.raises(TooManyInvitations, match="a moment ago"):
        services.resend_invitation(invitation, by=membership_of(alice))

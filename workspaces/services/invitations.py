"""Invitations: made under the workspace's lock, sent by a task, accepted once by the address they were sent to."""

from datetime import timedelta

import structlog
from allauth.account.models import EmailAddress
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from workspaces import locking, mail, queries
from workspaces.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationExpired,
    InvitationForAnother,
    InvitationUnknown,
    RoleNotAllowed,
    TooManyInvitations,
)
from workspaces.models import INVITATION_LIFETIME, SEND_ATTEMPTS_MAX, Invitation, Membership, Role, User, Workspace, new_nonce
from workspaces.rights import may_grant
from workspaces.services.audit import record
from workspaces.wake import wake

logger = structlog.get_logger(__name__)

PER_DAY_MAX = 30
SENT_AGAIN_MAX = 5
SEND_AGAIN_PAUSE = timedelta(minutes=2)
# How long to wait after each failed attempt to hand the mail over; after the last one a person has to send it again.
SEND_PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8))
assert len(SEND_PAUSES) == SEND_ATTEMPTS_MAX


@transaction.atomic
def invite_member(workspace: Workspace, *, by: Membership, email: str, role: Role) -> Invitation:
    """Offers a role to an address and sees to it that a mail goes out.

    Locks: workspace. Raises RoleNotAllowed, AlreadyMember, AlreadyInvited, TooManyInvitations.
    """
    workspace, email = locking.lock_workspace(workspace), email.strip()
    _require_right(by, workspace=workspace, role=role)
    if workspace.memberships.filter(user__emailaddress__email__iexact=email, user__emailaddress__verified=True).exists():
        raise AlreadyMember(workspace_name=workspace.name, email=email)
    _make_room(workspace, email=email)
    _refuse_too_many(workspace, by=by)
    invitation = Invitation.objects.create(
        workspace=workspace, email=email, role=role, invited_by=by.user, expires_at=timezone.now() + INVITATION_LIFETIME
    )
    record("member.invited", workspace=workspace, target=invitation.email, after={"role": role})
    logger.info("member_invited", workspace=workspace.public_id, invitation=invitation.pk, by=by.user_id, role=role)
    wake("workspaces.tasks.send_invitation", invitation.pk)
    return invitation


@transaction.atomic
def invite_owner(workspace: Workspace, *, email: str) -> Invitation | None:
    """Offers ownership to an address, for a workspace that the platform made and nobody is in; None where somebody is or may come.

    Locks: workspace. Idempotent by: an open invitation.
    """
    workspace = locking.lock_workspace(workspace)
    if workspace.memberships.exists() or workspace.invitations.filter(accepted_at=None, revoked_at=None, expires_at__gt=Now()).exists():
        return None
    workspace.invitations.filter(accepted_at=None, revoked_at=None).update(revoked_at=Now())
    invitation = Invitation.objects.create(
        workspace=workspace, email=email.strip(), role=Role.OWNER, invited_by=None, expires_at=timezone.now() + INVITATION_LIFETIME
    )
    wake("workspaces.tasks.send_invitation", invitation.pk)
    return invitation


@transaction.atomic
def resend_invitation(invitation: Invitation, *, by: Membership) -> None:
    """Sends a new link, which lasts from now on; the old one stops working.

    Locks: workspace. Raises RoleNotAllowed, InvitationUnknown (not open any more), TooManyInvitations.
    """
    workspace = locking.lock_workspace(invitation.workspace)
    invitation = _open_invitation(invitation.pk)
    _require_right(by, workspace=workspace, role=invitation.role)
    if invitation.times_sent > SENT_AGAIN_MAX:
        raise TooManyInvitations(limit=f"an invitation is sent again {SENT_AGAIN_MAX} times at most")
    if invitation.sent_at and invitation.sent_at > timezone.now() - SEND_AGAIN_PAUSE:
        raise TooManyInvitations(limit="the last mail went out a moment ago")
    invitation.nonce, invitation.expires_at = new_nonce(), timezone.now() + INVITATION_LIFETIME
    invitation.sent_at, invitation.send_attempts, invitation.send_after = None, 0, timezone.now()
    invitation.times_sent += 1
    invitation.save(update_fields=["nonce", "expires_at", "sent_at", "send_attempts", "send_after", "times_sent"])
    wake("workspaces.tasks.send_invitation", invitation.pk)


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, by: Membership) -> None:
    """Withdraws the offer; its link stops working. Locks: workspace. Raises RoleNotAllowed, InvitationUnknown."""
    workspace = locking.lock_workspace(invitation.workspace)
    invitation = _open_invitation(invitation.pk)
    _require_right(by, workspace=workspace, role=invitation.role)
    record("invitation.withdrawn", workspace=workspace, target=invitation.email, before={"role": invitation.role})
    logger.info("invitation_withdrawn", workspace=workspace.public_id, invitation=invitation.pk, by=by.user_id)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])


def invitation_token(invitation: Invitation) -> str:
    """What stands in the link: the nonce, signed. Whoever can read the database alone cannot make one."""
    return _signer().sign(invitation.nonce)


def find_invitation(token: str) -> Invitation:
    """The open invitation that a link is for. Raises InvitationUnknown, InvitationExpired."""
    try:
        nonce = _signer().unsign(token)
    except BadSignature:
        raise InvitationUnknown from None
    invitation = Invitation.objects.select_related("workspace", "invited_by").filter(nonce=nonce).first()
    if invitation is None or not invitation.is_open:
        raise InvitationUnknown
    if invitation.is_expired:
        raise InvitationExpired(workspace_name=invitation.workspace.name)
    return invitation


@transaction.atomic
def accept_invitation(token: str, *, user: User) -> Membership:
    """Makes the user a member, once. Someone who is a member already keeps their role.

    Locks: workspace. Raises InvitationUnknown, InvitationExpired, InvitationForAnother.
    """
    locking.lock_workspace(find_invitation(token).workspace)
    # Read again under the lock: it may have been withdrawn or accepted while we waited.
    invitation = find_invitation(token)
    if not belongs_to(invitation, user=user):
        raise InvitationForAnother(invited=invitation.email, signed_in=user.email)
    membership, _ = Membership.objects.get_or_create(workspace=invitation.workspace, user=user, defaults={"role": invitation.role})
    record("invitation.accepted", workspace=invitation.workspace, target=invitation.email, after={"role": membership.role})
    logger.info("invitation_accepted", workspace=invitation.workspace.public_id, invitation=invitation.pk, member=user.pk)
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=["accepted_at"])
    return membership


def belongs_to(invitation: Invitation, *, user: User) -> bool:
    """Whether the invited address is one that the user has proved to be theirs."""
    proved: bool = EmailAddress.objects.filter(user=user, email__iexact=invitation.email, verified=True).exists()
    return proved


def send_invitation(invitation_id: int) -> bool:
    """Hands the mail over, if that is still due; running twice sends one mail. Returns whether it was sent.

    The claim moves `send_after` on before the mail server is spoken to: two workers cannot both send, and after
    a failure or a killed worker the sweep tries again. A worker killed right after sending sends the same link twice.
    """
    invitation = _claim(invitation_id)
    if invitation is None:
        return False
    mail.invitation_mail(invitation, token=invitation_token(invitation)).send()
    Invitation.objects.filter(pk=invitation.pk, nonce=invitation.nonce).update(sent_at=Now())
    return True


def _claim(invitation_id: int) -> Invitation | None:
    attempts = Invitation.objects.filter(pk=invitation_id).values_list("send_attempts", flat=True).first()
    if attempts is None or attempts >= SEND_ATTEMPTS_MAX:
        return None
    due = Invitation.objects.filter(queries.due_to_send(), pk=invitation_id, send_attempts=attempts)
    if not due.update(send_attempts=F("send_attempts") + 1, send_after=Now() + SEND_PAUSES[attempts]):
        return None
    return Invitation.objects.select_related("workspace", "invited_by").get(pk=invitation_id)


def _signer() -> Signer:
    return Signer(sep=".", salt="workspaces.invitation")


def _open_invitation(invitation_id: int) -> Invitation:
    invitation = Invitation.objects.select_related("workspace").get(pk=invitation_id)
    if not invitation.is_open:
        raise InvitationUnknown
    return invitation


def _require_right(by: Membership, *, workspace: Workspace, role: str) -> None:
    acting = workspace.memberships.filter(pk=by.pk).first()
    if acting is None or not may_grant(acting.role, wanted=role):
        raise RoleNotAllowed(acting_role=acting.role if acting else "")


def _make_room(workspace: Workspace, *, email: str) -> None:
    """An expired invitation gives way to a new one; an open one does not."""
    earlier = workspace.invitations.filter(email__iexact=email, accepted_at=None, revoked_at=None).first()
    if earlier is None:
        return
    if not earlier.is_expired:
        raise AlreadyInvited(email=email)
    earlier.revoked_at = timezone.now()
    earlier.save(update_fields=["revoked_at"])


def _refuse_too_many(workspace: Workspace, *, by: Membership) -> None:
    # Per person too, or someone with many workspaces could send mail without end. That count is not under a lock:
    # a few too many at the same instant do no harm.
    today = Invitation.objects.filter(created_at__gt=timezone.now() - timedelta(days=1))
    if today.filter(Q(workspace=workspace) | Q(invited_by=by.user)).count() >= PER_DAY_MAX:
        raise TooManyInvitations(limit=f"{PER_DAY_MAX} invitations in a day")

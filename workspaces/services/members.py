"""Roles and leaving. Every decision is taken under the workspace's lock, on rows read after it."""

import structlog
from django.db import transaction
from django.db.models.functions import Now

from workspaces import locking
from workspaces.errors import LastOwner, RoleNotAllowed
from workspaces.models import Membership, Role, Workspace
from workspaces.rights import grantable_roles, may_grant
from workspaces.services.audit import record

logger = structlog.get_logger(__name__)


@transaction.atomic
def change_role(membership: Membership, *, by: Membership, role: Role) -> None:
    """Gives a member another role. Locks: workspace. Raises RoleNotAllowed, LastOwner."""
    workspace = locking.lock_workspace(membership.workspace)
    by, membership = _as_now(by), _as_now(membership)
    if not may_grant(by.role, wanted=membership.role) or not may_grant(by.role, wanted=role):
        raise RoleNotAllowed(acting_role=by.role)
    if membership.role == Role.OWNER and role != Role.OWNER:
        _refuse_for_last_owner(workspace, membership=membership)
    logger.info("role_changed", workspace=workspace.public_id, member=membership.user_id, by=by.user_id, before=membership.role, after=role)
    record("member.role_changed", workspace=workspace, target=membership.user.email, before={"role": membership.role}, after={"role": role})
    membership.role = role
    membership.save(update_fields=["role"])
    _withdraw_beyond(membership, allowed=grantable_roles(role))


@transaction.atomic
def remove_member(membership: Membership, *, by: Membership) -> None:
    """Takes someone out; their next request is a stranger's. Locks: workspace. Raises RoleNotAllowed, LastOwner."""
    workspace = locking.lock_workspace(membership.workspace)
    by, membership = _as_now(by), _as_now(membership)
    if not may_grant(by.role, wanted=membership.role):
        raise RoleNotAllowed(acting_role=by.role)
    _take_out(workspace, membership=membership)
    record("member.removed", workspace=workspace, target=membership.user.email, before={"role": membership.role})
    logger.info("member_removed", workspace=workspace.public_id, member=membership.user_id, by=by.user_id, role=membership.role)


@transaction.atomic
def leave_workspace(membership: Membership) -> None:
    """Takes oneself out, whatever the role. Locks: workspace. Raises LastOwner."""
    workspace = locking.lock_workspace(membership.workspace)
    _take_out(workspace, membership=_as_now(membership))
    record("member.left", workspace=workspace, target=membership.user.email, before={"role": membership.role})
    logger.info("member_left", workspace=workspace.public_id, member=membership.user_id)


def note_opened(membership: Membership) -> None:
    """Remembers where the user is, so that the next sign-in leads there."""
    Membership.objects.filter(pk=membership.pk).update(opened_at=Now())


def _as_now(membership: Membership) -> Membership:
    """The row as it stands under the lock; whoever was removed meanwhile has no rights left."""
    found = Membership.objects.select_related("user").filter(pk=membership.pk).first()
    if found is None:
        raise RoleNotAllowed(acting_role="")
    return found


def _take_out(workspace: Workspace, *, membership: Membership) -> None:
    if membership.role == Role.OWNER:
        _refuse_for_last_owner(workspace, membership=membership)
    _withdraw_beyond(membership, allowed=())
    membership.delete()


def _refuse_for_last_owner(workspace: Workspace, *, membership: Membership) -> None:
    # Two owners may each take the other out at once: the workspace's lock makes one of them wait and see that it is the last.
    if not other_owners(workspace, membership=membership):
        raise LastOwner(workspace_name=workspace.name)


def other_owners(workspace: Workspace, *, membership: Membership) -> int:
    """How many others could still run the workspace; someone whose account is disabled could not."""
    return workspace.memberships.filter(role=Role.OWNER, user__is_active=True).exclude(pk=membership.pk).count()


def _withdraw_beyond(membership: Membership, *, allowed: tuple[Role, ...]) -> None:
    """Withdraws the open invitations this person could not send any more, so that a role taken away is not kept by mail."""
    made = membership.workspace.invitations.filter(invited_by=membership.user, accepted_at=None, revoked_at=None)
    made.exclude(role__in=allowed).update(revoked_at=Now())

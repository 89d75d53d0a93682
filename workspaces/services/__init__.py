"""What changes users, workspaces, members and invitations. The only writers of those tables."""

from workspaces.services.invitations import (
    accept_invitation,
    belongs_to,
    find_invitation,
    invitation_token,
    invite_member,
    resend_invitation,
    revoke_invitation,
    send_invitation,
)
from workspaces.services.members import change_role, leave_workspace, note_opened, remove_member
from workspaces.services.users import add_user, rename_user
from workspaces.services.workspaces import change_time_zone, create_workspace, rename_workspace

__all__ = [
    "accept_invitation",
    "add_user",
    "belongs_to",
    "change_role",
    "change_time_zone",
    "create_workspace",
    "find_invitation",
    "invitation_token",
    "invite_member",
    "leave_workspace",
    "note_opened",
    "remove_member",
    "rename_user",
    "rename_workspace",
    "resend_invitation",
    "revoke_invitation",
    "send_invitation",
]

"""What changes users, workspaces, members and invitations. The only writers of those tables."""

from workspaces.services.api_keys import NewApiKey, create_api_key, hashed, note_use, revoke_api_key
from workspaces.services.idempotency import claim_request, forget_old_requests, keep_answer
from workspaces.services.invitations import (
    accept_invitation,
    belongs_to,
    find_invitation,
    invitation_token,
    invite_member,
    invite_owner,
    resend_invitation,
    revoke_invitation,
    send_invitation,
)
from workspaces.services.members import change_role, leave_workspace, note_opened, remove_member
from workspaces.services.users import add_user, rename_user
from workspaces.services.workspaces import change_time_zone, create_workspace, provide_workspace, rename_workspace

__all__ = [
    "NewApiKey",
    "accept_invitation",
    "add_user",
    "belongs_to",
    "change_role",
    "change_time_zone",
    "claim_request",
    "create_api_key",
    "create_workspace",
    "find_invitation",
    "forget_old_requests",
    "hashed",
    "invitation_token",
    "invite_member",
    "invite_owner",
    "keep_answer",
    "leave_workspace",
    "note_opened",
    "note_use",
    "provide_workspace",
    "remove_member",
    "rename_user",
    "rename_workspace",
    "resend_invitation",
    "revoke_api_key",
    "revoke_invitation",
    "send_invitation",
]

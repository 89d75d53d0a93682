"""Everything that can go wrong with workspaces and their members, one class each.

WorkspaceError
├── RoleNotAllowed              the acting member's role does not reach that far
├── LastOwner                   the workspace would be left without an owner
├── AlreadyMember
├── AlreadyInvited              an invitation to that address is open
├── TooManyInvitations          the workspace's limit for a day, or for one address
├── TooManyWorkspaces           one person owns as many as anyone may
├── WorkspaceUnknown            no such workspace within an API key's reach
├── ExternalIdRefused           not a form that a platform's own id can have
├── ApiKeyRefused               no key can be like that
├── TooManyApiKeys              as many valid keys as anyone may have
└── InvitationRefused           the link cannot be accepted
    ├── InvitationUnknown       never made, withdrawn, used, or replaced by a newer mail
    ├── InvitationExpired
    └── InvitationForAnother    signed in with another address

All of them are expected refusals. `code` is stable; `str(error)` is a sentence for the person.
"""


class WorkspaceError(Exception):
    """Base of all refusals about workspaces."""

    code = "workspace_error"


class RoleNotAllowed(WorkspaceError):
    """Members change nothing, admins do not touch owners."""

    code = "role_not_allowed"

    def __init__(self, *, acting_role: str) -> None:
        only = "Only an owner can make, change or remove an owner."
        super().__init__(only if acting_role == "admin" else "Only owners and admins can do this.")
        self.acting_role = acting_role


class LastOwner(WorkspaceError):
    """Every workspace keeps at least one owner who can sign in."""

    code = "last_owner"

    def __init__(self, *, workspace_name: str) -> None:
        super().__init__(f"{workspace_name} needs at least one owner. Make someone else an owner first.")


class AlreadyMember(WorkspaceError):
    """The address belongs to a member."""

    code = "already_member"

    def __init__(self, *, workspace_name: str, email: str) -> None:
        super().__init__(f"{email} is already a member of {workspace_name}.")


class AlreadyInvited(WorkspaceError):
    """One open invitation per address."""

    code = "already_invited"

    def __init__(self, *, email: str) -> None:
        super().__init__(f"{email} has an open invitation already. Send it again, or withdraw it first.")


class TooManyInvitations(WorkspaceError):
    """Invitations are mail that we send for others: their number is limited."""

    code = "too_many_invitations"

    def __init__(self, *, limit: str) -> None:
        super().__init__(f"That is enough for now: {limit}. Try again later.")


class TooManyWorkspaces(WorkspaceError):
    """One person owns as many as anyone may."""

    code = "too_many_workspaces"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"You own {limit} workspaces, which is the most one person can have.")


class WorkspaceUnknown(WorkspaceError):
    """There is none, or not within the key's reach: all alike from outside."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("This key reaches no such workspace.")


class ExternalIdRefused(WorkspaceError):
    """The platform's own id stands in addresses and must never look like one of ours."""

    code = "external_id_refused"

    def __init__(self) -> None:
        super().__init__("Use 1 to 200 letters, digits and . _ : @ | ~ + = - for external_id, with no ws_ in front.")


class ApiKeyRefused(WorkspaceError):
    """No key can be like that."""

    code = "api_key_refused"


class TooManyApiKeys(WorkspaceError):
    """Keys that nobody counts are keys that nobody revokes."""

    code = "too_many_api_keys"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"There are {limit} keys, which is the most there can be. Revoke one first.")


class InvitationRefused(WorkspaceError):
    """The link cannot be accepted."""

    code = "invitation_refused"


class InvitationUnknown(InvitationRefused):
    """Never made, withdrawn, used, or replaced by a newer mail: all alike from outside."""

    code = "invitation_unknown"

    def __init__(self) -> None:
        super().__init__("It may have been used, withdrawn, or replaced by a newer one.")


class InvitationExpired(InvitationRefused):
    """Its time is over."""

    code = "invitation_expired"

    def __init__(self, *, workspace_name: str) -> None:
        super().__init__(f"The invitation to {workspace_name} has expired.")


class InvitationForAnother(InvitationRefused):
    """An invitation is for one address, and the signed-in account has another."""

    code = "invitation_for_another"

    def __init__(self, *, invited: str, signed_in: str) -> None:
        super().__init__(f"This invitation was sent to {invited}, and you are signed in as {signed_in}.")

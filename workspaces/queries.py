"""What is asked about users, workspaces and their members. Reads only."""

import re
from collections.abc import Collection

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from workspaces.errors import WorkspaceUnknown
from workspaces.models import BILLING_ROLES, PUBLIC_ID_PREFIX, SEND_ATTEMPTS_MAX, ApiKey, Invitation, Membership, User, Workspace

API_KEYS_SHOWN_MAX = 200
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9._:@|~+=-]{1,200}")


def memberships_of(user: User) -> QuerySet[Membership]:
    """The user's places, by workspace name: what the switcher shows."""
    return Membership.objects.filter(user=user).select_related("workspace").order_by("workspace__name", "pk")


def membership_in(user: User, *, public_id: str) -> Membership | None:
    """The user's place in one workspace; None for a stranger and for an id that does not exist alike."""
    return Membership.objects.filter(user=user, workspace__public_id=public_id).select_related("workspace", "user").first()


def latest_membership(user: User) -> Membership | None:
    """Where the user was last, or the place joined last where none was opened yet."""
    memberships = Membership.objects.filter(user=user).select_related("workspace", "user")
    return memberships.order_by(F("opened_at").desc(nulls_last=True), "-joined_at", "-pk").first()


def members_of(workspace: Workspace) -> QuerySet[Membership]:
    """Everyone in the workspace, first come first."""
    return workspace.memberships.select_related("user").order_by("joined_at", "pk")


def billing_contacts(workspace: Workspace) -> list[Membership]:
    """Owners and admins who can still sign in: whom a member asks about billing."""
    contacts = members_of(workspace).filter(role__in=BILLING_ROLES, user__is_active=True)
    return sorted(contacts, key=lambda membership: membership.role, reverse=True)


def open_invitations(workspace: Workspace) -> QuerySet[Invitation]:
    """Invitations that were neither accepted nor withdrawn; the expired ones too, so that they can be sent again."""
    return workspace.invitations.filter(accepted_at=None, revoked_at=None).select_related("invited_by").order_by("-created_at")


def due_to_send() -> Q:
    """Which invitations wait for their mail now."""
    waiting = Q(sent_at=None, accepted_at=None, revoked_at=None, expires_at__gt=Now())
    return waiting & Q(send_after__lte=Now(), send_attempts__lt=SEND_ATTEMPTS_MAX)


def invitations_to_send(*, limit: int) -> list[int]:
    """Ids of the invitations whose mail is due, oldest first."""
    return list(Invitation.objects.filter(due_to_send()).order_by("send_after").values_list("pk", flat=True)[:limit])


def api_keys_of(workspace: Workspace) -> QuerySet[ApiKey]:
    """The workspace's keys that were not revoked, newest first; the expired ones too, so that it is seen why they fail."""
    return workspace.api_keys.filter(revoked_at=None).select_related("created_by").order_by("-created_at", "-pk")[:API_KEYS_SHOWN_MAX]


def api_key_of_hash(secret_sha256: str) -> ApiKey | None:
    """The key of that hash, in whatever state: one look into a unique index.

    Not kept in memory between requests: it costs a fraction of a millisecond, and a revoked key is refused at once, everywhere.
    """
    return ApiKey.objects.filter(secret_sha256=secret_sha256).first()


def key_prefixes_of(workspace_id: int, prefixes: Collection[str]) -> set[str]:
    """Those of these beginnings of keys that are of keys which the workspace has, or had."""
    return set(ApiKey.objects.filter(workspace_id=workspace_id, prefix__in=prefixes).values_list("prefix", flat=True))


def is_external_id(text: str) -> bool:
    """Whether a platform's own id can look like that: it stands in addresses, and is never taken for one of ours."""
    return _EXTERNAL_ID.fullmatch(text) is not None and not text.startswith(PUBLIC_ID_PREFIX)


def workspace_of_subject(key: ApiKey, subject: str) -> Workspace:
    """The workspace that `subject` names, by our id or the platform's own, if the key reaches it.

    Raises: WorkspaceUnknown, which does not tell whether it exists.
    """
    found = workspaces_of_subjects([subject], within=key.workspace_id).get(subject)
    if found is None:
        raise WorkspaceUnknown
    return found


def workspaces_of_subjects(subjects: Collection[str], *, within: int | None) -> dict[str, Workspace]:
    """The same for many at once, in one query; `within` leaves only that workspace in reach. Those out of reach are left out."""
    public_ids = {subject for subject in subjects if subject.startswith(PUBLIC_ID_PREFIX) and subject.isascii() and subject.isprintable()}
    external_ids = {subject for subject in subjects if is_external_id(subject)}
    within_reach = Workspace.objects.all() if within is None else Workspace.objects.filter(pk=within)
    found: dict[str, Workspace] = {}
    for workspace in within_reach.filter(Q(public_id__in=public_ids) | Q(external_id__in=external_ids)):
        if workspace.public_id in public_ids:
            found[workspace.public_id] = workspace
        if workspace.external_id is not None and workspace.external_id in external_ids:
            found[workspace.external_id] = workspace
    return found

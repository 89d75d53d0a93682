"""What is asked about users, workspaces and their members. Reads only."""

from collections.abc import Collection, Iterable
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from workspaces.models import BILLING_ROLES, SEND_ATTEMPTS_MAX, Invitation, Membership, User, Workspace


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


def workspaces_of_subjects(subjects: Collection[str], *, within: int | None) -> dict[str, int]:
    """The workspace's key for each subject: a public id, or else the platform's own id. `within` leaves only that workspace in reach.

    A subject that names none, or one out of reach, is left out: which of the two it was is nobody's business.
    """
    found = Workspace.objects.filter(Q(public_id__in=subjects) | Q(external_id__in=subjects))
    if within is not None:
        found = found.filter(pk=within)
    rows = found.values_list("pk", "public_id", "external_id")
    by_external = {external_id: pk for pk, _, external_id in rows if external_id in subjects}
    return by_external | {public_id: pk for pk, public_id, _ in rows if public_id in subjects}


def zones_of(workspace_ids: Iterable[int]) -> dict[int, ZoneInfo]:
    """The time zone of each workspace."""
    rows = Workspace.objects.filter(pk__in=list(workspace_ids)).values_list("pk", "time_zone")
    return {pk: ZoneInfo(name) for pk, name in rows}

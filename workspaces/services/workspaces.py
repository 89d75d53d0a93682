"""Making a workspace and what it is called. Its wallet is opened one level up, where both are known."""

from django.db import transaction

from workspaces.errors import ExternalIdRefused, TooManyWorkspaces
from workspaces.models import Membership, Role, User, Workspace, valid_time_zone
from workspaces.queries import is_external_id
from workspaces.services.audit import record

# Far above what anyone runs by hand, low enough that a script cannot fill the database with empty wallets.
WORKSPACES_OWNED_MAX = 50


@transaction.atomic
def create_workspace(user: User, *, name: str, time_zone: str) -> Workspace:
    """A new workspace with the user as its owner. Locks the user's row. Raises TooManyWorkspaces, ValidationError (time zone)."""
    valid_time_zone(time_zone)
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if Membership.objects.filter(user=user, role=Role.OWNER).count() >= WORKSPACES_OWNED_MAX:
        raise TooManyWorkspaces(limit=WORKSPACES_OWNED_MAX)
    workspace = Workspace.objects.create(name=name.strip(), time_zone=time_zone)
    Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    record("workspace.made", workspace=workspace, target=workspace.name)
    return workspace


@transaction.atomic
def provide_workspace(external_id: str, *, name: str, time_zone: str) -> tuple[Workspace, bool]:
    """The platform's workspace of that id, made with this name and zone if there is none; and whether it was made now.

    It has no members until its owner accepts an invitation. Idempotent by: `external_id`.
    Raises: ExternalIdRefused, ValidationError (time zone).
    """
    if not is_external_id(external_id):
        raise ExternalIdRefused
    valid_time_zone(time_zone)
    workspace, is_new = Workspace.objects.get_or_create(external_id=external_id, defaults={"name": name.strip(), "time_zone": time_zone})
    if is_new:
        record("workspace.made", workspace=workspace, target=workspace.name)
    return workspace, is_new


@transaction.atomic
def rename_workspace(workspace: Workspace, *, name: str) -> None:
    """Sets the name; receipts keep the one they were made with."""
    before, workspace.name = _kept(workspace, "name"), name.strip()
    workspace.save(update_fields=["name"])
    if before != workspace.name:
        record("workspace.renamed", workspace=workspace, before={"name": before}, after={"name": workspace.name})


@transaction.atomic
def change_time_zone(workspace: Workspace, *, time_zone: str) -> None:
    """Sets the zone in which days and months are counted from now on. Raises ValidationError."""
    valid_time_zone(time_zone)
    before, workspace.time_zone = _kept(workspace, "time_zone"), time_zone
    workspace.save(update_fields=["time_zone"])
    if before != time_zone:
        record("workspace.time_zone_changed", workspace=workspace, before={"time_zone": before}, after={"time_zone": time_zone})


def _kept(workspace: Workspace, column: str) -> str:
    """What the row says; a form may have written the new value on the object already."""
    found: str = Workspace.objects.values_list(column, flat=True).get(pk=workspace.pk)
    return found

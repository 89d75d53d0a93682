"""The one lock of this app: a workspace's row, taken before anything about its members or invitations is decided."""

from workspaces.models import Workspace


def lock_workspace(workspace: Workspace) -> Workspace:
    """The workspace as it is now, locked until the transaction ends.

    NO KEY UPDATE: rows that refer to the workspace can still be added meanwhile, so calls and payments do not wait for it.
    """
    return Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)

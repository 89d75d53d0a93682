"""Writes the audit log: in the transaction of the act itself, so that neither stands without the other."""

from collections.abc import Mapping

from workspaces.acting import current_actor
from workspaces.models import AuditEntry, Workspace


def record(
    action: str,
    *,
    workspace: Workspace | int | None,
    target: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str = "",
    as_staff: bool = False,
) -> None:
    """One act of whoever is acting. Call it inside the transaction of what it tells.

    `before` and `after` are JSON: what was changed, never a secret or a card's data. What is done in the
    operator's console is marked as such by itself; `as_staff` marks what staff does elsewhere, as by a command.
    """
    actor = current_actor()
    AuditEntry.objects.create(
        workspace_id=workspace.pk if isinstance(workspace, Workspace) else workspace,
        action=action,
        target=target[:200],
        actor_kind=actor.kind,
        actor=actor.user,
        actor_label=actor.label,
        is_staff_act=as_staff or actor.is_in_console,
        address=actor.address,
        before=dict(before or {}),
        after=dict(after or {}),
        reason=reason,
    )

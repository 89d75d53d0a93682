"""Settings → Activity: what was done in the workspace, by whom, for its owners."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from workspaces.access import WorkspaceRequest, owner_required
from workspaces.activity import activity_of


@owner_required
@require_safe
def activity(request: WorkspaceRequest) -> HttpResponse:
    """One page of the audit log, newest first."""
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
    return render(request, "workspaces/activity.html", {"page": activity_of(request.workspace, before=before)})

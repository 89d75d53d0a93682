"""Settings → Workspace: name, time zone, leaving."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from workspaces import services
from workspaces.access import WorkspaceRequest, admin_required, member_required
from workspaces.errors import LastOwner
from workspaces.forms import WorkspaceForm
from workspaces.models import Role
from workspaces.responses import see_other


@member_required
@require_http_methods(["GET", "HEAD"])
def settings(request: WorkspaceRequest) -> HttpResponse:
    """What the workspace is called and where it is; admins see the form, members the facts."""
    return _page(request, form=WorkspaceForm(initial=_initial(request)), status=200)


@admin_required
@require_http_methods(["POST"])
def save_settings(request: WorkspaceRequest) -> HttpResponse:
    """Renames the workspace and sets its zone."""
    form = WorkspaceForm(request.POST, initial=_initial(request))
    if not form.is_valid():
        return _page(request, form=form, status=422)
    services.rename_workspace(request.workspace, name=form.cleaned_data["name"])
    services.change_time_zone(request.workspace, time_zone=form.cleaned_data["time_zone"])
    messages.success(request, "Saved.")
    return redirect("workspaces:settings", request.workspace.public_id)


@member_required
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: WorkspaceRequest) -> HttpResponse:
    """Asks once, then takes the member out."""
    if request.method != "POST":
        return render(request, "workspaces/leave.html")
    try:
        services.leave_workspace(request.membership)
    except LastOwner as refusal:
        return render(request, "workspaces/leave.html", {"refusal": refusal}, status=422)
    messages.success(request, f"You left {request.workspace.name}.")
    return see_other(request, "workspaces:home")


def _initial(request: WorkspaceRequest) -> dict[str, str]:
    return {"name": request.workspace.name, "time_zone": request.workspace.time_zone}


def _page(request: WorkspaceRequest, *, form: WorkspaceForm, status: int) -> HttpResponse:
    may_change = request.membership.role in (Role.OWNER, Role.ADMIN)
    return render(request, "workspaces/settings.html", {"form": form, "may_change": may_change}, status=status)

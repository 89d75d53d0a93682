"""Where someone lands: in the workspace opened last, or at making the first one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from workspaces import queries
from workspaces.access import WorkspaceRequest, member_required, to_login
from workspaces.models import User


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """/ — on to the workspace opened last."""
    if not isinstance(request.user, User):
        return to_login(request)
    membership = queries.latest_membership(request.user)
    if membership is None:
        return redirect("billing:create_workspace")
    return redirect("workspaces:entry", membership.workspace.public_id)


@member_required
@require_safe
def entry(request: WorkspaceRequest) -> HttpResponse:
    """/w/<id>/ — on to the page of the workspace that this role is here for; also what the switcher opens."""
    page = "billing:billing" if request.membership.may_bill else "workspaces:settings"
    return redirect(page, request.workspace.public_id)

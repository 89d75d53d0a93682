"""Creating a workspace together with its wallet: the one page where who and money are chosen at once."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.workspace_form import NewWorkspaceForm
from wallet.services.wallets import open_wallet
from workspaces import queries, services
from workspaces.errors import TooManyWorkspaces
from workspaces.models import User, Workspace


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def create_workspace(request: HttpRequest) -> HttpResponse:
    """Asks for name, currency and time zone; the user becomes the owner."""
    assert isinstance(request.user, User)
    form = NewWorkspaceForm(request.POST or None, initial={"time_zone": "UTC"})
    if form.is_valid():
        try:
            workspace = _create(request.user, form=form)
        except TooManyWorkspaces as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{workspace.name} is ready.")
            return redirect("workspaces:entry", workspace.public_id)
    first = queries.latest_membership(request.user) is None
    return render(request, "workspaces/create.html", {"form": form, "first": first}, status=422 if form.is_bound else 200)


@transaction.atomic
def _create(user: User, *, form: NewWorkspaceForm) -> Workspace:
    workspace = services.create_workspace(user, name=form.cleaned_data["name"], time_zone=form.cleaned_data["time_zone"])
    open_wallet(workspace, currency=form.cleaned_data["currency"])
    return workspace

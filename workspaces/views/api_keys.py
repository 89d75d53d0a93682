"""Settings → API keys: which keys there are, making one, whose secret is shown once, and revoking one."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_safe

from workspaces import queries, services
from workspaces.access import WorkspaceRequest, admin_required
from workspaces.api_key_form import ApiKeyForm
from workspaces.errors import WorkspaceError
from workspaces.responses import see_other


@admin_required
@require_safe
def api_keys(request: WorkspaceRequest) -> HttpResponse:
    """The workspace's keys, those that were revoked left out."""
    return render(request, "workspaces/api_keys.html", {"keys": queries.api_keys_of(request.workspace)})


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_api_key(request: WorkspaceRequest) -> HttpResponse:
    """Makes a key. The answer itself shows the secret, as it is kept nowhere; sent again, the form makes another key."""
    form = ApiKeyForm(request.POST or None, initial={"lifetime": "365"})
    if form.is_valid():
        try:
            made = services.create_api_key(
                request.workspace,
                name=form.cleaned_data["name"],
                scopes=form.chosen_scopes,
                expires_at=form.expires_at,
                created_by=request.user,
            )
        except WorkspaceError as refusal:
            form.add_error(None, str(refusal))
        else:
            return render(request, "workspaces/api_key_made.html", {"made": made, "keys": queries.api_keys_of(request.workspace)})
    return render(request, "workspaces/api_key_new.html", {"form": form}, status=422 if form.is_bound else 200)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_api_key(request: WorkspaceRequest, key_id: int) -> HttpResponse:
    """Asks once, then ends the key."""
    api_key = get_object_or_404(request.workspace.api_keys, pk=key_id)
    if request.method != "POST":
        return render(request, "workspaces/api_key_revoke.html", {"key": api_key})
    services.revoke_api_key(api_key)
    messages.success(request, f"The key {api_key.name} was revoked.")
    return see_other(request, "workspaces:api_keys", request.workspace.public_id)

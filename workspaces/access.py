"""Who may open a page: decorators that find the request's workspace and membership, or refuse. Deny by default.

Every view below /w/<public_id>/ carries exactly one of them, and starts every query from what it found:

    @billing_required
    def billing(request: WorkspaceRequest) -> HttpResponse:
        wallet = request.workspace.wallet

`member_required` any member · `billing_required` owner or admin, a member reads who manages billing ·
`admin_required` owner or admin · `owner_required` owners alone.
Not signed in: to the login page and back. A stranger: 404, the same as for a workspace that does not exist.
"""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect

from workspaces import queries, services
from workspaces.models import BILLING_ROLES, Membership, Role, User, Workspace

P = ParamSpec("P")


class WorkspaceRequest(HttpRequest):
    """A request that passed one of the decorators of this module."""

    user: User
    workspace: Workspace
    membership: Membership


View = Callable[Concatenate[WorkspaceRequest, P], HttpResponseBase]
Guarded = Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]


def member_required(view: View[P]) -> Guarded[P]:
    """Any member of the workspace."""
    return _guard(view, roles=tuple(Role), refusal="")


def billing_required(view: View[P]) -> Guarded[P]:
    """Owners and admins; a member is told that the account admin manages billing, and who that is."""
    return _guard(view, roles=BILLING_ROLES, refusal="workspaces/refused_billing.html")


def admin_required(view: View[P]) -> Guarded[P]:
    """Owners and admins."""
    return _guard(view, roles=(Role.OWNER, Role.ADMIN), refusal="workspaces/refused_role.html")


def owner_required(view: View[P]) -> Guarded[P]:
    """Owners alone."""
    return _guard(view, roles=(Role.OWNER,), refusal="workspaces/refused_role.html")


def allowed_roles(view: Callable[..., Any]) -> tuple[Role, ...] | None:
    """The roles that a guarded view lets in; None for a view without a guard (tests walk all addresses with it)."""
    return getattr(view, "allowed_roles", None)


def _guard(view: View[P], *, roles: Collection[Role], refusal: str) -> Guarded[P]:
    @wraps(view)
    def guarded(request: HttpRequest, public_id: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_login(request)
        membership = queries.membership_in(request.user, public_id=public_id)
        if membership is None:
            raise Http404
        known = _with_workspace(request, membership=membership)
        if membership.role not in roles:
            return _refuse(known, template=refusal)
        response = view(known, *args, **kwargs)
        # Balances and names must not come back out of a browser's cache after signing out.
        add_never_cache_headers(response)
        return response

    guarded.allowed_roles = tuple(roles)  # type: ignore[attr-defined]  # read by allowed_roles() alone
    # Django names the id when it calls; the types can only say that it comes second.
    return cast(Guarded[P], guarded)


def to_login(request: HttpRequest) -> HttpResponse:
    """The login page, which comes back to a page that was asked for; after a form, the person starts anew."""
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(resolve_url("account_login"))
    return redirect_to_login(request.get_full_path() if request.method == "GET" else reverse("workspaces:home"))


def _with_workspace(request: HttpRequest, *, membership: Membership) -> WorkspaceRequest:
    known = cast(WorkspaceRequest, request)
    known.membership, known.workspace = membership, membership.workspace
    if request.session.get("workspace") != membership.workspace.public_id:
        request.session["workspace"] = membership.workspace.public_id
        services.note_opened(membership)
    return known


def _refuse(request: WorkspaceRequest, *, template: str) -> HttpResponse:
    contacts = queries.billing_contacts(request.workspace)
    return render(request, template, {"contacts": contacts}, status=403)

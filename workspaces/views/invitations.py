"""The page behind the link of an invitation: for people who are signed in, signed out, or signed in as someone else."""

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from workspaces import services
from workspaces.access import to_login
from workspaces.errors import InvitationForAnother, InvitationRefused
from workspaces.models import Invitation, User


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Shows the offer, and takes it up."""
    try:
        offer = services.find_invitation(token)
    except InvitationRefused as refusal:
        return render(request, "workspaces/invitation_refused.html", {"refusal": refusal}, status=404)
    if request.method == "POST":
        return _accept(request, token, offer=offer)
    return _show(request, offer)


def _show(request: HttpRequest, offer: Invitation) -> HttpResponse:
    if not isinstance(request.user, User):
        # Whoever holds the link reads that mailbox: signing up with that address needs no second mail.
        get_adapter().stash_verified_email(request, offer.email)
        return render(request, "workspaces/invitation.html", {"invitation": offer})
    return render(request, "workspaces/invitation.html", {"invitation": offer, "matches": services.belongs_to(offer, user=request.user)})


def _accept(request: HttpRequest, token: str, *, offer: Invitation) -> HttpResponse:
    if not isinstance(request.user, User):
        return to_login(request)
    try:
        membership = services.accept_invitation(token, user=request.user)
    except InvitationForAnother:
        return render(request, "workspaces/invitation.html", {"invitation": offer, "matches": False}, status=403)
    except InvitationRefused as refusal:
        return render(request, "workspaces/invitation_refused.html", {"refusal": refusal}, status=404)
    messages.success(request, f"Welcome to {membership.workspace.name}.")
    return redirect("workspaces:entry", membership.workspace.public_id)

"""Settings → Members: who is in, who is invited, and in which role."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from workspaces import queries, services
from workspaces.access import WorkspaceRequest, admin_required, member_required
from workspaces.errors import WorkspaceError
from workspaces.forms import InvitationForm, RoleForm
from workspaces.models import Membership, Role
from workspaces.responses import see_other
from workspaces.rights import grantable_roles, may_grant


@member_required
@require_safe
def members(request: WorkspaceRequest) -> HttpResponse:
    """Everyone in the workspace; owners and admins see the invitations too."""
    grantable = grantable_roles(request.membership.role)
    return render(
        request,
        "workspaces/members.html",
        {
            "members": queries.members_of(request.workspace),
            "invitations": queries.open_invitations(request.workspace) if grantable else [],
            "grantable": grantable,
        },
    )


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: WorkspaceRequest) -> HttpResponse:
    """Offers a role to an e-mail address."""
    form = InvitationForm(request.POST or None, grantable=grantable_roles(request.membership.role), initial={"role": Role.MEMBER})
    if form.is_valid():
        try:
            invitation = services.invite_member(
                request.workspace, by=request.membership, email=form.cleaned_data["email"], role=Role(form.cleaned_data["role"])
            )
        except WorkspaceError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"An invitation is on its way to {invitation.email}.")
            return see_other(request, "workspaces:members", request.workspace.public_id)
    return render(request, "workspaces/invite.html", {"form": form}, status=422 if form.is_bound else 200)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def member(request: WorkspaceRequest, member_id: int) -> HttpResponse:
    """One member's role, and the way to remove them."""
    subject = _member(request, member_id)
    form = RoleForm(request.POST or None, grantable=grantable_roles(request.membership.role), initial={"role": subject.role})
    if form.is_valid():
        try:
            services.change_role(subject, by=request.membership, role=Role(form.cleaned_data["role"]))
        except WorkspaceError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{subject.user.get_full_name()} is now {_with_article(form.cleaned_data['role'])}.")
            return see_other(request, "workspaces:members", request.workspace.public_id)
    context = {"form": form, "subject": subject, "may_change": may_grant(request.membership.role, wanted=subject.role)}
    return render(request, "workspaces/member.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: WorkspaceRequest, member_id: int) -> HttpResponse:
    """Asks once, then takes the member out."""
    subject = _member(request, member_id)
    if request.method != "POST":
        return render(request, "workspaces/remove.html", {"subject": subject})
    try:
        services.remove_member(subject, by=request.membership)
    except WorkspaceError as refusal:
        return render(request, "workspaces/remove.html", {"subject": subject, "refusal": refusal}, status=422)
    messages.success(request, f"{subject.user.get_full_name()} was removed.")
    return see_other(request, "workspaces:members", request.workspace.public_id)


@admin_required
@require_POST
def resend_invitation(request: WorkspaceRequest, invitation_id: int) -> HttpResponse:
    """Sends a new link in place of the old one."""
    invitation = get_object_or_404(request.workspace.invitations, pk=invitation_id)
    try:
        services.resend_invitation(invitation, by=request.membership)
    except WorkspaceError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"A new link is on its way to {invitation.email}; the earlier one no longer works.")
    return redirect("workspaces:members", request.workspace.public_id)


@admin_required
@require_POST
def revoke_invitation(request: WorkspaceRequest, invitation_id: int) -> HttpResponse:
    """Withdraws an invitation; its link stops working."""
    invitation = get_object_or_404(request.workspace.invitations, pk=invitation_id)
    try:
        services.revoke_invitation(invitation, by=request.membership)
    except WorkspaceError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"The invitation to {invitation.email} was withdrawn.")
    return redirect("workspaces:members", request.workspace.public_id)


def _member(request: WorkspaceRequest, member_id: int) -> Membership:
    return get_object_or_404(queries.members_of(request.workspace), pk=member_id)


def _with_article(role: str) -> str:
    return f"{'a' if role == Role.MEMBER else 'an'} {Role(role).label.lower()}"

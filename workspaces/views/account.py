"""A person's own page: name, address, password, second factor. The last three are django-allauth's pages."""

from allauth.mfa.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from workspaces import services
from workspaces.forms import PersonForm
from workspaces.models import User


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """The name to change here, and where the rest is changed."""
    assert isinstance(request.user, User)
    form = PersonForm(request.POST or None, initial={"name": request.user.name})
    if form.is_valid():
        services.rename_user(request.user, name=form.cleaned_data["name"])
        messages.success(request, "Saved.")
        return redirect("workspaces:account")
    context = {"form": form, "has_second_factor": get_adapter().is_mfa_enabled(request.user)}
    return render(request, "workspaces/account.html", context, status=422 if form.is_bound else 200)

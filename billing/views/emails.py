"""E-mails, under Settings → Billing: what each owner and admin is told, and below which balance."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from billing.emails_form import LowBalanceForm, NoticesForm, level_as_typed
from billing.views.rendering import wallet_of
from wallet.models import Wallet
from wallet.services.notices import choose_notices, wanted_notices
from wallet.services.standing import set_low_level
from workspaces.access import WorkspaceRequest, billing_required


@require_http_methods(["GET", "HEAD", "POST"])
@billing_required
def emails(request: WorkspaceRequest) -> HttpResponse:
    """What this member gets in this workspace. The form's boxes are theirs alone."""
    wallet = wallet_of(request)
    form = NoticesForm(request.POST)
    if request.method == "POST" and form.is_valid():
        choose_notices(request.membership, wanted=form.wanted)
        messages.success(request, "Your choice of e-mails was saved.")
        return redirect("billing:emails", request.workspace.public_id)
    return _show(request, wallet, LowBalanceForm(wallet=wallet, initial={"level": level_as_typed(wallet)}))


@require_POST
@billing_required
def low_balance(request: WorkspaceRequest) -> HttpResponse:
    """Below how much the workspace's balance is low."""
    wallet = wallet_of(request)
    form = LowBalanceForm(request.POST, wallet=wallet)
    if not form.is_valid():
        return _show(request, wallet, form, status=422)
    set_low_level(wallet, micros=form.cleaned_data["level"])
    messages.success(request, "The low-balance level was saved.")
    return redirect("billing:emails", request.workspace.public_id)


def _show(request: WorkspaceRequest, wallet: Wallet, level_form: LowBalanceForm, *, status: int = 200) -> HttpResponse:
    wanted = wanted_notices(request.membership)
    notices_form = NoticesForm(initial={kind.value: True for kind in wanted})
    context = {"wallet": wallet, "form": notices_form, "level_form": level_form, "address": request.user.email}
    return render(request, "billing/emails.html", context, status=status)

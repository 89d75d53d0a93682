"""One row of the history explained."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing.explain import explanation
from billing.views.rendering import wallet_of
from wallet.models import Transfer
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import is_htmx


@require_safe
@billing_required
def transaction(request: WorkspaceRequest, seq: int) -> HttpResponse:
    """Explain this charge: a page of its own, for htmx the explanation alone."""
    wallet = wallet_of(request)
    found = explanation(wallet, get_object_or_404(Transfer, wallet=wallet, seq=seq))
    template = "billing/_explained.html" if is_htmx(request) else "billing/transaction.html"
    return render(request, template, {"wallet": wallet, "explained": found, "row": found.row, "transfer": found.row.transfer})

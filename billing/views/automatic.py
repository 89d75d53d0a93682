"""Automatic Payments, as far as they go: what they do once they are switched on, and the card they need."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.views.rendering import render_panel, wallet_of
from wallet.queries import kept_cards
from workspaces.access import WorkspaceRequest, billing_required


@require_safe
@billing_required
def automatic_payments(request: WorkspaceRequest) -> HttpResponse:
    """What the pill leads to."""
    wallet = wallet_of(request)
    return render_panel(request, "automatic_payments", {"wallet": wallet, "cards": kept_cards(wallet)})

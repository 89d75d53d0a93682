"""A top-up on a saved card, from the click to its outcome."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.forms import plain_amount
from billing.views.rendering import STILL_PROCESSING_AFTER, render_panel
from wallet.decline_words import decline_words
from wallet.models import TopUp
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import is_htmx


@require_safe
@billing_required
def top_up(request: WorkspaceRequest, top_up_id: UUID) -> HttpResponseBase:
    """How the top-up stands, live: asked with `seen`, it answers 204 until there is something new to show."""
    found = get_object_or_404(TopUp.objects.select_related("wallet__workspace", "card"), pk=top_up_id, wallet__workspace=request.workspace)
    takes_long = found.created_at < timezone.now() - STILL_PROCESSING_AFTER
    stamp = f"{found.status}.{takes_long}"
    if is_htmx(request) and request.GET.get("seen") == stamp:
        return HttpResponse(status=204)
    context = {
        "top_up": found,
        "wallet": found.wallet,
        "takes_long": takes_long,
        "stamp": stamp,
        "declined": decline_words(found.decline_code),
        "needs_bank": found.decline_code == "authentication_required",
        "plain_amount": plain_amount(found.amount_micros, currency=found.wallet.currency),
    }
    return render_panel(request, "top_up", context, changed=True)

"""One row of the history explained, and the history as a file."""

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing.explain import explanation
from billing.export import csv_lines, file_name
from billing.history import read_query
from billing.views.rendering import wallet_of
from wallet.models import Transfer
from workspaces.access import WorkspaceRequest, billing_required


@require_safe
@billing_required
def transaction(request: WorkspaceRequest, seq: int) -> HttpResponse:
    """Explain this charge: a page of its own, for htmx the explanation alone."""
    wallet = wallet_of(request)
    found = explanation(wallet, get_object_or_404(Transfer, wallet=wallet, seq=seq))
    template = "billing/_explained.html" if request.htmx else "billing/transaction.html"
    return render(request, template, {"wallet": wallet, "explained": found, "row": found.row, "transfer": found.row.transfer})


@require_safe
@billing_required
def export(request: WorkspaceRequest) -> StreamingHttpResponse:
    """The rows that the page shows for the same filters, as CSV."""
    wallet, query, zone = wallet_of(request), read_query(request.GET), request.workspace.zone
    headers = {"Content-Disposition": f'attachment; filename="{file_name(wallet, query, zone=zone)}"', "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(csv_lines(wallet, query, zone=zone), content_type="text/csv; charset=utf-8", headers=headers)

"""One row of the history explained, and the history as a file."""

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing.explain import explanation
from billing.export import ROWS_MAX, csv_lines, file_name
from billing.history import Query, read_query
from billing.limits import EXPORTS_PER_PERSON, may_read
from billing.views.rendering import RETRY_AFTER_SECONDS, wallet_of
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
def export(request: WorkspaceRequest) -> HttpResponseBase:
    """The rows that the page shows for the same filters, as CSV. A long book is a lot of work: each person may have it so often."""
    wallet, query, zone = wallet_of(request), read_query(request.GET), request.workspace.zone
    if not may_read(EXPORTS_PER_PERSON, f"{wallet.pk}:{request.membership.user_id}"):
        return _too_many_exports(request, query)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(wallet, query, zone=zone)}"', "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(csv_lines(wallet, query, zone=zone), content_type="text/csv; charset=utf-8", headers=headers)


def _too_many_exports(request: WorkspaceRequest, query: Query) -> HttpResponse:
    allowed = EXPORTS_PER_PERSON.item
    context = {"files": allowed.amount, "minutes": allowed.multiples, "rows": f"{ROWS_MAX:,}", "query": query}
    response = render(request, "billing/too_many_exports.html", context, status=429)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response

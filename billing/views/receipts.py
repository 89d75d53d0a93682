"""The receipt of a top-up, as a page to print and as a PDF."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing.receipts import Receipt, receipt_of
from billing.receipts import receipt_pdf as pdf_of
from wallet.models import TopUp
from workspaces.access import WorkspaceRequest, billing_required


@require_safe
@billing_required
def receipt(request: WorkspaceRequest, receipt_number: str) -> HttpResponse:
    """The page."""
    return render(request, "billing/receipt.html", {"receipt": _receipt(request, receipt_number)})


@require_safe
@billing_required
def receipt_pdf(request: WorkspaceRequest, receipt_number: str) -> HttpResponse:
    """The file."""
    found = _receipt(request, receipt_number)
    headers = {"Content-Disposition": f'attachment; filename="receipt-{found.number}.pdf"'}
    return HttpResponse(pdf_of(found), content_type="application/pdf", headers=headers)


def _receipt(request: WorkspaceRequest, receipt_number: str) -> Receipt:
    top_ups = TopUp.objects.select_related("wallet__workspace").filter(wallet__workspace=request.workspace)
    return receipt_of(get_object_or_404(top_ups, receipt_number=receipt_number, status=TopUp.Status.SUCCEEDED))

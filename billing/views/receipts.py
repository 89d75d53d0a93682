"""The receipt of a top-up, as a page to print and as a PDF."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing.receipts import Receipt, receipt_of
from billing.receipts import receipt_pdf as pdf_of
from billing.views.rendering import attachment
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
    return attachment(pdf_of(found), file_name=f"receipt-{found.number}.pdf", content_type="application/pdf")


def _receipt(request: WorkspaceRequest, receipt_number: str) -> Receipt:
    top_ups = TopUp.objects.select_related("wallet__workspace").filter(wallet__workspace=request.workspace)
    return receipt_of(get_object_or_404(top_ups, receipt_number=receipt_number, status=TopUp.Status.SUCCEEDED))

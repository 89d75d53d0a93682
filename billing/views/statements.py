"""The statement of a month, as a page to print, as a PDF and as CSV."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.statements import Statement, statement_of
from billing.statements import statement_csv as csv_of
from billing.statements import statement_pdf as pdf_of
from billing.usage_summary import months_offered
from billing.views.rendering import attachment, wallet_of
from workspaces.access import WorkspaceRequest, billing_required


@require_safe
@billing_required
def statement(request: WorkspaceRequest, month: str) -> HttpResponse:
    """The page."""
    return render(request, "billing/statement.html", {"statement": _statement(request, month)})


@require_safe
@billing_required
def statement_csv(request: WorkspaceRequest, month: str) -> HttpResponse:
    """Its lines, for a spreadsheet."""
    found = _statement(request, month)
    return attachment(csv_of(found), file_name=f"{_name(found)}.csv", content_type="text/csv; charset=utf-8")


@require_safe
@billing_required
def statement_pdf(request: WorkspaceRequest, month: str) -> HttpResponse:
    """To keep."""
    found = _statement(request, month)
    return attachment(pdf_of(found), file_name=f"{_name(found)}.pdf", content_type="application/pdf")


def _statement(request: WorkspaceRequest, month: str) -> Statement:
    """Of a month that the page offers; there is none of any other."""
    wallet = wallet_of(request)
    offered = {one.value: one.first_day for one in months_offered(wallet, zone=request.workspace.zone)}
    if month not in offered:
        raise Http404
    return statement_of(wallet, month=offered[month])


def _name(statement: Statement) -> str:
    """Of its files."""
    return f"statement-{statement.workspace_reference}-{statement.value}"

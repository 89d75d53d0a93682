"""Files for staff: the rows of one wallet, and the accounting journal. Each is made by a worker, and kept for a while."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from billing.export_answers import made_file
from billing.export_requests import (
    SHOWN_MAX,
    ExportUnderWay,
    Order,
    PeriodUnclear,
    TooManyExports,
    history_order,
    journal_order,
    operators_exports,
    request_export,
)
from billing.export_words import file_row
from billing.models import Export
from console.export_forms import JournalExportForm, WalletExportForm, last_month
from console.rendering import console_page
from workspaces.models import User
from workspaces.responses import htmx_target
from workspaces.staff import StaffRole, may_act

READERS = (StaffRole.SUPPORT, StaffRole.FINANCE)
"""Whole lists of a customer's calls are for whoever answers to customers; the journal is finance's alone."""


@require_safe
def show_exports(request: HttpRequest) -> HttpResponse:
    """The files, and forms to ask for more; for htmx the files alone."""
    asked = request.GET.get("workspace", "")
    wallet_form = WalletExportForm(initial={"workspace": asked}, prefix="rows")
    return _page(request, wallet_form=wallet_form, journal_form=JournalExportForm(initial=last_month(), prefix="journal"))


@require_POST
def prepare_rows(request: HttpRequest) -> HttpResponse:
    """Of one wallet."""
    form = WalletExportForm(request.POST, prefix="rows")
    if not form.is_valid():
        return _page(request, wallet_form=form, journal_form=JournalExportForm(initial=last_month(), prefix="journal"))
    wallet, kind = form.cleaned_data["workspace"], Export.Kind(form.cleaned_data["kind"])
    return _prepare(request, history_order(wallet, kind=kind, query=form.query(), zone=wallet.workspace.zone, is_operators=True))


@require_POST
def prepare_journal(request: HttpRequest) -> HttpResponse:
    """Of all wallets."""
    form = JournalExportForm(request.POST, prefix="journal")
    if form.is_valid():
        try:
            return _prepare(request, journal_order(**form.cleaned_data))
        except PeriodUnclear as error:
            form.add_error("last_day", str(error))
    return _page(request, wallet_form=WalletExportForm(prefix="rows"), journal_form=form)


@require_safe
def export_file(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    """One of them."""
    export = get_object_or_404(operators_exports(), pk=export_id)
    if export.kind == Export.Kind.JOURNAL and not _is_finance(request):
        raise PermissionDenied
    answer = made_file(export)
    if answer is None:
        messages.info(request, "There is no such file any more." if not export.is_open else "This file is still being made.")
        return redirect("admin:console_exports")
    return answer


def _prepare(request: HttpRequest, order: Order) -> HttpResponse:
    assert isinstance(request.user, User), "the console is for people who are signed in"
    try:
        request_export(order, by=request.user)
    except (ExportUnderWay, TooManyExports) as refusal:
        messages.warning(request, str(refusal))
    return redirect(f"{reverse('admin:console_exports')}#files")


def _page(request: HttpRequest, *, wallet_form: WalletExportForm, journal_form: JournalExportForm) -> HttpResponse:
    files = operators_exports()
    if not _is_finance(request):
        files = files.exclude(kind=Export.Kind.JOURNAL)
    rows = [file_row(export) for export in files[:SHOWN_MAX]]
    context = {
        "files": rows,
        "under_way": any(row.export.is_open for row in rows),
        "may_export": may_act(request.user, roles=READERS),
        "wallet_form": wallet_form,
        "journal_form": journal_form,
    }
    is_part = htmx_target(request) == "export-files"
    status = 422 if wallet_form.is_bound or journal_form.is_bound else 200
    return console_page(request, "_export_files.html" if is_part else "exports.html", context, title="Exports", status=status)


def _is_finance(request: HttpRequest) -> bool:
    return may_act(request.user, roles=[StaffRole.FINANCE])

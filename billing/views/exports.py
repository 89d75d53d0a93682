"""Settings → Billing → Exports: what fits the filters as a file, at once where it is small, else made by a worker and kept for a while."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from billing.export import TRANSACTIONS, csv_lines, file_name
from billing.export_answers import csv_answer, made_file
from billing.export_requests import SHOWN_MAX, ExportUnderWay, TooManyExports, exports_of, history_order, request_export
from billing.export_sources import SHEETS, SMALL_ROWS_MAX, HistorySource
from billing.export_words import TITLES, file_row, rows_meant
from billing.history import KIND_FILTERS, Query, read_query
from billing.limits import EXPORTS_PER_PERSON, may_read
from billing.models import Export
from billing.views.rendering import RETRY_AFTER_SECONDS, wallet_of
from wallet.models import Wallet
from workspaces.access import WorkspaceRequest, billing_required
from workspaces.responses import htmx_target

NOT_THERE = "There is no such file any more. Ask for it again below."
TOO_LONG = f"This is more than {SMALL_ROWS_MAX:,} rows: have the file prepared below. You can go on meanwhile."
WORDS = {
    Export.Kind.TRANSACTIONS: "Every row of the history, with the balance after it.",
    Export.Kind.EVENTS: "Every use: what was measured, its price, and what was billed.",
}
_ICONS = {Export.Kind.TRANSACTIONS: "wallet", Export.Kind.EVENTS: "phone"}
_DIRECT = {Export.Kind.TRANSACTIONS: "billing:export", Export.Kind.EVENTS: "billing:export_events"}


@dataclass(frozen=True)
class Offer:
    """A kind of file: downloaded at once by `address`, or else prepared."""

    kind: str
    icon: str
    title: str
    words: str
    address: str
    is_small: bool


@require_http_methods(["GET", "HEAD", "POST"])
@billing_required
def exports(request: WorkspaceRequest) -> HttpResponse:
    """The page; for htmx the files alone. By POST one more is made, of the same filters."""
    wallet = wallet_of(request)
    if request.method == "POST":
        return _prepare(request, wallet)
    context = _files(wallet)
    if htmx_target(request) == "export-files":
        return render(request, "billing/_export_files.html", context)
    query = read_query(request.GET)
    offers = _offers(request, wallet, query)
    context |= {"wallet": wallet, "query": query, "kinds": KIND_FILTERS, "offers": offers, "meant": rows_meant(query)}
    return render(request, "billing/exports.html", context)


@require_safe
@billing_required
def export_file(request: WorkspaceRequest, export_id: UUID) -> HttpResponseBase:
    """A file that a worker made."""
    export = get_object_or_404(exports_of(wallet_of(request)), pk=export_id)
    if not _may_have(request):
        return _too_many(request, read_query(request.GET))
    answer = made_file(export)
    if answer is None:
        messages.info(request, NOT_THERE if not export.is_open else "This file is still being made.")
        return redirect("billing:exports", request.workspace.public_id)
    return answer


@require_safe
@billing_required
def transactions_csv(request: WorkspaceRequest) -> HttpResponseBase:
    """The rows that the page shows for the same filters."""
    return _at_once(request, Export.Kind.TRANSACTIONS)


@require_safe
@billing_required
def events_csv(request: WorkspaceRequest) -> HttpResponseBase:
    """The uses among them."""
    return _at_once(request, Export.Kind.EVENTS)


def _at_once(request: WorkspaceRequest, kind: Export.Kind) -> HttpResponseBase:
    """Written while it is sent; where it is long, the way to have it made. Each person may have some seconds' work so often."""
    wallet, query, zone, sheet = wallet_of(request), read_query(request.GET), request.workspace.zone, SHEETS[kind]
    if not _may_have(request):
        return _too_many(request, query)
    if not HistorySource(wallet, query, sheet, zone).is_small():
        messages.info(request, TOO_LONG)
        return redirect(f"{reverse('billing:exports', args=[request.workspace.public_id])}?{query.address()}")
    return csv_answer(csv_lines(wallet, query, sheet=sheet, zone=zone), file_name=file_name(wallet, query, sheet=sheet, zone=zone))


def _prepare(request: WorkspaceRequest, wallet: Wallet) -> HttpResponse:
    if request.POST.get("kind") not in SHEETS:
        raise Http404
    kind, query = Export.Kind(request.POST["kind"]), read_query(request.POST)
    try:
        request_export(history_order(wallet, kind=kind, query=query, zone=request.workspace.zone), by=request.user)
    except (ExportUnderWay, TooManyExports) as refusal:
        messages.warning(request, str(refusal))
    address = reverse("billing:exports", args=[request.workspace.public_id])
    return redirect(f"{address}?{query.address()}#files")


def _offers(request: WorkspaceRequest, wallet: Wallet, query: Query) -> list[Offer]:
    is_small = HistorySource(wallet, query, TRANSACTIONS, request.workspace.zone).is_small()
    public_id = request.workspace.public_id
    return [
        Offer(kind, _ICONS[kind], TITLES[kind], words, f"{reverse(_DIRECT[kind], args=[public_id])}?{query.address()}", is_small)
        for kind, words in WORDS.items()
    ]


def _files(wallet: Wallet) -> dict[str, Any]:
    files = [file_row(export) for export in exports_of(wallet)[:SHOWN_MAX]]
    return {"files": files, "under_way": [row for row in files if row.export.is_open]}


def _may_have(request: WorkspaceRequest) -> bool:
    return may_read(EXPORTS_PER_PERSON, f"{request.workspace.pk}:{request.membership.user_id}")


def _too_many(request: WorkspaceRequest, query: Query) -> HttpResponse:
    allowed = EXPORTS_PER_PERSON.item
    context = {"files": allowed.amount, "minutes": allowed.multiples, "query": query}
    response = render(request, "billing/too_many_exports.html", context, status=429)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response

"""The proof of the books: discrepancies, runs, and the heads of each day's seals."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from console.records.base import Record, written
from wallet.models import DaySeal, Discrepancy, ReconciliationRun


@admin.register(Discrepancy)
class DiscrepancyAdmin(Record):
    """All there ever were; one opens on its own page."""

    list_display = ("first_seen_at", "kind", "reference", "wallet", "amount", "last_seen_at", "closed_at", "explained_by")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("wallet__workspace", "explained_by")
    ordering = ("-pk",)

    @admin.display(description="Amount")
    def amount(self, row: Discrepancy) -> str:
        return written(row.amount_micros, row.currency) if row.currency else "–"

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:console_discrepancy", discrepancy_id=object_id)


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(Record):
    """Every comparison."""

    list_display = ("started_at", "finished_at", "since", "payments", "movements", "transfers", "discrepancies")
    ordering = ("-started_at",)
    wallet_column = ""
    search_fields = ()


@admin.register(DaySeal)
class DaySealAdmin(Record):
    """One line for each day: to be kept outside of the database."""

    list_display = ("day", "seals", "transfers", "head", "sealed_at")
    ordering = ("-day",)
    wallet_column = ""
    search_fields = ()
    hidden = ("chain_sha256",)
    extra = ("head",)

    @admin.display(description="Head of the chain")
    def head(self, seal: DaySeal) -> str:
        return bytes(seal.chain_sha256).hex()

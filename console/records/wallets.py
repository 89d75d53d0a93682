"""Wallets and what hangs on them: cards, links, the rule of automatic payments."""

from typing import Any

from django.contrib import admin
from django.db.models import Case, CharField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from billing.automatic_mode import FILTERS, in_mode, short_words_of
from billing.history_search import readable_text
from console.records.base import Record, written
from console.search import wallets_found
from wallet.models import AutomaticPayments, Card, PaymentLink, Wallet
from wallet.standing import Standing, standing_of


class _State(admin.SimpleListFilter):
    """Open, frozen or closed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("frozen", "Frozen"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        match self.value():
            case "open":
                return queryset.filter(closed_at=None, frozen_at=None)
            case "frozen":
                return queryset.filter(closed_at=None, frozen_at__isnull=False)
            case "closed":
                return queryset.filter(closed_at__isnull=False)
        return queryset


class _Standing(admin.SimpleListFilter):
    """As people were last told: the sweep keeps it within half a minute."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(standing.value, standing.value.capitalize()) for standing in Standing]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(announced=self.value()) if self.value() in list(Standing) else queryset


class _Automatic(admin.SimpleListFilter):
    """As their owners read it."""

    title = "automatic payments"
    parameter_name = "automatic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(mode.value, words) for mode, words in FILTERS.items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        mode = next((mode for mode in FILTERS if mode.value == self.value()), None)
        return in_mode(queryset, mode) if mode else queryset


@admin.register(Wallet)
class WalletAdmin(Record):
    """The list; a row opens the wallet's own page."""

    list_display = ("name", "public_id", "state", "balance", "available", "held", "automatic", "found_by")
    list_filter = (_State, _Standing, _Automatic, "currency")
    list_select_related = ("workspace",)
    ordering = ("-pk",)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is one page of a wallet, and it is not a form."""
        return redirect("admin:console_wallet", wallet_id=object_id)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With how automatic payments stand, read for the wallets of this page at once."""
        page = super().get_changelist_instance(request)
        page.result_list = list(page.result_list)
        words = short_words_of(page.result_list, now=timezone.now())
        for wallet in page.result_list:
            wallet.automatic_words = words[wallet.pk]
        return page

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(by=Value("", output_field=CharField()))
        return annotated

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> tuple["QuerySet[Any]", bool]:
        """With what each was found by."""
        if not readable_text(search_term):
            return queryset, False
        found = wallets_found(search_term)
        words = [When(pk=wallet, then=Value(by)) for wallet, by in found.items()]
        by: Any = Case(*words, default=Value(""), output_field=CharField()) if words else Value("", output_field=CharField())
        return queryset.filter(pk__in=list(found)).annotate(by=by), False

    @admin.display(description="Workspace", ordering="workspace__name")
    def name(self, wallet: Wallet) -> str:
        return wallet.workspace.name

    @admin.display(description="Id")
    def public_id(self, wallet: Wallet) -> str:
        return wallet.workspace.public_id

    @admin.display(description="Status")
    def state(self, wallet: Wallet) -> str:
        if wallet.closed_at is not None:
            return "Closed"
        standing = standing_of(wallet, now=timezone.now()).value.capitalize()
        return f"Frozen · {standing}" if wallet.frozen_at is not None else standing

    @admin.display(description="Balance", ordering="balance_micros")
    def balance(self, wallet: Wallet) -> str:
        return written(wallet.balance_micros, wallet.currency)

    @admin.display(description="Available")
    def available(self, wallet: Wallet) -> str:
        return written(wallet.available_micros, wallet.currency)

    @admin.display(description="Held", ordering="held_micros")
    def held(self, wallet: Wallet) -> str:
        return written(wallet.held_micros, wallet.currency) if wallet.held_micros else "–"

    @admin.display(description="Automatic payments")
    def automatic(self, wallet: Any) -> str:
        return str(wallet.automatic_words)

    @admin.display(description="Found by")
    def found_by(self, wallet: Any) -> str:
        return wallet.by or "–"


@admin.register(Card)
class CardAdmin(Record):
    """Brand, last four, expiry: there is nothing else of a card."""

    list_display = ("label", "wallet", "expiry", "is_default", "is_backup", "connected_at", "refused_at", "removed_at")
    list_filter = (("removed_at", admin.EmptyFieldListFilter), ("refused_at", admin.EmptyFieldListFilter))
    list_select_related = ("wallet__workspace",)
    ordering = ("-pk",)
    exact = ("last_four", "payment_method_id")
    hidden = ("fingerprint",)


@admin.register(PaymentLink)
class PaymentLinkAdmin(Record):
    """Never the token, nor its hash."""

    list_display = ("id", "wallet", "purpose", "amount", "created_at", "expires_at", "used_at", "withdrawn_at", "declines")
    list_filter = ("purpose", ("used_at", admin.EmptyFieldListFilter), ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("wallet__workspace",)
    ordering = ("-created_at",)
    exact_uuids = ("pk",)
    hidden = ("token_sha256", "amount_micros")
    extra = ("amount",)

    @admin.display(description="Amount")
    def amount(self, link: PaymentLink) -> str:
        return written(link.amount_micros, link.wallet.currency)


@admin.register(AutomaticPayments)
class AutomaticPaymentsAdmin(Record):
    """What owners agreed to, and how it goes."""

    list_display = ("wallet", "is_active", "threshold", "charge", "monthly_cap", "failures", "next_try_at", "suspension")
    list_filter = ("is_active", "suspension")
    list_select_related = ("wallet__workspace",)
    ordering = ("-pk",)
    hidden = ("threshold_micros", "amount_micros", "target_micros", "monthly_cap_micros")
    extra = ("threshold", "charge", "monthly_cap")

    @admin.display(description="Below")
    def threshold(self, rule: AutomaticPayments) -> str:
        return written(rule.threshold_micros, rule.wallet.currency)

    @admin.display(description="Charge")
    def charge(self, rule: AutomaticPayments) -> str:
        if rule.amount_micros is not None:
            return written(rule.amount_micros, rule.wallet.currency)
        return f"back to {written(rule.target_micros, rule.wallet.currency)}"

    @admin.display(description="At most in a month")
    def monthly_cap(self, rule: AutomaticPayments) -> str:
        return written(rule.monthly_cap_micros, rule.wallet.currency)

"""What the tables of wallets share: all fields to read, money written out, a search by what finds the wallet."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from billing.history_search import readable_text
from console.search import wallets_found
from wallet.money import format_exact
from workspaces.staff_admin import StaffReading


def written(amount_micros: int | None, currency: str) -> str:
    """Exact, as everywhere; a dash where there is none."""
    return "–" if amount_micros is None else format_exact(amount_micros, currency=currency)


class Record(StaffReading):
    """Rows that name a wallet, or can be found by `exact` columns. `hidden` fields are on no page."""

    exact: tuple[str, ...] = ()
    """Columns with an index, compared as they are typed."""
    exact_uuids: tuple[str, ...] = ()
    wallet_column = "wallet"
    hidden: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    search_fields: ClassVar[Any] = ("pk",)
    search_help_text = "What a customer quotes: workspace, e-mail, last four, receipt, payment, refund, dispute or event id, phone number"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Every column but what is hidden, and money in words beside it."""
        return (*(field.name for field in self.model._meta.fields if field.name not in self.hidden), *self.extra)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.get_fields(request, obj)

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> tuple["QuerySet[Any]", bool]:
        """By this row's own names, and by whatever finds its wallet. Django's own search would read whole tables."""
        text = readable_text(search_term)
        if not text:
            return queryset, False
        meant = Q(pk__in=[])
        for column in self.exact:
            meant |= Q(**{column: text})
        if uuid := _uuid(text):
            for column in self.exact_uuids:
                meant |= Q(**{column: uuid})
        if self.wallet_column:
            meant |= Q(**{f"{self.wallet_column}__in": list(wallets_found(text))})
        return queryset.filter(meant), False


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

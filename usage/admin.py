"""Prices in the operator's console: meters and cards can be made, rates be read and ended. Publishing rates is services/prices.py's."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from usage.errors import RateEnded
from usage.models import Meter, Rate, RateCard
from usage.services.prices import end_rate

# Django's own class takes no parameter at run time; only the types do.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

END_MAX = 200
"""The most rates that one click ends."""


class _Kept(ModelAdmin):
    """What prices stand on is never removed."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Meter)
class MeterAdmin(_Kept):
    """Key, unit and kind are chosen once: the database keeps them."""

    list_display = ["key", "name", "unit", "kind", "live_meter", "is_active"]
    list_filter = ["kind", "is_active"]
    ordering = ["key"]

    def get_readonly_fields(self, request: HttpRequest, obj: Meter | None = None) -> tuple[str, ...]:
        return ("key", "unit", "kind") if obj is not None else ()


@admin.register(RateCard)
class RateCardAdmin(_Kept):
    """Currency and workspace are chosen once: the database keeps them."""

    list_display = ["name", "currency", "workspace"]
    list_filter = ["currency"]
    list_select_related = ["workspace"]
    search_fields = ["name", "workspace__name", "workspace__public_id"]
    raw_id_fields = ["workspace"]

    def get_readonly_fields(self, request: HttpRequest, obj: RateCard | None = None) -> tuple[str, ...]:
        return ("currency", "workspace") if obj is not None else ()


@admin.register(Rate)
class RateAdmin(_Kept):
    """To be read, and to be ended: a rate is never changed."""

    list_display = [
        *("id", "card", "meter", "prefix", "price_micros", "per_units", "setup_fee_micros", "first_block", "step"),
        *("valid_from", "valid_until"),
    ]
    list_filter = [("valid_until", admin.EmptyFieldListFilter), "card__currency", "meter"]
    list_select_related = ["card", "meter"]
    search_fields = ["=id", "prefix__startswith", "card__name"]
    ordering = ["card", "meter", "prefix", "-valid_from"]
    actions = ["end_now"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Rate | None = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whoever may change prices may end them; asked by the action below."""
        return request.user.has_perm("usage.change_rate")

    @admin.action(description="End selected rates now", permissions=["end"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Rate]) -> None:
        """Ends each; what is planned for later is withdrawn. Each stands in the log."""
        chosen = list(queryset.values_list("pk", flat=True)[: END_MAX + 1])
        if len(chosen) > END_MAX:
            self.message_user(request, f"At most {END_MAX} rates can be ended at once.", messages.ERROR)
            return
        for rate_id in chosen:
            try:
                rate = end_rate(rate_id)
            except RateEnded as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.log_change(request, rate, f"Ended at {rate.valid_until}.")
                self.message_user(request, f"{rate} has ended.", messages.SUCCESS)

"""Prices in the operator's console: pricing makes meters and cards and ends rates, everybody reads. Publishing is services/prices.py's."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from usage.errors import RateEnded
from usage.models import Meter, MeterKind, Rate, RateCard
from usage.services.prices import end_rate
from wallet.money import format_exact
from workspaces.services.audit import record
from workspaces.staff import StaffRole, may_act
from workspaces.staff_admin import StaffReading

END_MAX = 200
"""The most rates that one click ends."""


class _MadeByPricing(StaffReading):
    """Pricing makes and renames; what prices stand on is never removed. Each act stands in the audit log."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_act(request.user, roles=[StaffRole.PRICING])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_act(request.user, roles=[StaffRole.PRICING])

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            before = {name: str(form.initial[name]) for name in form.changed_data if change and name in form.initial}
            after = {name: str(form.cleaned_data[name]) for name in form.changed_data}
            act = f"{obj._meta.model_name}.{'changed' if change else 'added'}"
            record(act, workspace=getattr(obj, "workspace_id", None), target=str(obj), before=before, after=after, as_staff=True)


@admin.register(Meter)
class MeterAdmin(_MadeByPricing):
    """Key, unit and kind are chosen once: the database keeps them."""

    list_display = ["key", "name", "unit", "kind", "live_meter", "is_active"]
    list_filter = ["kind", "is_active"]
    ordering = ["key"]

    def get_readonly_fields(self, request: HttpRequest, obj: Meter | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        # What is measured live has no other live meter: the database would refuse one.
        return ("key", "unit", "kind") if obj.kind == MeterKind.LAB else ("key", "unit", "kind", "live_meter")


@admin.register(RateCard)
class RateCardAdmin(_MadeByPricing):
    """Currency and workspace are chosen once: the database keeps them."""

    list_display = ["name", "currency", "workspace"]
    list_filter = ["currency"]
    list_select_related = ["workspace"]
    search_fields = ["name", "workspace__name", "workspace__public_id"]
    raw_id_fields = ["workspace"]

    def get_readonly_fields(self, request: HttpRequest, obj: RateCard | None = None) -> tuple[str, ...]:
        return ("currency", "workspace") if obj is not None else ()


@admin.register(Rate)
class RateAdmin(StaffReading):
    """To be read, and to be ended: a rate is never changed."""

    list_display = [
        *("id", "card", "meter", "prefix", "price", "per_units", "setup_fee", "first_block", "step"),
        *("valid_from", "valid_until"),
    ]
    list_filter = [("valid_until", admin.EmptyFieldListFilter), "card__currency", "meter"]
    list_select_related = ["card", "meter"]
    search_fields = ["=id", "prefix__startswith", "card__name"]
    ordering = ["card", "meter", "prefix", "-valid_from"]
    actions = ["end_now"]

    @admin.display(description="Price")
    def price(self, rate: Rate) -> str:
        return format_exact(rate.price_micros, currency=rate.card.currency)

    @admin.display(description="Set-up")
    def setup_fee(self, rate: Rate) -> str:
        return format_exact(rate.setup_fee_micros, currency=rate.card.currency) if rate.setup_fee_micros else "–"

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Asked by the action below."""
        return may_act(request.user, roles=[StaffRole.PRICING])

    @admin.action(description="End selected rates now", permissions=["end"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Rate]) -> None:
        """Ends each; what is planned for later is withdrawn. Each stands in the log."""
        chosen = list(queryset.values_list("pk", flat=True)[: END_MAX + 1])
        if len(chosen) > END_MAX:
            self.message_user(request, f"At most {END_MAX} rates can be ended at once.", messages.ERROR)
            return
        for rate_id in chosen:
            try:
                with transaction.atomic():
                    rate = end_rate(rate_id)
                    record("rate.ended", workspace=rate.card.workspace_id, target=str(rate), as_staff=True)
            except RateEnded as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.log_change(request, rate, f"Ended at {rate.valid_until}.")
                self.message_user(request, f"{rate} has ended.", messages.SUCCESS)

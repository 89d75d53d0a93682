"""What every page of Django's admin starts from: each role of the staff reads, and nobody writes but through a service."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils.functional import cached_property

from workspaces.staff import EVERY_ROLE, may_act

# Django's own class takes no parameter at run time; only the types do.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    ModelAdmin, AnyPaginator = admin.ModelAdmin, Paginator

ROWS_COUNTED_MAX = 10_000
"""No list counts further: with millions of rows that would be the slowest part of the page, and tells nobody anything."""


class CappedPaginator(AnyPaginator):
    """Pages of the first ROWS_COUNTED_MAX rows; what lies beyond is found by the search."""

    counted_max = ROWS_COUNTED_MAX

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin gives a queryset, always
        return rows.order_by()[:ROWS_COUNTED_MAX].count()


class StaffReading(ModelAdmin):
    """To be read by every role, and by whoever has none not at all."""

    paginator = CappedPaginator
    show_full_result_count = False
    # Counting each choice of each filter would read whole tables.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    actions: Any = ()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """404 for filters and rows that nothing could have: Django would ask PostgreSQL for them, and fail."""
        if any("\0" in value for name in request.GET if name != SEARCH_VAR for value in request.GET.getlist(name)):
            raise Http404
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(key)
            except ValidationError as error:
                raise Http404 from error
        return super().changelist_view(request, extra_context)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_act(request.user, roles=EVERY_ROLE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_act(request.user, roles=EVERY_ROLE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

"""How every page of the console is put together: Django's own context of the site, then the page's."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from workspaces.staff import StaffRole, may_act


def console_page(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, title: str, status: int = 200
) -> HttpResponse:
    """The page, with what the reader may do: buttons of other roles are not shown, and refused all the same."""
    rights = {
        "is_finance": may_act(request.user, roles=[StaffRole.FINANCE]),
        "is_pricing": may_act(request.user, roles=[StaffRole.PRICING]),
        "may_mend": may_act(request.user, roles=[StaffRole.FINANCE, StaffRole.PRICING]),
    }
    return render(
        request, f"console/{template}", {**admin.site.each_context(request), "title": title, **rights, **(context or {})}, status=status
    )

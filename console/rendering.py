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
    """The page."""
    return render(request, f"console/{template}", {**console_context(request), "title": title, **(context or {})}, status=status)


def console_context(request: HttpRequest) -> dict[str, Any]:
    """What the frame needs, and what the reader may do: buttons of other roles are not shown, and refused all the same."""
    return {
        **admin.site.each_context(request),
        "is_finance": may_act(request.user, roles=[StaffRole.FINANCE]),
        "is_pricing": may_act(request.user, roles=[StaffRole.PRICING]),
        "may_mend": may_act(request.user, roles=[StaffRole.FINANCE, StaffRole.PRICING]),
    }

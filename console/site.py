"""The admin site: who is let in, and which pages it has beyond Django's own. Signing in is the product's, never a second form."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse

from workspaces.staff import staff_roles
from workspaces.staff_admin import StaffReading


class ConsoleSite(AdminSite):
    """Open to whoever has a role of the staff (workspaces.staff) and a second factor; `is_staff` alone opens nothing."""

    site_title = "Console"
    site_header = "Console"
    index_title = "Console"
    enable_nav_sidebar = False

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Our own tables alone. What libraries bring (accounts, second factors, groups) would be written to past services and audit log."""
        if admin_class is not None and issubclass(admin_class, StaffReading):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(staff_roles(request.user)) and not _lacks_second_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Through the product's own sign-in, with its limits and second factor; whoever is signed in and not staff stays out."""
        if not request.user.is_authenticated:
            return redirect_to_login(request.GET.get("next") or resolve_url("admin:index"))
        if self.has_permission(request):
            return redirect("admin:index")
        if not staff_roles(request.user):
            raise PermissionDenied
        messages.info(request, "The console takes a second factor. Set one up here, and open the console again.")
        return redirect("mfa_activate_totp")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """What needs somebody, and the search; the tables stand below."""
        from console.navigation import tables
        from console.views.operations import attention

        return super().index(request, {"title": "", "attention": attention(request.user), "tables": tables(), **(extra_context or {})})

    def app_index(self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Tables stand together by what they are about, not by app: there is one list of them."""
        return redirect("admin:index")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from console.navigation import places

        context = super().each_context(request)
        return context | {"places": places(request) if context["has_permission"] else []}

    def get_urls(self) -> list[Any]:
        # Imported late: the pages need models, and the site is made before the apps are ready.
        from console.urls import console_urls

        return [*console_urls(self), *super().get_urls()]


def _lacks_second_factor(request: HttpRequest) -> bool:
    return settings.STAFF_SECOND_FACTOR and not get_adapter().is_mfa_enabled(request.user)

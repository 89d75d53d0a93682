"""Every address of the product but /healthz and /readyz (health.py). Each app brings its own; this only says where they hang."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

# The console is entered through the product's own sign-in: with its limits and second factor, not past them.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # the way django-allauth documents

handler500 = "wallet_billing.middleware.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("login", RedirectView.as_view(pattern_name="account_login", query_string=True)),
    path("api/v1/", include("billing.api_urls")),
    path("", include("workspaces.urls")),
    path("", include("wallet.urls")),
    path("", include("usage.urls")),
    path("", include("billing.urls")),
]

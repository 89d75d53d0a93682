"""Every address of the product but /healthz and /readyz (health.py). Each app brings its own; this only says where they hang."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

handler500 = "wallet_billing.middleware.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", include("wallet.console_urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("login", RedirectView.as_view(pattern_name="account_login", query_string=True)),
    path("api/v1/", include("billing.api_urls")),
    path("", include("workspaces.urls")),
    path("", include("wallet.urls")),
    path("", include("usage.urls")),
    path("", include("billing.urls")),
]

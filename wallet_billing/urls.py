"""Every address of the product. Each app brings its own; this file only says where they hang."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from wallet_billing import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("login", RedirectView.as_view(pattern_name="account_login", query_string=True)),
    path("", include("workspaces.urls")),
    path("", include("billing.urls")),
]

"""Where the API hangs: the project includes it at /api/v1/."""

from django.urls import path

from billing.api import api

urlpatterns = [path("", api.urls)]

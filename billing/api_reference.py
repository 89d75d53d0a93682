"""The API's reference for people: one public page, made from the OpenAPI document, without a script."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.api import api
from workspaces.api.problems import CODES
from workspaces.api.reference import Section, sections
from workspaces.models import Scope


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    """Every operation with its fields, an example and its refusals, and every code with what to do."""
    return render(request, "billing/api_reference.html", {"sections": _sections(), "codes": _codes(), **_facts()})


@cache
def _sections() -> list[Section]:
    return sections(api.get_openapi_schema())


def _codes() -> list[dict[str, Any]]:
    """By status, as a reader looks them up."""
    found = [{"code": code, "status": known.status, "title": known.title, "meaning": known.meaning} for code, known in CODES.items()]
    return sorted(found, key=lambda known: (known["status"], known["code"]))


def _facts() -> dict[str, Any]:
    return {"site_url": settings.SITE_URL, "scopes": [(scope.value, scope.label) for scope in Scope]}

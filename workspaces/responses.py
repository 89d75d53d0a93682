"""Answers that suit both a plain form and one sent by htmx from a dialog."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django_htmx.http import HttpResponseClientRedirect


def see_other(request: HttpRequest, to: str, *args: Any) -> HttpResponse:
    """After a form that was accepted: on to another page, out of the dialog too."""
    if is_htmx(request):
        return HttpResponseClientRedirect(resolve_url(to, *args))
    return redirect(to, *args)


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page."""
    return bool(request.headers.get("HX-Request")) and not request.headers.get("HX-Boosted")

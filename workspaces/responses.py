"""Answers that suit both a plain form and one sent by htmx from a dialog."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails


def see_other(request: HttpRequest, to: str, *args: Any) -> HttpResponse:
    """After a form that was accepted: on to another page, out of the dialog too."""
    if is_htmx(request):
        return HttpResponseClientRedirect(resolve_url(to, *args))
    return redirect(to, *args)


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page. When a person goes back to a page that htmx has forgotten, it asks for the whole."""
    asked = HtmxDetails(request)
    return bool(asked) and not asked.boosted and not asked.history_restore_request


def htmx_target(request: HttpRequest) -> str | None:
    """The id of the element that the answer is put into; None where htmx does not ask."""
    return HtmxDetails(request).target

"""The platform's own webhook endpoints, which hear of every workspace: the owners' pages (billing.webhook_pages), for finance."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from billing import webhook_pages as pages
from console.rendering import console_context


def _of_platform(page: Callable[..., HttpResponse]) -> Callable[..., Any]:
    @wraps(page)
    def view(request: HttpRequest, **ids: int) -> HttpResponse:
        return page(request, _desk(request), **ids)

    return view


def _desk(request: HttpRequest) -> pages.Desk:
    return pages.Desk(
        None,
        prefix="admin:console_",
        arguments=(),
        frame="console/webhooks/_page.html",
        form_frame="console/webhooks/_form_page.html",
        has_dialog=False,
        wallet_page="admin:console_wallet",
        context=console_context(request),
    )


show_endpoints = _of_platform(pages.show_endpoints)
new_endpoint = _of_platform(pages.new_endpoint)
show_endpoint = _of_platform(pages.show_endpoint)
edit_endpoint = _of_platform(pages.edit_endpoint)
switch_endpoint = _of_platform(pages.switch_endpoint)
remove_endpoint = _of_platform(pages.remove_endpoint)
send_test = _of_platform(pages.send_test)
reveal_secret = _of_platform(pages.reveal_secret)
rotate_secret = _of_platform(pages.rotate_secret)
show_delivery = _of_platform(pages.show_delivery)
show_delivery_row = _of_platform(pages.show_delivery_row)
resend = _of_platform(pages.resend)
resend_failed = _of_platform(pages.resend_failed)

"""Response headers of the hosted pages."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse

# Where a form's answer may lead besides this site; browsers hold redirects after a form against form-action too.
RETURN_ADDRESSES = "return_addresses"


def content_security_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def with_policy(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        addresses = getattr(response, RETURN_ADDRESSES, ())
        targets = " ".join(sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, addresses)}))
        response["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {targets}".rstrip()
        )
        response["Cache-Control"] = response.headers.get("Cache-Control", "no-store")
        return response

    return with_policy

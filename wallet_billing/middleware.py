"""What happens to every request before and after the product looks at it: who asks, over what, and what the answer must carry.

It knows nothing of workspaces or money.
"""

import ipaddress
import logging
import re
import sys
import time
import uuid
from collections.abc import Callable, Mapping

import redis
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from wallet_billing.logs import KNOWN_LATER
from wallet_billing.problems import problem

logger = structlog.get_logger("wallet_billing.requests")

Handler = Callable[[HttpRequest], HttpResponse]

# Machines speak here: they get an answer that a machine reads, and are never redirected.
MACHINE_PATHS = ("/api/", "/webhooks/")
# Asked every few seconds by whoever watches; only a bad answer is news.
PROBES = ("/healthz", "/readyz", "/metrics")
_WHOSE = {"public_id": "workspace", "subject": "workspace", "wallet_id": "wallet"}
"""Parts of addresses that name a customer, and what the log calls them."""
ASKED_CHARACTERS_MAX = 200
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_FORWARDED")
PERMISSIONS_POLICY = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()"
RETRY_AFTER_SECONDS = 5
PASSING = (OperationalError, InterfaceError, redis.ConnectionError, redis.TimeoutError)
"""What passes by itself: PostgreSQL or Redis is away, or busy for longer than anybody waits."""


def is_for_machines(request: HttpRequest) -> bool:
    """Whether the request is to the API or to a webhook."""
    return request.path.startswith(MACHINE_PATHS)


class ClientAddress:
    """Puts the client's own address in REMOTE_ADDR and the scheme it used in wsgi.url_scheme, as far as our own proxies vouch for them.

    Each proxy appends the address it was asked from: with N proxies of ours the Nth from the end is the client's, and what stands
    before it is the client's own invention. All forwarding headers are then removed, so that nothing behind this is misled by them.
    """

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answers with the address settled."""
        proxies: int = settings.TRUSTED_PROXY_COUNT
        if proxies:
            self._take_address(request, proxies=proxies)
            self._take_scheme(request, proxies=proxies)
        for name in _FORWARDED:
            request.META.pop(name, None)
        return self._get_response(request)

    def _take_address(self, request: HttpRequest, *, proxies: int) -> None:
        hops = _parts(request, name="HTTP_X_FORWARDED_FOR")
        # Fewer hops than proxies: the request came around one of them, and who sent it is the one we see.
        if len(hops) >= proxies and _is_address(hops[-proxies]):
            request.META["REMOTE_ADDR"] = hops[-proxies]

    def _take_scheme(self, request: HttpRequest, *, proxies: int) -> None:
        schemes = _parts(request, name="HTTP_X_FORWARDED_PROTO")
        if schemes and schemes[max(-proxies, -len(schemes))].lower() == "https":
            request.META["wsgi.url_scheme"] = "https"


class RequestLog:
    """Gives the request an id and logs one line about it: the route that matched, never the address with its tokens."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answers with the id in X-Request-ID, which a proxy of ours may have chosen."""
        given = request.headers.get("X-Request-ID", "") if settings.TRUSTED_PROXY_COUNT else ""
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        begun_at = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self._get_response(request)
            self._log(request, response=response, seconds=time.monotonic() - begun_at)
        # The thread's next request begins with nothing of this one.
        structlog.contextvars.unbind_contextvars(*KNOWN_LATER)
        response.headers["X-Request-ID"] = request_id
        return response

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: Mapping[str, object]) -> None:
        """Whose it is, as the address says; what else is in an address may be secret."""
        asked = {name: str(kwargs[part])[:ASKED_CHARACTERS_MAX] for part, name in _WHOSE.items() if part in kwargs}
        structlog.contextvars.bind_contextvars(**asked)

    def _log(self, request: HttpRequest, *, response: HttpResponse, seconds: float) -> None:
        if request.path in PROBES and response.status_code < 400:
            return
        match = request.resolver_match
        level = logging.INFO if response.status_code < 500 else logging.ERROR
        logger.log(
            level,
            "request",
            method=request.method,
            route=f"/{match.route}" if match else "no route",
            status=response.status_code,
            milliseconds=round(seconds * 1000),
            address=request.META.get("REMOTE_ADDR", ""),
        )


class SecureAnswers:
    """The headers that every answer carries and Django has no setting for; machines are refused without TLS where the site has it."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answers, or refuses a key sent in the clear: a redirect would teach the sender to go on sending it."""
        if settings.SERVED_OVER_HTTPS and not request.is_secure() and is_for_machines(request):
            response: HttpResponse = problem(
                status=403,
                code="https_required",
                title="HTTPS required",
                detail=f"Use {settings.SITE_URL}, and replace the key that was just sent in the clear.",
            )
        else:
            response = self._get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Nothing here is for a shared cache, nor for the next person at the same browser. Static files say otherwise themselves.
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class NoNul:
    """Answers 404 for an address with a NUL in it: none of ours has one, and PostgreSQL refuses to look for it."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Only passes on what can be looked for. The API says in its own way what it does not find, and so do payment links.

        A link's token is hashed before it is looked for, and every token that opens nothing must be answered alike.
        """
        if "\0" in request.path and not is_for_machines(request) and not request.path.startswith("/pay/"):
            raise Http404
        return self._get_response(request)


class Unavailable:
    """Answers 503 while PostgreSQL or Redis cannot be asked: nothing was done, and asking again later is right."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Only passes on; Django calls process_exception."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer for what will pass by itself; None for what is a bug."""
        return _unavailable(request, exception) if isinstance(exception, PASSING) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: what will pass by itself is told as that also where it happened before any view, as in reading the session."""
    exception = sys.exc_info()[1]
    return _unavailable(request, exception) if isinstance(exception, PASSING) else defaults.server_error(request)


def _unavailable(request: HttpRequest, exception: Exception) -> HttpResponse:
    logger.error("unavailable", exc_info=exception)
    if is_for_machines(request):
        response: HttpResponse = problem(
            status=503,
            code="unavailable",
            title="Unavailable",
            detail="Nothing was done. Send the same request again, with the same idempotency key.",
        )
    else:
        response = render(request, "503.html", status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _parts(request: HttpRequest, *, name: str) -> list[str]:
    return [part.strip() for part in str(request.META.get(name, "")).split(",") if part.strip()]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

"""Where providers of calls and messages report: authenticated by each provider's own scheme, then charged or kept aside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from usage.connectors import retell, twilio, vapi
from usage.connectors.reports import Delivery, Report, Unreadable
from usage.errors import Overloaded
from usage.services.connectors import take_report
from wallet.alerts import alert
from workspaces.api.problems import problem_of

CALLBACK_BYTES_MAX = 64 * 1024
"""Twilio's parameters; the text of a message has at most 1,600 characters."""
REPORT_BYTES_MAX = 5 * 1024 * 1024
"""Reports of calls carry the whole transcript."""
RETRY_AFTER_SECONDS = 5

NO_REPLY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""To a message that comes in, Twilio would send any other answer as a reply."""


@dataclass(frozen=True)
class Connector:
    """A provider: its scheme, its mapper, and the answer that it takes for yes. `secrets` names the setting."""

    name: str
    secrets: str
    body_bytes_max: int
    is_authentic: Callable[[Delivery, Sequence[str]], bool]
    read: Callable[[Delivery], Report | None]
    thanks: Callable[[], HttpResponse]


TWILIO = Connector(
    "twilio",
    "TWILIO_AUTH_TOKENS",
    CALLBACK_BYTES_MAX,
    twilio.is_authentic,
    twilio.read,
    lambda: HttpResponse(NO_REPLY, content_type="text/xml"),
)
VAPI = Connector("vapi", "VAPI_WEBHOOK_SECRETS", REPORT_BYTES_MAX, vapi.is_authentic, vapi.read, lambda: JsonResponse({}))
RETELL = Connector("retell", "RETELL_API_KEYS", REPORT_BYTES_MAX, retell.is_authentic, retell.read, lambda: HttpResponse(status=204))


@csrf_exempt  # The signature is the proof of who sends it; so with those below.
def twilio_webhook(request: HttpRequest) -> HttpResponse:
    """Status callbacks of calls and messages, and messages that come in."""
    return _receive(request, TWILIO)


@csrf_exempt
def vapi_webhook(request: HttpRequest) -> HttpResponse:
    """End-of-call reports of Vapi; its other messages are taken and ignored."""
    return _receive(request, VAPI)


@csrf_exempt
def retell_webhook(request: HttpRequest) -> HttpResponse:
    """Ended and analysed calls of Retell; its other events are taken and ignored."""
    return _receive(request, RETELL)


def _receive(request: HttpRequest, connector: Connector) -> HttpResponse:
    """2xx once it is charged, recognised or kept aside. 404 while no secret is set, 403 for a bad signature, 503 to be sent again."""
    secrets: list[str] = getattr(settings, connector.secrets)
    if not secrets:
        return problem_of("not_found")
    if request.method != "POST":
        return problem_of("method_not_allowed", headers={"Allow": "POST"})
    try:
        delivery = _delivery(request, bytes_max=connector.body_bytes_max)
        if not connector.is_authentic(delivery, secrets):
            # A secret that was rotated, a clock that is wrong, an address behind a proxy, or a stranger: a person must look.
            alert("connector_signature_refused", connector=connector.name)
            return problem_of("signature_refused")
        report = connector.read(delivery)
    except RequestDataTooBig:
        return problem_of("too_large")
    except UnreadablePostError:
        return problem_of("malformed")
    except Unreadable as error:
        return problem_of("malformed", detail=str(error))
    try:
        if report is not None:
            take_report(report)
    except Overloaded as error:
        return problem_of("overloaded", detail=str(error), headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    return connector.thanks()


def _delivery(request: HttpRequest, *, bytes_max: int) -> Delivery:
    """The request as a connector reads it. Raises: RequestDataTooBig, UnreadablePostError."""
    told = str(request.META.get("CONTENT_LENGTH") or "0")
    if not told.isdigit() or int(told) > bytes_max or len(request.body) > bytes_max:
        raise RequestDataTooBig
    query = str(request.META.get("QUERY_STRING", ""))
    # The public address, as it was given to the provider: proxies may have changed what the request itself says.
    url = settings.SITE_URL + request.path + (f"?{query}" if query else "")
    return Delivery(url, query, {name.lower(): value for name, value in request.headers.items()}, request.body)

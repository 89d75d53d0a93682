"""Where Stripe's webhooks arrive: verified on the raw body, kept, answered 200. Nothing is handled here."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.services.inbox import receive_event
from wallet.stripe_objects import IncomingEvent

BODY_BYTES_MAX = 512 * 1024
"""Stripe's events are a few kilobytes."""


@csrf_exempt  # The signature is the proof of who sends it.
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """200 once the event is kept, also for a repeat; 400 for a bad signature, version or mode; 413 for a body no event has."""
    if int(request.headers.get("Content-Length") or 0) > BODY_BYTES_MAX:
        return HttpResponse("The body is larger than any event.", status=413, content_type="text/plain")
    try:
        event = stripe_gateway.verify_webhook(request.body, signature=request.headers.get("Stripe-Signature", ""))
    except stripe_gateway.BadSignature as error:
        # Our clock, a secret that was rotated, or a stranger: Stripe retries for three days, so there is time to look.
        alert("webhook_signature_refused", error=error)
        return HttpResponse("The signature does not fit.", status=400, content_type="text/plain")
    except ValueError:
        return HttpResponse("The body is no event.", status=400, content_type="text/plain")
    if refusal := _refusal(event):
        return HttpResponse(refusal, status=400, content_type="text/plain")
    receive_event(event)
    return HttpResponse("Received.", content_type="text/plain")


def _refusal(event: IncomingEvent) -> str:
    """What the operator has to set right at Stripe; empty where all is well. Stripe sends a refused event again for three days."""
    if event.api_version != stripe_gateway.API_VERSION:
        alert("webhook_version_refused", webhook_event=event.id, version=event.api_version)
        return f"Set the endpoint's API version to {stripe_gateway.API_VERSION}."
    if event.livemode != settings.STRIPE_LIVE:
        alert("webhook_mode_refused", webhook_event=event.id, livemode=event.livemode)
        return "This endpoint takes live events with a live key, and test events with a test key."
    return ""

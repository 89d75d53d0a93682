"""What the e-mail says about a webhook endpoint that was switched off because it took nothing."""

from datetime import datetime

from wallet.errors import NothingToTell
from wallet.models import Notice, WebhookEndpoint
from wallet.services.notice_words import Context, page_url, wallet_of


def off_reference(endpoint_id: int, moment: datetime) -> str:
    """An endpoint and when it was switched off: one that fails again later is told of again."""
    return f"{endpoint_id}:{moment:%Y-%m-%dT%H:%M:%S.%f}"


def webhook_off(notice: Notice) -> Context:
    """Reference: `off_reference` of the endpoint."""
    workspace = wallet_of(notice).workspace
    endpoint_id, _, _ = notice.reference.partition(":")
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id, workspace=workspace)
    disabled_at = endpoint.disabled_at if endpoint.removed_at is None else None
    if disabled_at is None or off_reference(endpoint.pk, disabled_at) != notice.reference:
        raise NothingToTell("The endpoint is switched on again, or removed.")
    return {
        "address": endpoint.url,
        "is_gone": endpoint.disabled_reason == WebhookEndpoint.DisabledReason.GONE,
        "button": "See what was sent",
        "button_url": page_url(workspace, "webhook_endpoint", endpoint.pk),
    }

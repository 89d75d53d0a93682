"""What tests of outgoing webhooks begin with: an endpoint that listens, something to tell it, a worker and a clock."""

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from wallet.models import Delivery, EventType, OutgoingEvent, Wallet, WebhookEndpoint
from wallet.services.deliveries import deliver
from wallet.services.outgoing import announce
from wallet.services.signing_secrets import new_secret, seal
from wallet.services.webhook_endpoints import NewEndpoint
from workspaces.models import Workspace


def endpoint_of(workspace: Workspace | None, url: str, *types: EventType, **more: Any) -> NewEndpoint:
    """An endpoint, whatever its address; with None the platform's."""
    secret = new_secret()
    endpoint = WebhookEndpoint.objects.create(workspace=workspace, url=url, event_types=list(types), secret_sealed=seal(secret), **more)
    return NewEndpoint(endpoint, secret)


def tell(wallet: Wallet, *, event: EventType = EventType.LOW_BALANCE, key: str = "", **data: object) -> None:
    """Something happened to the wallet, and was committed."""
    with transaction.atomic():
        announce(wallet.pk, event=event, data=data, key=key or uuid4().hex)


def told(wallet: Wallet, **more: Any) -> Delivery:
    """The delivery of something that happened, to the one endpoint there is."""
    tell(wallet, key="told", **more)
    return Delivery.objects.select_related("event", "endpoint").get(event__key="told")


def fresh(delivery: Delivery) -> Delivery:
    """The row as it stands."""
    return Delivery.objects.select_related("event", "endpoint").get(pk=delivery.pk)


def health(hook: NewEndpoint) -> WebhookEndpoint:
    """How the endpoint stands now."""
    return WebhookEndpoint.objects.get(pk=hook.endpoint.pk)


def waiting() -> list[tuple[str, list[Any]]]:
    """The messages in the webhooks' queue, oldest first, as task and arguments; they stay in it."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    raw = [json.loads(message) for message in client.lrange("webhooks", 0, -1)]
    client.close()
    return [(message["headers"]["task"], json.loads(base64.b64decode(message["body"]))[0]) for message in reversed(raw)]


def work() -> int:
    """Workers do everything that is due, oldest first; how many messages there were. The queue is not asked: the rows are the jobs."""
    due = list(Delivery.objects.filter(next_attempt_at__lte=Now()).order_by("pk").values_list("pk", flat=True))
    for pk in due:
        deliver(pk)
    return len(due)


def pass_time(**passed: float) -> None:
    """As if so much time had passed for all that waits, and for the endpoints' health."""
    by = timedelta(**passed)
    Delivery.objects.update(next_attempt_at=F("next_attempt_at") - by)
    WebhookEndpoint.objects.update(
        quiet_until=F("quiet_until") - by, failing_since=F("failing_since") - by, previous_secret_until=F("previous_secret_until") - by
    )


def grow_old(**passed: float) -> None:
    """As if what was told had been told so long ago."""
    OutgoingEvent.objects.update(occurred_at=F("occurred_at") - timedelta(**passed))

"""The outbox of webhooks: what there is to tell is kept with what it tells; deliveries.py sends it.

Nothing is kept where nobody listens.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from django.db.models import Q
from django.utils import timezone

from wallet.models import Delivery, EventType, OutgoingEvent, Wallet, WebhookEndpoint
from workspaces.wake import wake


def announce(wallet_id: int, *, event: EventType, data: Mapping[str, object], key: str) -> None:
    """Tell every endpoint that listens, once the caller's transaction has committed; call it inside that transaction.

    `data` is flat: ids, amounts in micros, times. Which workspace, and its wallet's sums as the transaction has written
    them by now, are added here; what `data` says of them itself counts.
    Idempotent by: `key`, in its wallet.
    """
    endpoints = _listening(wallet_id, event)
    if not endpoints:
        return
    told, is_new = OutgoingEvent.objects.get_or_create(
        wallet_id=wallet_id, key=key, defaults={"type": event, "data": {**_whose(wallet_id), **_as_json(data)}}
    )
    if is_new:
        _queue(told, endpoints)


def announce_test(endpoint: WebhookEndpoint) -> Delivery:
    """Queue a test for this one endpoint, inside the caller's transaction."""
    wallet = Wallet.objects.filter(pk=endpoint.workspace_id).first() if endpoint.workspace_id else None
    told = OutgoingEvent.objects.create(
        wallet=wallet,
        type=EventType.PING,
        data={**(_whose(wallet.pk) if wallet else {}), "message": "This is a test. Nothing has happened."},
        key=f"{EventType.PING}:{uuid4()}",
    )
    (delivery,) = _queue(told, [endpoint])
    return delivery


def iso_8601(moment: datetime) -> str:
    """In UTC, as the API writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _as_json(data: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in data.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso_8601(value)
    return str(value) if isinstance(value, UUID) else value


def _listening(wallet_id: int, event: EventType) -> list[WebhookEndpoint]:
    whose = Q(workspace_id=wallet_id) | Q(workspace=None)
    chosen = Q(event_types=[]) | Q(event_types__contains=[event])
    return list(WebhookEndpoint.objects.filter(whose, chosen, disabled_at=None, removed_at=None))


def _whose(wallet_id: int) -> dict[str, object]:
    wallet = Wallet.objects.select_related("workspace").get(pk=wallet_id)
    return {
        "workspace": wallet.workspace.public_id,
        "external_id": wallet.workspace.external_id,
        "currency": wallet.currency,
        "balance_micros": wallet.balance_micros,
        "available_micros": wallet.available_micros,
    }


def _queue(told: OutgoingEvent, endpoints: Sequence[WebhookEndpoint]) -> list[Delivery]:
    now = timezone.now()
    deliveries = Delivery.objects.bulk_create([Delivery(event=told, endpoint=endpoint, next_attempt_at=now) for endpoint in endpoints])
    for delivery in deliveries:
        wake("wallet.tasks.deliver_webhook", delivery.pk)
    return deliveries

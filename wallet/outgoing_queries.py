"""What is asked about outgoing webhooks: a workspace's endpoints, and what became of their messages. Reads only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.db.models import Q, QuerySet
from django.utils import timezone

from wallet.models import Delivery, EventType, WebhookEndpoint
from workspaces.models import Workspace

ROWS_ON_A_PAGE = 25
ATTEMPTS_SHOWN_MAX = 50
WATCHED_FOR = timedelta(minutes=2)
"""A message that is tried within this time is worth waiting for on the page."""


class State(StrEnum):
    """What may have become of a message."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    FAILED = "failed"


_TRIED = Q(next_attempt_at=None)
_TAKEN = Q(delivered_at__isnull=False, last_error="")
_OF_STATE: dict[State, Callable[[QuerySet[Delivery]], QuerySet[Delivery]]] = {
    State.DELIVERED: lambda rows: rows.filter(_TRIED, _TAKEN),
    State.WAITING: lambda rows: rows.exclude(_TRIED),
    State.FAILED: lambda rows: rows.filter(_TRIED).exclude(_TAKEN),
}


@dataclass(frozen=True)
class LogPage:
    """Deliveries, newest first; `before` is the id to ask for the older ones with, None where there are none."""

    rows: list[Delivery]
    before: int | None


def endpoints_of(workspace: Workspace | None) -> QuerySet[WebhookEndpoint]:
    """Those that were not removed, oldest first; with None the platform's."""
    return WebhookEndpoint.objects.filter(workspace=workspace, removed_at=None).order_by("pk")


def deliveries_of(
    endpoint: WebhookEndpoint, *, state: State | None = None, event: EventType | None = None, before: int | None = None
) -> LogPage:
    """One page of the endpoint's log."""
    rows = Delivery.objects.filter(endpoint=endpoint).select_related("event__wallet__workspace", "endpoint").order_by("-pk")
    if event is not None:
        rows = rows.filter(event__type=event)
    if state is not None:
        rows = _OF_STATE[state](rows)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_ON_A_PAGE + 1])
    shown = found[:ROWS_ON_A_PAGE]
    return LogPage(rows=shown, before=shown[-1].pk if len(found) > len(shown) else None)


def state_of(delivery: Delivery) -> State:
    """What became of a message so far."""
    if delivery.is_waiting:
        return State.WAITING
    return State.DELIVERED if delivery.is_delivered else State.FAILED


def is_watched(delivery: Delivery) -> bool:
    """Whether the next news of it comes so soon that the page may wait for them."""
    return delivery.next_attempt_at is not None and delivery.next_attempt_at < timezone.now() + WATCHED_FOR

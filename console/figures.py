"""The figures of the operations page: what is due and since when, what waits in the queue, when things last ran. Reads only.

The row is the job, so the age of the oldest row that is due is the age of the queue, whatever Redis says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db.models import Min, Model, QuerySet
from django.utils import timezone

from usage.models import KeptEvent
from wallet.models import (
    CardSetup,
    DaySeal,
    Delivery,
    Discrepancy,
    Heartbeat,
    Notice,
    ReconciliationRun,
    RefundRequest,
    TopUp,
    WalletClosing,
    WebhookEvent,
)

COUNTED_MAX = 10_000
LATE_AFTER = timedelta(minutes=5)
"""What is due for longer waits for a worker that does not come."""
SWEEP_LATE_AFTER = timedelta(minutes=2)
RUN_LATE_AFTER = timedelta(hours=26)
QUEUES = ("celery", "webhooks")


@dataclass(frozen=True)
class Due:
    """Rows of one kind that are due; `since` is the oldest's time."""

    name: str
    count: int
    since: datetime | None
    is_late: bool


@dataclass(frozen=True)
class Waiting:
    """Messages in one queue; None where Redis does not answer."""

    name: str
    length: int | None


def due_rows() -> list[Due]:
    """Everything that the sweep would hand out now."""
    now = timezone.now()
    kinds: Sequence[tuple[str, QuerySet[Model], str]] = (
        ("Events from Stripe", WebhookEvent.objects.all(), "next_attempt_at"),
        ("Top-ups to look at", TopUp.objects.all(), "next_check_at"),
        ("Cards being connected", CardSetup.objects.all(), "next_check_at"),
        ("Refunds to look at", RefundRequest.objects.all(), "next_check_at"),
        ("Closings under way", WalletClosing.objects.all(), "next_check_at"),
        ("E-mails to send", Notice.objects.all(), "next_attempt_at"),
        ("Webhooks to deliver", Delivery.objects.all(), "next_attempt_at"),
    )
    return [_due(name, rows, column, now=now) for name, rows, column in kinds]


def _due(name: str, rows: "QuerySet[Model]", column: str, *, now: datetime) -> Due:
    due = rows.filter(**{f"{column}__lte": now})
    since = due.aggregate(since=Min(column))["since"]
    return Due(name, due.order_by()[:COUNTED_MAX].count(), since, since is not None and since < now - LATE_AFTER)


def queue_lengths() -> list[Waiting]:
    """How many messages wait in each queue."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5)
    try:
        return [Waiting(name, int(client.llen(name))) for name in QUEUES]
    except redis.RedisError:
        return [Waiting(name, None) for name in QUEUES]
    finally:
        client.close()


def last_beat(name: str) -> datetime | None:
    """When that last ran; None where it never did."""
    return Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()


def newest_run() -> ReconciliationRun | None:
    """The newest comparison that came to its end."""
    return ReconciliationRun.objects.filter(finished_at__isnull=False).order_by("-started_at").first()


def run_under_way() -> ReconciliationRun | None:
    """The newest comparison, where it has not ended; one that was cut off is over once a new one may begin."""
    newest = ReconciliationRun.objects.order_by("-started_at").first()
    return newest if newest is not None and newest.finished_at is None else None


def open_discrepancies() -> int:
    return Discrepancy.objects.filter(closed_at=None)[:COUNTED_MAX].count()


def kept_aside() -> int:
    return KeptEvent.objects.filter(status=KeptEvent.Status.KEPT)[:COUNTED_MAX].count()


def dead_events() -> int:
    """Events from Stripe that were given up, by the newest of them."""
    return WebhookEvent.objects.filter(status=WebhookEvent.Status.DEAD)[:COUNTED_MAX].count()


def newest_seals(count: int) -> list[DaySeal]:
    """The heads of the newest days, to be kept outside of the database."""
    return list(DaySeal.objects.order_by("-day")[:count])

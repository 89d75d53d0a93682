"""The figures of the operations page and of the metrics: what is due and since when, what waits, when things last ran. Reads only.

The row is the job, so the age of the oldest row that is due is the age of the queue, whatever Redis says. Each figure is had in
one way, here, and by an index: what may be many rows is counted up to COUNTED_MAX.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db.models import Count, Min, Model, QuerySet
from django.utils import timezone

from usage.models import KeptEvent
from wallet.models import (
    UNCLEAR_STATUSES,
    CardSetup,
    ChargingSwitch,
    DaySeal,
    Delivery,
    Discrepancy,
    Heartbeat,
    Hold,
    Notice,
    ReconciliationRun,
    RefundRequest,
    TopUp,
    WalletClosing,
    WebhookEndpoint,
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
    """Rows of one kind that are due; `since` is the oldest's time, `kind` what the metrics call them."""

    kind: str
    name: str
    count: int
    since: datetime | None
    is_late: bool


@dataclass(frozen=True)
class Waiting:
    """Messages in one queue; None where Redis does not answer."""

    name: str
    length: int | None


@dataclass(frozen=True)
class Oldest:
    """How many there are, and since when the oldest of them waits."""

    count: int
    since: datetime | None


def due_rows() -> list[Due]:
    """Everything that the sweep would hand out now.

    What waits for a customer's own endpoint that fails is not late by us: webhooks_waiting tells of it.
    """
    now = timezone.now()
    kinds: Sequence[tuple[str, str, QuerySet[Model], str]] = (
        ("stripe_events", "Events from Stripe", WebhookEvent.objects.all(), "next_attempt_at"),
        ("top_ups", "Top-ups to look at", TopUp.objects.all(), "next_check_at"),
        ("card_setups", "Cards being connected", CardSetup.objects.all(), "next_check_at"),
        ("refunds", "Refunds to look at", RefundRequest.objects.all(), "next_check_at"),
        ("closings", "Closings under way", WalletClosing.objects.all(), "next_check_at"),
        ("emails", "E-mails to send", Notice.objects.all(), "next_attempt_at"),
        ("webhooks", "Webhooks to deliver", Delivery.objects.filter(endpoint__failing_since=None), "next_attempt_at"),
    )
    return [_due(kind, name, rows, column, now=now) for kind, name, rows, column in kinds]


def _due(kind: str, name: str, rows: "QuerySet[Model]", column: str, *, now: datetime) -> Due:
    due = _oldest(rows.filter(**{f"{column}__lte": now}), by=column)
    return Due(kind, name, due.count, due.since, due.since is not None and due.since < now - LATE_AFTER)


def _oldest(rows: "QuerySet[Model]", *, by: str, of: str = "") -> Oldest:
    """`by` is the column of the index that finds them; `of` the one that says since when, where that is another."""
    first = rows.order_by(by).values(of or by)[:COUNTED_MAX]
    found = first.aggregate(count=Count("*"), since=Min(of or by))
    return Oldest(found["count"], found["since"])


def inbox() -> Oldest:
    """Events from Stripe without their effect yet, those that are tried again later included."""
    return _oldest(WebhookEvent.objects.filter(next_attempt_at__isnull=False), by="next_attempt_at", of="received_at")


def unclear_top_ups() -> Oldest:
    """Top-ups that may have brought money, and nobody knows yet: being sent, without an answer, or waiting for a person."""
    return _oldest(TopUp.objects.filter(status__in=UNCLEAR_STATUSES), by="sent_at")


def webhooks_waiting() -> Oldest:
    """Webhooks that were not taken yet, those that are tried again later included."""
    return _oldest(Delivery.objects.filter(next_attempt_at__isnull=False), by="next_attempt_at", of="created_at")


def platform_endpoints_given_up() -> int:
    """Those that were switched off because they took nothing: of these nobody is told by e-mail."""
    off = WebhookEndpoint.objects.filter(workspace=None, removed_at=None, disabled_at__isnull=False)
    return off.exclude(disabled_reason=WebhookEndpoint.DisabledReason.SWITCHED_OFF).count()


def open_holds() -> Oldest:
    """Uses that run, and refunds under way."""
    return _oldest(Hold.objects.filter(status=Hold.Status.OPEN), by="expires_at", of="created_at")


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


def unmatched_micros() -> dict[str, int]:
    """The money of what does not match, by currency, whichever way it went."""
    rows = Discrepancy.objects.filter(closed_at=None, amount_micros__isnull=False).order_by("first_seen_at")
    found: Counter[str] = Counter()
    for currency, amount_micros in rows.values_list("currency", "amount_micros")[:COUNTED_MAX]:
        found[currency] += abs(amount_micros or 0)
    return dict(found)


def charging_paused_at() -> datetime | None:
    """Since when no card is charged automatically; None while they are."""
    return ChargingSwitch.objects.values_list("paused_at", flat=True).first()


def kept_aside() -> int:
    return KeptEvent.objects.filter(status=KeptEvent.Status.KEPT)[:COUNTED_MAX].count()


def dead_events() -> int:
    """Events from Stripe that were given up."""
    return WebhookEvent.objects.filter(status=WebhookEvent.Status.DEAD)[:COUNTED_MAX].count()


def newest_seals(count: int) -> list[DaySeal]:
    """The heads of the newest days, to be kept outside of the database."""
    return list(DaySeal.objects.order_by("-day")[:count])

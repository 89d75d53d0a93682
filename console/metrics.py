"""`GET /metrics` for Prometheus: the figures of the operations page, and what all processes have counted. Reads only.

Every figure is the whole installation's, whichever process is asked: scrape one address, not each machine. No label names a
customer. What PostgreSQL or Redis would have to say is left out while it is away, and its `_up` says so.
"""

import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console import figures
from usage.services.holds import ALLOWED, REFUSED
from usage.services.ingestion import EVENTS
from wallet.services.settlement import OUTCOMES
from wallet_billing import counters

logger = structlog.get_logger(__name__)

PATH = "/metrics"
COUNTERS = (EVENTS, ALLOWED, REFUSED, OUTCOMES)
KEPT_SECONDS = 5.0
"""PostgreSQL is asked at most so often by each process, however many scrape."""
STATEMENT_SECONDS_MAX = 5

Labelled = Mapping[str, float | None]
"""What a gauge is for each value of its label; None leaves it out."""


class Metrics:
    """Answers before the host's name is looked at, as the probes are answered: Prometheus asks a machine by its number."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The metrics, or the product's answer: without a token there is no such address."""
        answer = metrics if request.path == PATH and settings.METRICS_TOKENS else self._get_response
        return answer(request)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures for whoever has the token, in the format that they ask for."""
    if not _has_token(request):
        refused = HttpResponse("Send METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    registry = CollectorRegistry()
    registry.register(_Everything())
    encoder, content_type = _encoder(request.headers.get("Accept", ""))
    return HttpResponse(encoder(registry), content_type=content_type)


def _encoder(accepted: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """The plain format where the header is none that the library can read: it fails on versions that are no numbers."""
    try:
        return choose_encoder(accepted)
    except (TypeError, ValueError):
        return choose_encoder("")


def _has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # Each is compared, and in full, so that the time it takes tells nothing of any.
    fitting = [hmac.compare_digest(given.encode(), token.encode()) for token in settings.METRICS_TOKENS]
    return scheme.lower() == "bearer" and any(fitting)


class _Everything(Collector):
    """A collector, as the library knows them."""

    def collect(self) -> Iterator[Metric]:
        yield from DATABASE.gauges()
        yield from _of_redis()


# ---------------------------------------------------------------- what PostgreSQL says
class Kept:
    """The figures of the database, asked for once in KEPT_SECONDS; who asks meanwhile gets the same, and nobody asks twice at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gauges: list[Metric] = []
        self._until = 0.0

    def gauges(self) -> list[Metric]:
        """What it said last."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._gauges = _of_database()
                self._until = time.monotonic() + KEPT_SECONDS
            return self._gauges

    def forget(self) -> None:
        """Ask anew the next time."""
        self._until = 0.0


DATABASE = Kept()


def _of_database() -> list[Metric]:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", [f"{STATEMENT_SECONDS_MAX}s"])
            found = list(_figures(timezone.now()))
    except (DatabaseError, InterfaceError) as error:
        logger.warning("metrics_without_database", error=str(error))
        return [_gauge("wallet_database_up", "Whether PostgreSQL answers.", 0)]
    return [_gauge("wallet_database_up", "Whether PostgreSQL answers.", 1), *found]


def _figures(now: datetime) -> Iterator[Metric]:
    due = figures.due_rows()
    yield _by("kind", "wallet_due_rows", "Work that is due now, by kind.", {row.kind: row.count for row in due})
    yield _by(
        "kind", "wallet_due_oldest_seconds", "How long the oldest of it has been due.", {row.kind: _age(row.since, now) for row in due}
    )
    waiting = (
        ("wallet_inbox", "Events from Stripe that had no effect yet", figures.inbox()),
        ("wallet_top_ups_unclear", "Top-ups that may have brought money, and nobody knows yet", figures.unclear_top_ups()),
        ("wallet_webhooks_waiting", "Webhooks that were not taken yet", figures.webhooks_waiting()),
        ("wallet_holds_open", "Open holds", figures.open_holds()),
    )
    for name, meaning, oldest in waiting:
        yield _gauge(name, f"{meaning}.", oldest.count)
        yield _gauge(f"{name}_oldest_seconds", f"{meaning}: how old the oldest is.", _age(oldest.since, now))
    yield _gauge("wallet_inbox_dead", "Events from Stripe that were given up.", figures.dead_events())
    yield _gauge("wallet_events_aside", "Reported uses that are kept aside now.", figures.kept_aside())
    yield from _of_the_books()
    paused = figures.charging_paused_at() is not None
    yield _gauge("wallet_automatic_payments_paused", "Whether no card is charged automatically.", int(paused))
    yield _moment("wallet_sweep", "When the sweep last ran.", figures.last_beat("sweep"))


def _of_the_books() -> Iterator[Metric]:
    run, seal = figures.newest_run(), next(iter(figures.newest_seals(1)), None)
    yield _gauge("wallet_discrepancies", "What does not match between Stripe, the ledger and the balances.", figures.open_discrepancies())
    yield _by("currency", "wallet_unmatched_micros", "The money of it, in millionths of the currency's unit.", figures.unmatched_micros())
    yield _moment("wallet_reconciliation", "When a comparison with Stripe last came to its end.", run.finished_at if run else None)
    yield _moment("wallet_seal", "When a day was last sealed.", seal.sealed_at if seal else None)


# ---------------------------------------------------------------- what Redis says
def _of_redis() -> Iterator[Metric]:
    """Fresh each time: kept answers of two processes could make a counter seem to fall."""
    queues = figures.queue_lengths()
    try:
        counted = counters.counted()
    except redis.RedisError:
        yield _gauge("wallet_redis_up", "Whether Redis answers.", 0)
        return
    yield _gauge("wallet_redis_up", "Whether Redis answers.", 1)
    yield _by("queue", "wallet_queue_messages", "Messages that wait for a worker.", {queue.name: queue.length for queue in queues})
    for counter in COUNTERS:
        family = CounterMetricFamily(counter.name, counter.meaning, labels=list(counter.labels))
        for values, count in counter.totals(counted).items():
            family.add_metric(values, count)
        yield family


# ---------------------------------------------------------------- as the library wants it
def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _by(label: str, name: str, meaning: str, values: Labelled) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value, figure in values.items():
        if figure is not None:
            family.add_metric([value], figure)
    return family


def _moment(name: str, meaning: str, at: datetime | None) -> Metric:
    """0 where it never was, so that whoever asks how long ago is alarmed."""
    return _gauge(f"{name}_timestamp_seconds", meaning, at.astimezone(UTC).timestamp() if at else 0)


def _age(since: datetime | None, now: datetime) -> float:
    """0 where nothing waits."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0

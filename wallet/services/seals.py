"""Seals each day's books once the day is over, in UTC. Safe to run at any time, twice, and by two at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta

import structlog
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from wallet import seal_queries
from wallet.models import DaySeal

logger = structlog.get_logger(__name__)

WALLETS_AT_ONCE = 500
DAYS_AT_ONCE = 30
"""Day seals that one statement looks at; between two it is told how far the check is."""
ROUNDS_MAX = 100_000
_LOCK_KEY = 7_241_006_118
"""One batch is sealed at a time; the number only has to be ours."""
SEALED_AFTER = timedelta(minutes=10)
"""How long after its end a day is sealed. What is booked later still falls under the next day's seal, by its seq."""

Progress = Callable[[int, int], None]
"""Told about how much has been looked at, and how much there is."""


def seal_days() -> list[DaySeal]:
    """Seal every day that is over and has no seal yet, oldest first; answers the new seals of whole days.

    Where nothing was ever sealed, yesterday's seal covers all that came before.
    """
    last_day = (timezone.now() - SEALED_AFTER).astimezone(UTC).date() - timedelta(days=1)
    newest = DaySeal.objects.order_by("-day").first()
    day = newest.day + timedelta(days=1) if newest else last_day
    sealed = []
    while day <= last_day:
        sealed.append(seal_day(day))
        day += timedelta(days=1)
    return sealed


def seal_day(day: date) -> DaySeal:
    """Seal what was booked up to the end of that day, and the day itself. Idempotent by: the day.

    Once the day has its digest, nothing is added to it. The digest is logged: kept elsewhere too, it proves that nobody
    has rewritten the seals themselves.
    """
    until = datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)
    for _ in range(ROUNDS_MAX):
        if not _seal_round(day, until=until):
            break
    with _sealing() as cursor:
        cursor.execute(seal_queries.SEAL_DAY, {"day": day})
    sealed = DaySeal.objects.get(day=day)
    logger.info("day_sealed", day=str(day), digest=bytes(sealed.chain_sha256).hex(), seals=sealed.seals, transfers=sealed.transfers)
    return sealed


def first_broken_day(*, progress: Progress = lambda done, total: None) -> date | None:
    """The first day whose seal is not that of its books' seals and of the day before; None where all are."""
    done, total, after = 0, DaySeal.objects.count(), date.min
    while days := _days_judged(after):
        broken = next((day for day, is_as_sealed in days if not is_as_sealed), None)
        if broken is not None:
            return broken
        done, after = done + len(days), days[-1][0]
        progress(done, total)
    return None


def _days_judged(after: date) -> list[tuple[date, bool]]:
    with transaction.atomic(), connection.cursor() as cursor:
        # All seals of as many days: that may take longer than a request may.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(seal_queries.DAY_CHAIN, {"after": after, "days": DAYS_AT_ONCE})
        return [(day, is_as_sealed) for day, is_as_sealed in cursor.fetchall()]


def _seal_round(day: date, *, until: datetime) -> bool:
    """One seal for every wallet that has rows to seal, some hundred at a time; whether there may be more."""
    after, found = 0, False
    while True:
        with _sealing() as cursor:
            cursor.execute(seal_queries.SEAL_STRETCHES, {"day": day, "until": until, "after": after, "wallets": WALLETS_AT_ONCE})
            sealed = [wallet_id for (wallet_id,) in cursor.fetchall()]
        if not sealed:
            return found
        after, found = max(sealed), True


@contextmanager
def _sealing() -> Iterator[CursorWrapper]:
    """One at a time, however long each takes: a seal that came after its day's digest would be missing from it for ever."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        # In a statement of its own: the next one sees what was sealed while it waited.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])
        yield cursor

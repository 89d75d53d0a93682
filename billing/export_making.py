"""Makes the files that were asked for, turn by turn, and removes those that are over. The row is the job; messages only wake.

A turn is short, so that no file keeps a payment waiting for a worker. Each part is written in the transaction that moves the row on:
whoever is killed in between is followed at the very place where the last part ended.
"""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from billing.export_sources import Source, source_of
from billing.models import OPEN_STATES, Export, ExportChunk
from workspaces.wake import wake

logger = structlog.get_logger(__name__)

TURN_SECONDS = 5.0
"""How long one file is written at a time; then the one that has waited longest is taken up."""
PART_SECONDS = 2.0
PART_CHARACTERS_MAX = 1_000_000
"""A part is ended by either: the bar moves on, and little is lost with a worker."""
CLAIMED_FOR = timedelta(seconds=150)
"""Longer than a task may run (settings): whoever wrote nothing for so long was killed."""
ATTEMPTS_MAX = 5
"""Turns without a single part, after which it is given up."""
FORGOTTEN_AFTER = timedelta(days=30)
"""How long a row without a file says what became of it."""
SWEPT_AT_ONCE = 100

GIVEN_UP = "It could not be made. Try again later, or ask for less at once."


@dataclass(frozen=True)
class Part:
    """Some of the file. `next_place` is where the next one begins; None where the file ends."""

    data: bytes
    rows: int
    next_place: int | None


def make_export(export_id: str) -> None:
    """One turn at a file, if it is due and nobody else is at it. Not inside a transaction: each part is one of its own.

    Who is not the row's claim any more, for having been away too long, writes nothing.
    """
    export = _claim(export_id)
    if export is None:
        return
    if export.attempts > ATTEMPTS_MAX:
        _give_up(export)
        return
    try:
        _write(export)
    except Exception:  # Whatever it is, it is raised again; but the others go on meanwhile.
        # Only whoever is killed leaves the claim behind, until it is too old.
        _mine(export).update(claim=None)
        raise
    _mine(export).update(claim=None)
    _wake_due(1)


def sweep_exports() -> None:
    """Take up what no worker is at, and remove the files that nobody may download any more."""
    _expire()
    _forget()
    _wake_due(settings.EXPORTS_AT_ONCE)


def pieces_of(export: Export) -> Iterator[bytes]:
    """The file, part by part, as it is downloaded. Raises: ExportChunk.DoesNotExist where it is removed meanwhile."""
    for number in range(export.chunks):
        part = ExportChunk.objects.filter(export=export, number=number).values_list("data", flat=True).get()
        yield zlib.decompress(part)


# ---------------------------------------------------------------- whose turn it is


def _due() -> "QuerySet[Export]":
    """Nobody is at it, or whoever was has been away for too long. The database's clock decides, whichever machine asks."""
    return Export.objects.filter(Q(claim=None) | Q(worked_at__lt=Now() - CLAIMED_FOR), state__in=OPEN_STATES)


def _wake_due(count: int) -> None:
    """What has waited longest first, so that a long file does not keep the others waiting."""
    waiting = _due().order_by(F("worked_at").asc(nulls_first=True), "requested_at")
    for pk in waiting.values_list("pk", flat=True)[:count]:
        wake("billing.tasks.make_export", str(pk))


def _claim(export_id: str) -> Export | None:
    """Count the turn before it begins, so that one that kills its worker is counted as well.

    Two that look at the same moment may both go on where one more had room: that is one file more at a time, and no harm.
    """
    at_it = Export.objects.filter(state__in=OPEN_STATES, claim__isnull=False, worked_at__gte=Now() - CLAIMED_FOR)
    if at_it.exclude(pk=export_id).count() >= settings.EXPORTS_AT_ONCE:
        return None
    claim = uuid4()
    turn = {"state": Export.State.WORKING, "claim": claim, "worked_at": Now(), "attempts": F("attempts") + 1}
    if not _due().filter(pk=export_id).update(**turn):
        return None
    return Export.objects.select_related("wallet__workspace").get(pk=export_id, claim=claim)


def _mine(export: Export) -> "QuerySet[Export]":
    """The row while this turn is its claim."""
    return Export.objects.filter(pk=export.pk, claim=export.claim)


# ---------------------------------------------------------------- a part


def _write(export: Export) -> None:
    """Parts, until the turn is over or the file ends."""
    source = source_of(export)
    if export.chunks == 0:
        Export.objects.filter(pk=export.pk).update(rows_total=source.count())
    turn_ends = time.monotonic() + TURN_SECONDS
    while _keep(export, _next_part(export, source)) and time.monotonic() < turn_ends:
        pass


def _next_part(export: Export, source: Source) -> Part:
    """As many pieces as fit into a part. Holds no more than that in memory, however long the file is."""
    place: int | None = export.place
    texts, size, rows = [source.heading] if export.chunks == 0 else [], 0, 0
    ends = time.monotonic() + PART_SECONDS
    while place is not None:
        piece = source.piece(place, written=export.rows_done + rows)
        texts.append(piece.text)
        size, rows, place = size + len(piece.text), rows + piece.rows, piece.next_before
        if size >= PART_CHARACTERS_MAX or time.monotonic() >= ends:
            break
    return Part("".join(texts).encode(), rows, place)


@transaction.atomic
def _keep(export: Export, part: Part) -> bool:
    """Write the part and move the row on; False where that was the last one, or the row is somebody else's by now.

    Locks: the export's row, by the UPDATE that asks whether it is still this turn's.
    """
    number, is_last = export.chunks, part.next_place is None
    export.place = export.last_place if part.next_place is None else part.next_place
    export.rows_done, export.bytes, export.chunks = export.rows_done + part.rows, export.bytes + len(part.data), number + 1
    written = {"place": export.place, "rows_done": export.rows_done, "bytes": export.bytes, "chunks": export.chunks}
    kept = timedelta(days=settings.EXPORT_KEPT_DAYS)
    ready = {"state": Export.State.READY, "claim": None, "finished_at": Now(), "expires_at": Now() + kept} if is_last else {}
    if not _mine(export).update(**written, **ready, worked_at=Now(), attempts=0):
        return False
    ExportChunk.objects.create(export=export, number=number, data=zlib.compress(part.data))
    return not is_last


# ---------------------------------------------------------------- what is over


@transaction.atomic
def _give_up(export: Export) -> None:
    failed = {"state": Export.State.FAILED, "claim": None, "finished_at": Now(), "error": GIVEN_UP, "bytes": 0, "chunks": 0}
    if _mine(export).update(**failed):
        ExportChunk.objects.filter(export=export).delete()
        logger.error("export_given_up", export=str(export.pk), kind=export.kind, wallet=export.wallet_id)


def _expire() -> None:
    over = Export.objects.filter(state=Export.State.READY, expires_at__lte=Now())
    for pk in over.values_list("pk", flat=True)[:SWEPT_AT_ONCE]:
        with transaction.atomic():
            if over.filter(pk=pk).update(state=Export.State.EXPIRED, chunks=0):
                ExportChunk.objects.filter(export=pk).delete()


def _forget() -> None:
    """What it was of stands in the audit log for good."""
    before = Now() - FORGOTTEN_AFTER
    over = Export.objects.filter(
        Q(state=Export.State.FAILED, finished_at__lt=before) | Q(state=Export.State.EXPIRED, expires_at__lt=before)
    )
    Export.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:SWEPT_AT_ONCE])).delete()

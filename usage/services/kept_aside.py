"""Events that were kept aside: replayed once what was wrong is mended, or discarded with a reason."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from usage.cloud_events import SINGLE, NotCloudEvents, parse_request
from usage.errors import AlreadyMended
from usage.models import KeptEvent
from usage.services.ingestion import Outcome, Reporter, Taken, take_events


@dataclass(frozen=True)
class Replay:
    """What became of one replay; where it failed again, the row stays kept under the new reason."""

    kept: KeptEvent
    outcome: Outcome


def replay_kept_event(kept_id: int) -> Replay:
    """Take the event again, as it was received and within the reach of the key that reported it.

    Locks: kept event → wallet. Idempotent by: its status, and the event's own identity.
    Raises: AlreadyMended where it was replayed or discarded before.
    """
    with transaction.atomic():
        kept = _locked(kept_id)
        outcome = _take_again(kept)
        if outcome.taken is Taken.KEPT_ASIDE:
            kept.code, kept.reason = outcome.code, outcome.reason[:300]
            kept.save(update_fields=["code", "reason"])
        else:
            _resolve(kept, KeptEvent.Status.REPLAYED, resolution=outcome.taken.value)
    return Replay(kept, outcome)


def discard_kept_event(kept_id: int, *, reason: str) -> KeptEvent:
    """Give the event up, for a reason that is kept. Locks: kept event. Raises: AlreadyMended."""
    with transaction.atomic():
        kept = _locked(kept_id)
        _resolve(kept, KeptEvent.Status.DISCARDED, resolution=reason)
    return kept


def _locked(kept_id: int) -> KeptEvent:
    kept = KeptEvent.objects.select_for_update().get(pk=kept_id)
    if kept.status != KeptEvent.Status.KEPT:
        raise AlreadyMended(kept.status)
    return kept


def _take_again(kept: KeptEvent) -> Outcome:
    try:
        parsed = parse_request(kept.body.encode(), content_type=SINGLE, headers={})
    except NotCloudEvents as error:
        return Outcome(0, Taken.KEPT_ASIDE, "not_a_cloud_event", str(error))
    (outcome,) = take_events(parsed, reporter=Reporter(workspace_id=kept.reach))
    return outcome


def _resolve(kept: KeptEvent, status: KeptEvent.Status, *, resolution: str) -> None:
    kept.status, kept.resolution, kept.resolved_at = status, resolution[:300], timezone.now()
    kept.save(update_fields=["status", "resolution", "resolved_at"])

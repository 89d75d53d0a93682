"""Events that were kept aside: replayed once what was wrong is mended, or discarded with a reason."""

import json
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from usage.cloud_events import SINGLE, CloudEvent, NotCloudEvents, identity, parse_request
from usage.errors import AlreadyMended, NotMendable
from usage.models import KeptEvent
from usage.services.ingestion import Outcome, Reporter, Taken, take_events
from usage.services.measuring import Received
from workspaces.queries import workspaces_of_subjects

BODY_BYTES_MAX = 65_536
RESOLUTION_CHARACTERS_MAX = 300
_ATTRIBUTES = {"source": "source", "event_id": "id", "subject": "subject", "type": "type"}


@dataclass(frozen=True)
class Replay:
    """What became of one replay; where it failed again, the row stays kept under the new reason."""

    kept: KeptEvent
    outcome: Outcome


def replay_kept_event(kept_id: int) -> Replay:
    """Take the event again, as it was received, when it was received, and within the reach of the key that reported it.

    An event that was too old when it came is charged now: whoever replays it has decided so.
    Locks: kept event → wallet. Idempotent by: its status, and the event's own identity.
    Raises: AlreadyMended where it was replayed or discarded before; Overloaded.
    """
    with transaction.atomic():
        kept = _locked(kept_id)
        try:
            (parsed,) = parse_request(kept.body.encode(), content_type=SINGLE, headers={})
        except NotCloudEvents as error:
            return _keep(kept, Outcome(0, Taken.KEPT_ASIDE, "not_a_cloud_event", str(error)))
        reporter = Reporter(workspace_id=kept.reach, api_key=kept.api_key)
        (outcome,) = take_events([parsed], reporter=reporter, received=Received(kept.received_at, reviewed=True))
        if outcome.taken is Taken.KEPT_ASIDE:
            return _keep(kept, outcome)
        assert parsed.event is not None, "What was charged could be read."
        return _name_event(kept, parsed.event, outcome)


def mend_kept_event(kept_id: int, *, body: str) -> KeptEvent:
    """Put this in place of what was received, so that a replay takes it. It must be one JSON object.

    Locks: kept event. Raises: NotMendable with what is wrong; AlreadyMended.
    """
    encoded = body.encode()
    if len(encoded) > BODY_BYTES_MAX:
        raise NotMendable(f"An event has at most {BODY_BYTES_MAX:,} bytes.")
    try:
        read = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise NotMendable(f"This is no JSON: {error}.") from error
    if not isinstance(read, dict):
        raise NotMendable("An event is one JSON object: { … }.")
    if "\0" in body or "\\u0000" in body:
        raise NotMendable("No text of an event may hold a NUL character.")
    try:
        json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotMendable("A text of the event holds half a character.") from error
    try:
        with transaction.atomic():
            kept = _locked(kept_id)
            named = {name: str(read.get(key) or "")[:200] for name, key in _ATTRIBUTES.items()}
            KeptEvent.objects.filter(pk=kept_id).update(body=body, body_sha256=sha256(encoded).hexdigest(), **named)
            kept.refresh_from_db()
    except IntegrityError as error:
        raise NotMendable("The very same event is kept aside in another row: discard one of the two.") from error
    return kept


def discard_kept_event(kept_id: int, *, reason: str) -> KeptEvent:
    """Give the event up, for a reason that is kept. Locks: kept event. Raises: AlreadyMended; ValueError without a reason."""
    if not 0 < len(reason.strip()) <= RESOLUTION_CHARACTERS_MAX:
        raise ValueError(f"Say in 1 to {RESOLUTION_CHARACTERS_MAX} characters why the event is given up.")
    with transaction.atomic():
        kept = _locked(kept_id)
        kept.status, kept.resolution, kept.resolved_at = KeptEvent.Status.DISCARDED, reason.strip(), timezone.now()
        kept.save(update_fields=["status", "resolution", "resolved_at"])
    return kept


def _locked(kept_id: int) -> KeptEvent:
    kept = KeptEvent.objects.select_for_update().get(pk=kept_id)
    if kept.status != KeptEvent.Status.KEPT:
        raise AlreadyMended(kept.status)
    return kept


def _keep(kept: KeptEvent, outcome: Outcome) -> Replay:
    kept.code, kept.reason = outcome.code, outcome.reason[:300]
    kept.save(update_fields=["code", "reason"])
    return Replay(kept, outcome)


def _name_event(kept: KeptEvent, event: CloudEvent, outcome: Outcome) -> Replay:
    """From here on check_books asks for that event whenever it looks for what was lost."""
    workspace = workspaces_of_subjects([event.subject], within=kept.reach)[event.subject]
    kept.status, kept.resolution, kept.resolved_at = KeptEvent.Status.REPLAYED, outcome.taken.value, timezone.now()
    kept.wallet_id, kept.key = workspace.pk, UUID(identity(event.source, event.id))
    kept.save(update_fields=["status", "resolution", "resolved_at", "wallet", "key"])
    return Replay(kept, outcome)

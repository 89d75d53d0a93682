"""Acts of the staff that are one call of a service and its entry in the audit log, in one transaction."""

import json
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from usage.models import KeptEvent
from usage.services.kept_aside import Replay, discard_kept_event, mend_kept_event, replay_kept_event
from wallet.models import ReconciliationRun
from wallet.services.charging_switch import charging_switch
from wallet.services.nightly import is_cut_off
from wallet.services.reconciliation import LOOK_BACK_FAR
from workspaces.services.audit import record
from workspaces.wake import wake

RUN_GIVEN_UP_AFTER = timedelta(hours=1)
"""Longer than a run may take (wallet.tasks): by then it was cut off."""
REPLAYED_AT_ONCE = 200
"""Few enough that the page answers within seconds; the rest is a second press."""
VALUE_CHARACTERS_MAX = 200
"""Of each value of a mended event, in the audit log."""


class RunUnderWay(Exception):
    """A reconciliation runs already."""


# ---------------------------------------------------------------- reconciliation
def request_run() -> ReconciliationRun:
    """Have a worker compare everything now. Raises: RunUnderWay."""
    with transaction.atomic():
        # One at a time: whoever comes second waits here and then sees the first one's row.
        charging_switch()
        unfinished = ReconciliationRun.objects.filter(finished_at=None, started_at__gt=timezone.now() - RUN_GIVEN_UP_AFTER)
        if not all(is_cut_off(run) for run in unfinished):
            raise RunUnderWay
        run = ReconciliationRun.objects.create(since=timezone.now() - LOOK_BACK_FAR)
        record("reconciliation.requested", workspace=None, target=str(run.pk), as_staff=True)
        wake("wallet.tasks.run_reconciliation", run.pk)
    return run


# ---------------------------------------------------------------- events kept aside
@transaction.atomic
def replay(kept: KeptEvent) -> Replay:
    """Take the event again. Raises: what replay_kept_event raises."""
    before = {"code": kept.code}
    replayed = replay_kept_event(kept.pk)
    after = {"status": replayed.kept.status, "code": replayed.kept.code, "outcome": replayed.outcome.taken.value}
    record("kept_event.replayed", workspace=replayed.kept.wallet_id, target=_named(kept), before=before, after=after, as_staff=True)
    return replayed


def replay_all_of(code: str) -> tuple[int, int]:
    """Take the oldest events of that reason again, each in its own transaction: how many were taken, and how many are kept still."""
    taken = kept_still = 0
    waiting = KeptEvent.objects.filter(status=KeptEvent.Status.KEPT, code=code).order_by("received_at", "pk")
    for kept in list(waiting[:REPLAYED_AT_ONCE]):
        if replay(kept).kept.status == KeptEvent.Status.KEPT:
            kept_still += 1
        else:
            taken += 1
    return taken, kept_still


@transaction.atomic
def mend(kept: KeptEvent, *, body: str, reason: str) -> KeptEvent:
    """Correct what was received. What was changed stands in the log: it decides on what is charged. Raises: what mend_kept_event raises."""
    was = KeptEvent.objects.select_for_update().get(pk=kept.pk)
    mended = mend_kept_event(kept.pk, body=body)
    before, after = _attributes(was.body), _attributes(mended.body)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    record(
        "kept_event.mended",
        workspace=None,
        target=_named(kept),
        before={"sha256": was.body_sha256, **{name: before[name] for name in changed & before.keys()}},
        after={"sha256": mended.body_sha256, **{name: after[name] for name in changed & after.keys()}},
        reason=reason,
        as_staff=True,
    )
    return mended


def _attributes(body: str) -> dict[str, object]:
    """What an event says, attribute by attribute, as far as it can be read."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        return {"body": _text(body)}
    data = read.pop("data", None)
    told = {**read, **{f"data.{name}": value for name, value in data.items()}} if isinstance(data, dict) else {**read, "data": data}
    return {_text(name): value if isinstance(value, int | None) else _text(str(value)) for name, value in told.items()}


def _text(text: str) -> str:
    """As the database can hold it: no NUL, and no half of a character."""
    return text[:VALUE_CHARACTERS_MAX].replace("\0", "").encode(errors="replace").decode()


@transaction.atomic
def discard(kept: KeptEvent, *, reason: str) -> KeptEvent:
    """Give the event up. Raises: AlreadyMended."""
    discarded = discard_kept_event(kept.pk, reason=reason)
    record("kept_event.discarded", workspace=None, target=_named(kept), before={"code": kept.code}, reason=reason, as_staff=True)
    return discarded


def _named(kept: KeptEvent) -> str:
    return f"{kept.pk}: {kept.source} {kept.event_id}".strip()

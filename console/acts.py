"""Acts of the staff that are one call of a service and its entry in the audit log, in one transaction."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from usage.models import KeptEvent
from usage.services.kept_aside import Replay, discard_kept_event, mend_kept_event, replay_kept_event
from wallet.models import ChargingSwitch, ReconciliationRun
from wallet.services.charging_switch import charging_switch, pause_charging, resume_charging
from wallet.services.reconciliation import LOOK_BACK_FAR
from workspaces.services.audit import record
from workspaces.wake import wake

RUN_GIVEN_UP_AFTER = timedelta(hours=1)
"""Longer than a run may take (wallet.tasks): by then it was cut off."""
REPLAYED_AT_ONCE = 200
"""Few enough that the page answers within seconds; the rest is a second press."""


class RunUnderWay(Exception):
    """A reconciliation runs already."""


# ---------------------------------------------------------------- reconciliation
def request_run() -> ReconciliationRun:
    """Have a worker compare everything now. Raises: RunUnderWay."""
    with transaction.atomic():
        # One at a time: whoever comes second waits here and then sees the first one's row.
        charging_switch()
        if ReconciliationRun.objects.filter(finished_at=None, started_at__gt=timezone.now() - RUN_GIVEN_UP_AFTER).exists():
            raise RunUnderWay
        run = ReconciliationRun.objects.create(since=timezone.now() - LOOK_BACK_FAR)
        record("reconciliation.requested", workspace=None, target=str(run.pk), as_staff=True)
        wake("wallet.tasks.run_reconciliation", run.pk)
    return run


# ---------------------------------------------------------------- charging
@transaction.atomic
def set_charging(*, paused: bool, reason: str) -> ChargingSwitch:
    """Stop every automatic payment that was not sent yet, or charge again. Locks: the switch."""
    before = charging_switch().paused_at is not None
    switch = pause_charging(reason=reason) if paused else resume_charging()
    if before != paused:
        record(
            "charging.paused" if paused else "charging.resumed", workspace=None, target="automatic payments", reason=reason, as_staff=True
        )
    return switch


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
    """Correct what was received. Raises: what mend_kept_event raises."""
    mended = mend_kept_event(kept.pk, body=body)
    record(
        "kept_event.mended",
        workspace=None,
        target=_named(kept),
        before={"sha256": kept.body_sha256},
        after={"sha256": mended.body_sha256},
        reason=reason,
        as_staff=True,
    )
    return mended


@transaction.atomic
def discard(kept: KeptEvent, *, reason: str) -> KeptEvent:
    """Give the event up. Raises: AlreadyMended."""
    discarded = discard_kept_event(kept.pk, reason=reason)
    record("kept_event.discarded", workspace=None, target=_named(kept), before={"code": kept.code}, reason=reason, as_staff=True)
    return discarded


def _named(kept: KeptEvent) -> str:
    return f"{kept.pk}: {kept.source} {kept.event_id}".strip()

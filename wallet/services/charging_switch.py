"""The one switch over all automatic payments: read, under its lock, before every single charge.

It is thrown by an operator, by the breaker when there are more charges in an hour than there can honestly be, and by
itself where the database was restored: then Stripe knows of charges that the rows do not.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from wallet.alerts import alert
from wallet.models import ChargingSwitch, Origin, TopUp
from workspaces.services.audit import record
from workspaces.wake import wake

logger = structlog.get_logger(__name__)

REJECTIONS_AN_HOUR_MAX = 20
"""So many requests that Stripe calls wrong are a broken key or a bug of ours, not so many broken wallets."""
REJECTED_CODES = ("rejected", "card_gone")
"""What they failed with: under the key of another account no card is known either."""
RESTORED = "The database was restored or moved: Stripe is being asked what it knows."
LOOK_AGAIN_AFTER = timedelta(minutes=1)
RESTORE_WOKEN_EVERY = timedelta(hours=1)
LAST_SENT_WITHIN = timedelta(minutes=3)
"""What a worker had sent just before its database was lost is at Stripe by then: no task lives longer."""

Status = TopUp.Status


@transaction.atomic
def claim_charge(top_up_id: UUID | str, *, check_after: timedelta, sent_within: timedelta) -> bool:
    """Whether the caller, and nobody else, is to send this automatic top-up to Stripe now.

    While charging is paused the top-up waits, and the sweep comes back to it. Locks: the switch, for this moment.
    """
    if not _may_charge(_locked_switch()):
        TopUp.objects.filter(pk=top_up_id, status=Status.CREATED).update(next_check_at=timezone.now() + LOOK_AGAIN_AFTER)
        return False
    waiting = TopUp.objects.filter(pk=top_up_id, status=Status.CREATED, created_at__gt=Now() - sent_within)
    return bool(waiting.update(status=Status.SENDING, sent_at=Now(), next_check_at=timezone.now() + check_after))


@transaction.atomic
def charging_is_paused() -> bool:
    """Whether nothing may be charged now; looked up afresh. Locks: the switch, for this moment."""
    return not _may_charge(_locked_switch())


@transaction.atomic
def charging_switch() -> ChargingSwitch:
    """The switch as it stands."""
    return _locked_switch()


@transaction.atomic
def set_charging(*, paused: bool, reason: str = "") -> ChargingSwitch:
    """A person pauses or resumes, on a page or by a command: one row of the audit log where it changes something. Locks: the switch.

    To take a restore's pause over is a change: from then on it does not end by itself.
    """
    before = charging_switch()
    switch = pause_charging(reason=reason) if paused else resume_charging()
    if (switch.paused_at, switch.reason) != (before.paused_at, before.reason):
        act = "charging.paused" if paused else "charging.resumed"
        record(act, workspace=None, target="automatic payments", reason=reason, as_staff=True)
    return switch


def pause_charging(*, reason: str) -> ChargingSwitch:
    """Stop every automatic payment that was not sent yet, at once and on every process."""
    with transaction.atomic():
        switch = _locked_switch()
        _pause(switch, reason)
    return switch


def resume_charging() -> ChargingSwitch:
    """Charge again. What was due meanwhile is decided anew by the sweep."""
    with transaction.atomic():
        switch = _locked_switch()
        if switch.reason == RESTORED:
            # Any other pause may have hidden that the database was restored: then Stripe is asked before the next charge.
            switch.database = _this_database()
        switch.paused_at, switch.reason, switch.changed_at = None, "", timezone.now()
        switch.save(update_fields=["paused_at", "reason", "changed_at", "database"])
    logger.info("charging_resumed")
    return switch


@transaction.atomic
def resume_after_restore() -> None:
    """Called once everything that Stripe knows has been taken over: ends the pause of a restored database, and no other."""
    if _locked_switch().reason == RESTORED:
        resume_charging()


def all_was_sent_before_restore() -> bool:
    """Whether whoever asks Stripe now sees everything that was sent for the database that was lost."""
    return not ChargingSwitch.objects.filter(paused_at__gt=Now() - LAST_SENT_WITHIN, reason=RESTORED).exists()


def look_again_after_restore(*, after: timedelta) -> None:
    """Stripe may know more than could be taken over yet: the sweep has it asked once more, and until then nothing is charged."""
    waiting = ChargingSwitch.objects.filter(paused_at__isnull=False, reason=RESTORED)
    waiting.update(changed_at=Now() - RESTORE_WOKEN_EVERY + after)


def wake_restore() -> None:
    """The sweep's part: the message that has a restored database reconciled may be lost, and its worker killed."""
    waiting = ChargingSwitch.objects.filter(paused_at__isnull=False, reason=RESTORED, changed_at__lt=Now() - RESTORE_WOKEN_EVERY)
    if waiting.update(changed_at=Now()):
        wake("wallet.tasks.reconcile_after_restore", 1)


def _locked_switch() -> ChargingSwitch:
    ChargingSwitch.objects.bulk_create([ChargingSwitch(database=_this_database())], ignore_conflicts=True)
    return ChargingSwitch.objects.select_for_update().get()


def _may_charge(switch: ChargingSwitch) -> bool:
    if switch.paused_at is None:
        if switch.database != _this_database():
            _pause(switch, RESTORED)
            # Everything of the last month is looked at; only then is charging resumed (faults: B25).
            wake("wallet.tasks.reconcile_after_restore", 1)
        elif reason := _breaker():
            _pause(switch, reason)
    return switch.paused_at is None


def _breaker() -> str:
    """Why charging must stop by itself; empty where it need not."""
    last_hour = TopUp.objects.filter(origin=Origin.AUTOMATIC, sent_at__gt=Now() - timedelta(hours=1))
    if last_hour.count() >= settings.AUTOMATIC_CHARGES_PER_HOUR_MAX:
        return f"{settings.AUTOMATIC_CHARGES_PER_HOUR_MAX} automatic payments were sent within an hour."
    if last_hour.filter(status=Status.FAILED, decline_code__in=REJECTED_CODES).count() >= REJECTIONS_AN_HOUR_MAX:
        return f"Stripe called {REJECTIONS_AN_HOUR_MAX} automatic payments wrong within an hour."
    return ""


def _pause(switch: ChargingSwitch, reason: str) -> None:
    """The first reason stays: whoever paused it knows best when to resume. Only a restore's, which ends by itself, gives way."""
    if switch.paused_at is None:
        switch.paused_at, switch.reason, switch.changed_at = timezone.now(), reason, timezone.now()
        switch.save(update_fields=["paused_at", "reason", "changed_at"])
        alert("charging_paused", reason=reason)
    elif switch.reason == RESTORED:
        switch.reason = reason
        switch.save(update_fields=["reason"])


def _this_database() -> str:
    """Cluster and timeline: a base backup brought forward begins a new timeline, a dump lands in another cluster."""
    with connection.cursor() as cursor:
        # The timeline that is written to now, by the name of its log: what pg_control_checkpoint() says is that of the last
        # checkpoint, and after a promotion the next one may take minutes to come.
        cursor.execute(
            """
            SELECT system_identifier || '/' || ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
            FROM pg_control_system()
            """
        )
        (name,) = cursor.fetchone()
    return str(name)

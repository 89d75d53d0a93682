"""Test calls of the Voice Lab: ring, run on the server's clock, end and settle once, with or without a browser looking on.

Nobody is dialled. A call ends by itself when its money is used up, when it has lasted long enough, or when its page is
gone; the sweep sees to calls that nobody looks at any more.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from usage.errors import NotAllowed
from usage.models import LabRun
from usage.services.holds import extend_use
from usage.services.lab_use import charge_live, give_back, held_seconds, hold_live, hold_of, live_cost, report_free
from wallet.errors import AlreadyResolved, WalletRefusal
from wallet.ledger import lock_wallet
from wallet.models import Wallet
from workspaces.models import User

RINGS = timedelta(seconds=3)
CALL_MAX = timedelta(minutes=10)
"""No test call lasts longer: the scripts are over after a minute."""
PAGE_GONE_AFTER = timedelta(seconds=90)
"""A page that is open in the background is heard of once a minute; one that was not for so long is gone, and its call ends."""
HELD_AT_FIRST_SECONDS = 180
EXTENDED_WHEN_LEFT_SECONDS = 120
EXTENDED_BY_SECONDS = 120
"""More than PAGE_GONE_AFTER is always held ahead, so that a call is never longer than what was set aside for it."""
RUNNING_MAX = 5
"""Calls that one workspace may have open at once."""
SETTLED_AT_ONCE = 200
SEEN_EVERY = timedelta(seconds=5)
"""How often a page that is heard of is written down."""

End = LabRun.EndReason


class TooManyCalls(Exception):
    """The workspace has RUNNING_MAX test calls open."""


@dataclass(frozen=True, kw_only=True)
class CallPlan:
    """A test call that somebody wants to make. `number` is the other side's, in E.164."""

    agent: str
    direction: str
    number: str
    is_live: bool


def start_call(wallet: Wallet, plan: CallPlan, *, request_id: str, by: User) -> LabRun:
    """Let it ring. A live call asks the gate first and holds money; a free one is always allowed.

    Locks: wallet. Idempotent by: `request_id`, in its wallet; a refusal does not use it up.
    Raises: NotAllowed with the gate's reason; TooManyCalls.
    """
    with transaction.atomic():
        # Without the lock, calls that start at once would each be counted before any of the others is one.
        lock_wallet(wallet.pk)
        run, is_new = LabRun.objects.get_or_create(wallet=wallet, request_id=request_id, defaults=_fields(plan, by=by))
        if not is_new:
            return run
        if _open_calls(wallet) > RUNNING_MAX:
            raise TooManyCalls
        if run.is_live:
            hold = hold_live(run, key=f"lab:{run.pk}", expected_quantity=HELD_AT_FIRST_SECONDS)
            run.hold_id = hold.id if hold is not None else None
            run.save(update_fields=["hold_id"])
    return run


def _open_calls(wallet: Wallet) -> int:
    return LabRun.objects.filter(wallet=wallet, kind=LabRun.Kind.VOICE, ended_at=None).count()


def watch_call(run_id: UUID) -> LabRun:
    """The call as it stands now, its page having been heard of: goes on, is paid for ahead, or has ended and is settled.

    Locks: run, then wallet. Raises: Overloaded where it can't be settled now; the sweep does it.
    """
    with transaction.atomic():
        run, now = _locked(run_id), timezone.now()
        if run.ended_at is None and not _end_if_over(run, now=now, page_is_there=True):
            _note_seen(run, now=now)
    return _settled(run)


def hang_up(run_id: UUID) -> LabRun:
    """End the call now, or where it had ended by itself before. Idempotent by: the run's end. Locks: run, then wallet."""
    with transaction.atomic():
        run, now = _locked(run_id), timezone.now()
        if run.ended_at is None and not _end_if_over(run, now=now, page_is_there=False):
            assert run.answered_at is not None, "A call has the time of its answer from the start."
            _end(run, at=now, reason=End.HUNG_UP if now >= run.answered_at else End.UNANSWERED)
    return _settled(run)


def settle_calls_left_alone() -> int:
    """End and settle the calls that nobody looks at any more; answers how many. What is left over waits for the next sweep."""
    alone = Q(ended_at__isnull=False) | Q(last_seen_at__lte=timezone.now() - PAGE_GONE_AFTER)
    left = LabRun.objects.filter(alone, kind=LabRun.Kind.VOICE, settled_at=None).order_by("last_seen_at")
    return sum(_settle_left_alone(run_id) for run_id in left.values_list("pk", flat=True)[:SETTLED_AT_ONCE])


def _settle_left_alone(run_id: UUID) -> bool:
    with transaction.atomic():
        run = _locked(run_id)
        if run.ended_at is None:
            _end_if_over(run, now=timezone.now(), page_is_there=False)
    return _settled(run).settled_at is not None


def _fields(plan: CallPlan, *, by: User) -> dict[str, object]:
    now = timezone.now()
    return {
        "kind": LabRun.Kind.VOICE,
        "is_live": plan.is_live,
        "agent": plan.agent,
        "direction": plan.direction,
        "number": plan.number,
        "started_by": by,
        "started_at": now,
        "answered_at": now + RINGS,
        "last_seen_at": now,
    }


def _locked(run_id: UUID) -> LabRun:
    return LabRun.objects.select_for_update(of=("self",)).select_related("wallet__workspace").get(pk=run_id)


def _end_if_over(run: LabRun, *, now: datetime, page_is_there: bool) -> bool:
    """End the call at the first moment that it could not go on, if that has passed. A page that is there pays ahead first."""
    at, reason = min(_limits(run))
    if now < at and page_is_there:
        _pay_ahead(run, now=now)
    paid_until = _paid_until(run)
    if paid_until is not None and paid_until < at:
        at, reason = paid_until, End.MONEY_GONE
    if now < at:
        return False
    _end(run, at=at, reason=reason)
    return True


def _limits(run: LabRun) -> list[tuple[datetime, End]]:
    assert run.answered_at is not None, "A call has the time of its answer from the start."
    return [(run.answered_at + CALL_MAX, End.TIME_LIMIT), (run.last_seen_at + PAGE_GONE_AFTER, End.PAGE_GONE)]


def _paid_until(run: LabRun) -> datetime | None:
    held = held_seconds(run)
    return run.answered_at + timedelta(seconds=held) if held is not None and run.answered_at is not None else None


def _pay_ahead(run: LabRun, *, now: datetime) -> None:
    """Extend the hold while the call runs; where the money buys no more, the call goes on to the end of what is held."""
    paid_until = _paid_until(run)
    if run.hold_id is None or paid_until is None or paid_until - now > timedelta(seconds=EXTENDED_WHEN_LEFT_SECONDS):
        return
    # A page that was silent for a while catches up: what has been talked is paid for, and as much ahead as ever.
    behind = max(0, math.ceil((now - paid_until).total_seconds()))
    try:
        extend_use(run.wallet_id, run.hold_id, by_quantity=EXTENDED_BY_SECONDS + behind)
    except (NotAllowed, WalletRefusal, AlreadyResolved):
        return


def _end(run: LabRun, *, at: datetime, reason: End) -> None:
    run.ended_at, run.end_reason = at, reason
    run.save(update_fields=["ended_at", "end_reason"])


def _note_seen(run: LabRun, *, now: datetime) -> None:
    if now - run.last_seen_at >= SEEN_EVERY:
        run.last_seen_at = now
        run.save(update_fields=["last_seen_at"])


def _settled(run: LabRun) -> LabRun:
    """Charge or report a call that has ended, in a transaction of its own: its end stands even where this fails for now."""
    if run.ended_at is None or run.settled_at is not None:
        return run
    with transaction.atomic():
        run = _locked(run.pk)
        if run.settled_at is None:
            run.live_micros = _settle(run)
            run.settled_at = timezone.now()
            run.save(update_fields=["live_micros", "settled_at"])
    return run


def _settle(run: LabRun) -> int | None:
    """What the call cost, or would have cost."""
    assert run.answered_at is not None, "A call has the time of its answer from the start."
    if not run.seconds:
        give_back(run)
        return 0
    event_id = str(run.pk)
    if run.is_live:
        return charge_live(run, hold=hold_of(run), event_id=event_id, quantity=run.seconds, happened_at=run.answered_at)
    report_free(run, event_id=event_id, quantity=run.seconds, happened_at=run.answered_at)
    return live_cost(run, quantity=run.seconds, at=run.answered_at)

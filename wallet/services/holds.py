"""Holds: money set aside before a use starts, resolved exactly once. Only the database's clock decides what has expired."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Least, Now

from wallet.errors import AlreadyResolved, HoldExpired, IdempotencyConflict, InsufficientFunds, WalletClosed, WalletFrozen
from wallet.ledger import lock_wallet
from wallet.models import EventType, Hold, Wallet
from wallet.services.outgoing import announce
from wallet.services.standing import announce_standings

logger = structlog.get_logger(__name__)

LIFETIME_MAX = timedelta(hours=24)
"""No hold lasts longer: a lost hang-up gives the money back within a day."""

WITHOUT_END = timedelta(days=36_500)
"""For what is set aside until a refund is known, however long that takes."""

EXPIRED_AT_ONCE = 500

HoldKey = tuple[int, str]
"""Wallet, and the hold's id as hex digits."""

Status = Hold.Status


@transaction.atomic
def place_hold(
    wallet_id: int, *, amount_micros: int, reference: str, idempotency_key: str, lifetime: timedelta, floor_micros: int = 0
) -> Hold:
    """Set money aside; available may fall to `floor_micros`, which is below zero only for inbound calls in their grace time.

    Locks: wallet. Idempotent by: `idempotency_key`, in its wallet; the first hold is answered, whatever became of it.
    Raises: InsufficientFunds, WalletFrozen, WalletClosed; IdempotencyConflict where the key was used for another reference.
    """
    wallet = lock_wallet(wallet_id)
    standing = Hold.objects.filter(wallet=wallet, idempotency_key=idempotency_key).first()
    if standing is not None:
        if standing.reference != reference:
            raise IdempotencyConflict("This idempotency key was used for another hold.")
        return standing
    _check_may_hold(wallet, amount_micros=amount_micros, floor_micros=floor_micros)
    hold = Hold.objects.create(
        wallet=wallet,
        amount_micros=amount_micros,
        reference=reference,
        idempotency_key=idempotency_key,
        expires_at=Now() + min(lifetime, LIFETIME_MAX),
    )
    _set_aside(wallet, amount_micros)
    hold.refresh_from_db()
    return hold


@transaction.atomic
def extend_hold(hold: Hold, *, by_micros: int, by_time: timedelta, floor_micros: int = 0) -> Hold:
    """Set more aside for a use that goes on, and move its end by as much as the use may go on.

    Locks: wallet. Not idempotent by itself: the caller's key is kept with the request.
    Raises: HoldExpired, AlreadyResolved, InsufficientFunds, WalletFrozen, WalletClosed.
    """
    wallet = lock_wallet(hold.wallet_id)
    hold = locked_open_hold(wallet, hold.id)
    _check_may_hold(wallet, amount_micros=by_micros, floor_micros=floor_micros)
    expires_at = Least(F("expires_at") + by_time, Now() + LIFETIME_MAX)
    Hold.objects.filter(pk=hold.pk).update(amount_micros=F("amount_micros") + by_micros, expires_at=expires_at)
    _set_aside(wallet, by_micros)
    hold.refresh_from_db()
    return hold


@transaction.atomic
def release_hold(hold: Hold) -> Hold:
    """Give the money back: the use did not happen. Releasing a released hold again answers it as it is.

    Locks: wallet. Raises: AlreadyResolved where it was captured; HoldExpired where it expired.
    """
    wallet = lock_wallet(hold.wallet_id)
    hold.refresh_from_db()
    if hold.status == Status.RELEASED:
        return hold
    hold = locked_open_hold(wallet, hold.id)
    _resolve(wallet, hold, Status.RELEASED)
    return hold


@transaction.atomic
def expire_hold(wallet_id: int, hold_id: UUID) -> bool:
    """Give back what a hold set aside, once its time is over; True where this call did it.

    Locks: wallet. Idempotent by: the hold's status.
    """
    wallet = lock_wallet(wallet_id)
    hold = Hold.objects.filter(wallet=wallet, id=hold_id, status=Status.OPEN, expires_at__lte=Now()).first()
    if hold is None:
        return False
    _resolve(wallet, hold, Status.EXPIRED)
    announce(wallet_id, event=EventType.HOLD_EXPIRED, data=_what_is_told(hold), key=f"{EventType.HOLD_EXPIRED}:{hold.id}")
    return True


def _what_is_told(hold: Hold) -> dict[str, object]:
    return {
        "hold": hold.id,
        "reference": hold.reference,
        "amount_micros": hold.amount_micros,
        "placed_at": hold.created_at,
        "expired_at": hold.expires_at,
    }


def expire_due_holds() -> int:
    """Give back what holds of the past set aside, each in a transaction of its own; answers how many.

    What is left over waits for the next sweep, and so does a wallet that is busy: it must not keep the others waiting.
    """
    due = Hold.objects.filter(status=Status.OPEN, expires_at__lte=Now()).order_by("expires_at")
    return sum(_expire_unless_busy(wallet_id, hold_id) for wallet_id, hold_id in due.values_list("wallet_id", "id")[:EXPIRED_AT_ONCE])


def _expire_unless_busy(wallet_id: int, hold_id: UUID) -> bool:
    try:
        return expire_hold(wallet_id, hold_id)
    except OperationalError as error:
        logger.warning("hold_not_expired", wallet=wallet_id, hold=str(hold_id), error=str(error))
        return False


def capture_holds(wallets: Mapping[int, Wallet], charged_micros: Mapping[HoldKey, int]) -> set[HoldKey]:
    """Resolve the open holds among these as captured, with what each was charged; answers which were.

    The caller holds the wallets' locks and posts the charges in the same transaction: what a hold had too much is given
    back, what it had too little is debt. A hold that was resolved or has expired is left as it is, and its use is
    charged all the same: late is not free.
    """
    if not charged_micros:
        return set()
    keys = sorted(charged_micros)
    columns = [*(list(column) for column in zip(*keys, strict=True)), [charged_micros[key] for key in keys]]
    with connection.cursor() as cursor:
        # One statement for a whole batch; the ORM cannot update from a list of values.
        cursor.execute(
            """
            UPDATE wallet_hold AS hold
            SET status = 'captured', captured_micros = charge.micros, resolved_at = statement_timestamp()
            FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[]) AS charge (wallet_id, id, micros)
            WHERE hold.wallet_id = charge.wallet_id AND hold.id = charge.id AND hold.purpose = 'use'
                AND hold.status = 'open' AND hold.expires_at > statement_timestamp()
            RETURNING hold.wallet_id, hold.id, hold.amount_micros, hold.created_at
            """,
            columns,
        )
        resolved = cursor.fetchall()
    _give_back([Freed(wallets[wallet_id], amount_micros, placed_at) for wallet_id, _, amount_micros, placed_at in resolved])
    return {(wallet_id, hold_id.hex) for wallet_id, hold_id, _, _ in resolved}


def set_aside_for_refund(wallet: Wallet, *, amount_micros: int, key: str) -> None:
    """Keep money from being spent until its refund is known. The caller holds the wallet's lock.

    Whatever the wallet may do: also frozen, closed and empty ones give money back. Idempotent by: the caller's own row, once per `key`.
    """
    Hold.objects.create(
        wallet=wallet,
        purpose=Hold.Purpose.REFUND,
        amount_micros=amount_micros,
        reference=key,
        idempotency_key=key,
        expires_at=Now() + WITHOUT_END,
    )
    _set_aside(wallet, amount_micros)


def end_refund_hold(wallet: Wallet, *, key: str) -> None:
    """Release what was set aside for a refund: it was taken in this transaction, or will not be. The caller holds the wallet's lock."""
    _resolve(wallet, Hold.objects.get(wallet=wallet, idempotency_key=key, purpose=Hold.Purpose.REFUND), Status.RELEASED)


def locked_open_hold(wallet: Wallet, hold_id: UUID) -> Hold:
    """The hold, where it is open and its time is not over; the caller holds the wallet's lock. Raises: HoldExpired, AlreadyResolved."""
    # The clock of this statement, which comes after the lock: whoever waited for it may find that time is over.
    hold = Hold.objects.annotate(clock=Now()).get(wallet=wallet, id=hold_id)
    if hold.status == Status.EXPIRED or (hold.status == Status.OPEN and hold.expires_at <= hold.clock):
        raise HoldExpired("This hold has expired. Place a new one.")
    if hold.status != Status.OPEN:
        raise AlreadyResolved(f"This hold is {hold.status} already.")
    return hold


def _check_may_hold(wallet: Wallet, *, amount_micros: int, floor_micros: int) -> None:
    if wallet.closed_at is not None:
        raise WalletClosed("This workspace was closed.")
    if wallet.frozen_at is not None:
        raise WalletFrozen("This wallet is frozen: nothing new can start.")
    if wallet.available_micros - amount_micros < floor_micros:
        raise InsufficientFunds(needed_micros=amount_micros, available_micros=wallet.available_micros)


def _resolve(wallet: Wallet, hold: Hold, status: Hold.Status) -> None:
    changed = Hold.objects.filter(pk=hold.pk, status=Status.OPEN).update(status=status, resolved_at=Now())
    assert changed == 1, "The wallet's lock is held, so nobody else resolves its holds."
    _give_back([Freed(wallet, hold.amount_micros, hold.created_at)])
    hold.refresh_from_db()


def _set_aside(wallet: Wallet, amount_micros: int) -> None:
    """The wallet's lock is held. Money that is only set aside has not run out: the grace time does not start by it."""
    wallet.held_micros += amount_micros
    wallet.save(update_fields=["held_micros"])


class Freed(NamedTuple):
    """What a hold that was resolved had set aside, and since when."""

    wallet: Wallet
    amount_micros: int
    placed_at: datetime


def _give_back(freed: Sequence[Freed]) -> None:
    """The wallets' locks are held. Ends the grace time where the money had run out only because it was set aside here.

    A hold that was itself placed in the grace time brings no money back: unanswered calls do not start the time anew.
    """
    if not freed:
        return
    wallets: dict[int, Wallet] = {}
    oldest: dict[int, datetime] = {}
    for wallet, amount_micros, placed_at in freed:
        wallet.held_micros -= amount_micros
        wallets[wallet.pk] = wallet
        oldest[wallet.pk] = min(placed_at, oldest.get(wallet.pk, placed_at))
    restored = [
        wallet
        for pk, wallet in wallets.items()
        if wallet.depleted_at is not None and wallet.available_micros > 0 and oldest[pk] < wallet.depleted_at
    ]
    for wallet in restored:
        wallet.depleted_at = None
    _save_held(list(wallets.values()))
    announce_standings(restored)


def _save_held(wallets: Sequence[Wallet]) -> None:
    columns = [(wallet.pk, wallet.held_micros, wallet.depleted_at) for wallet in wallets]
    with connection.cursor() as cursor:
        # One statement for any number of wallets, as for their sums in the ledger.
        cursor.execute(
            """
            UPDATE wallet_wallet AS wallet SET held_micros = sums.held, depleted_at = sums.depleted_at
            FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS sums (id, held, depleted_at)
            WHERE wallet.workspace_id = sums.id
            """,
            [list(column) for column in zip(*columns, strict=True)],
        )

"""Holds: money set aside before a use starts, resolved exactly once. Only the database's clock decides what has expired."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Func
from django.db.models.functions import Now

from wallet.errors import AlreadyResolved, HoldExpired, IdempotencyConflict, InsufficientFunds, WalletClosed, WalletFrozen
from wallet.ledger import lock_wallet
from wallet.models import Hold, Wallet

LIFETIME_MAX = timedelta(hours=24)
"""No hold lasts longer: a lost hang-up gives the money back within a day."""

EXPIRED_AT_ONCE = 500

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
    _change_held(wallet, amount_micros)
    hold.refresh_from_db()
    return hold


@transaction.atomic
def extend_hold(hold: Hold, *, by_micros: int, lifetime: timedelta, floor_micros: int = 0) -> Hold:
    """Set more aside for a use that goes on, and give it a new end.

    Locks: wallet. Not idempotent by itself: the caller's key is kept with the request.
    Raises: HoldExpired, AlreadyResolved, InsufficientFunds, WalletFrozen, WalletClosed.
    """
    wallet = lock_wallet(hold.wallet_id)
    hold = locked_open_hold(wallet, hold.id)
    _check_may_hold(wallet, amount_micros=by_micros, floor_micros=floor_micros)
    Hold.objects.filter(pk=hold.pk).update(amount_micros=F("amount_micros") + by_micros, expires_at=Now() + min(lifetime, LIFETIME_MAX))
    _change_held(wallet, by_micros)
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
    return True


def expire_due_holds() -> int:
    """Give back what holds of the past set aside, each in a transaction of its own; answers how many. What is left over waits for the next sweep."""
    due = Hold.objects.filter(status=Status.OPEN, expires_at__lte=Now()).order_by("expires_at")
    return sum(expire_hold(wallet_id, hold_id) for wallet_id, hold_id in due.values_list("wallet_id", "id")[:EXPIRED_AT_ONCE])


def capture_holds(wallet: Wallet, captured_micros: Mapping[str, int]) -> set[UUID]:
    """Resolve the open holds among these (ids as hex digits) as captured, with what each was charged; answers which were.

    The caller holds the wallet's lock and posts the charges in the same transaction: what a hold had too much is given
    back, what it had too little is debt. A hold that was resolved or has expired is left as it is, and its use is
    charged all the same: late is not free.
    """
    if not captured_micros:
        return set()
    with connection.cursor() as cursor:
        # One statement for a whole batch; the ORM cannot update from a list of values.
        cursor.execute(
            """
            UPDATE wallet_hold AS hold
            SET status = 'captured', captured_micros = charge.micros, resolved_at = now()
            FROM unnest(%s::uuid[], %s::bigint[]) AS charge (id, micros)
            WHERE hold.wallet_id = %s AND hold.id = charge.id AND hold.status = 'open' AND hold.expires_at > now()
            RETURNING hold.id, hold.amount_micros
            """,
            [list(captured_micros), list(captured_micros.values()), wallet.pk],
        )
        resolved = cursor.fetchall()
    _change_held(wallet, -sum(amount_micros for _, amount_micros in resolved))
    return {hold_id for hold_id, _ in resolved}


def locked_open_hold(wallet: Wallet, hold_id: UUID) -> Hold:
    """The hold, where it is open and its time is not over; the caller holds the wallet's lock. Raises: HoldExpired, AlreadyResolved."""
    hold = Hold.objects.annotate(clock=Func(function="now", output_field=Hold._meta.get_field("expires_at"))).get(wallet=wallet, id=hold_id)
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
    _change_held(wallet, -hold.amount_micros)
    hold.refresh_from_db()


def _change_held(wallet: Wallet, change_micros: int) -> None:
    """The wallet's lock is held. Giving money back may end the grace time; setting it aside does not start it."""
    wallet.held_micros += change_micros
    if change_micros < 0 and wallet.available_micros > 0:
        wallet.depleted_at = None
    wallet.save(update_fields=["held_micros", "depleted_at"])

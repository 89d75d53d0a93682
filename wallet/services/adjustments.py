"""Corrections of a balance by the operator: asked for, approved by a second person where they are large, posted once."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from wallet.errors import BelowZero, IdempotencyConflict
from wallet.ledger import Entry, lock_wallet, post
from wallet.models import Account, Adjustment, Kind, Wallet
from wallet.services.second_person import DECISION_FIELDS, agreed, audit, check_size, locked_proposal, needs_second_person, sums_of
from wallet.services.standing import announce_standings
from workspaces.models import User

DEFAULT_WORDS = "Adjustment"

Status = Adjustment.Status


@transaction.atomic
def request_adjustment(
    wallet: Wallet, *, amount_micros: int, reason: str, words: str, may_go_below_zero: bool, request_id: str, by: User
) -> Adjustment:
    """Correct the balance: positive puts money in, negative takes it out. Posted at once, or once a second person has approved it.

    Locks: wallet. Idempotent by: `request_id`, in its wallet.
    Raises: AmountOutOfRange; BelowZero where less than nothing would be left available and nobody said that it may;
    IdempotencyConflict where the form was sent before with something else.
    """
    check_size(amount_micros, currency=wallet.currency)
    locked = lock_wallet(wallet.pk)
    standing = Adjustment.objects.filter(wallet=locked, request_id=request_id).first()
    if standing is not None:
        if (standing.amount_micros, standing.words) != (amount_micros, words):
            raise IdempotencyConflict("This form was already sent with something else. Open it again for another adjustment.")
        return standing
    needs_second = needs_second_person(locked, amount_micros=amount_micros, by=by)
    adjustment = Adjustment(
        wallet=locked,
        amount_micros=amount_micros,
        status=Status.WAITING if needs_second else Status.DONE,
        reason=reason,
        words=words,
        may_go_below_zero=may_go_below_zero,
        request_id=request_id,
        needs_second_person=needs_second,
        requested_by=by,
    )
    _check_covered(locked, adjustment)
    adjustment.save(force_insert=True)
    if needs_second:
        audit(locked, adjustment, done="requested", before=sums_of(locked), after=sums_of(locked), target=words)
    else:
        _post(locked, adjustment, done="posted")
    return adjustment


@transaction.atomic
def approve_adjustment(adjustment_id: UUID, *, by: User, reason: str = "") -> Adjustment:
    """Post what somebody else asked for. Locks: wallet. Idempotent: once approved it stays so, and is posted once.

    Raises: SecondPersonNeeded, AlreadyResolved; BelowZero where the wallet has too little by now.
    """
    wallet, adjustment = locked_proposal(Adjustment, adjustment_id)
    if agreed(adjustment, status=Status.DONE, by=by, reason=reason):
        _check_covered(wallet, adjustment)
        adjustment.save(update_fields=DECISION_FIELDS)
        _post(wallet, adjustment, done="approved")
    return adjustment


def _check_covered(wallet: Wallet, adjustment: Adjustment) -> None:
    takes = adjustment.amount_micros < 0
    if takes and not adjustment.may_go_below_zero and wallet.available_micros + adjustment.amount_micros < 0:
        raise BelowZero(available_micros=wallet.available_micros)


def _post(wallet: Wallet, adjustment: Adjustment, *, done: str) -> None:
    before, comes_in = sums_of(wallet), adjustment.amount_micros > 0
    entry = Entry(
        debit=Account.ADJUSTMENTS if comes_in else Account.WALLET,
        credit=Account.WALLET if comes_in else Account.ADJUSTMENTS,
        amount_micros=abs(adjustment.amount_micros),
        kind=Kind.ADJUSTMENT,
        reference=str(adjustment.pk),
        description=adjustment.words,
        happened_at=timezone.now(),
        idempotency_key=f"adjustment:{adjustment.pk}",
    )
    post(wallet.pk, [entry])
    after = lock_wallet(wallet.pk)
    announce_standings([after], came_in=comes_in)
    audit(after, adjustment, done=done, before=before, after=sums_of(after), target=adjustment.words, reason=adjustment.decision_reason)

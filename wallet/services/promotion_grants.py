"""Credit that the operator's people give: asked for, approved by a second person where it is large, granted once."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from wallet.errors import ActRefused, IdempotencyConflict, WalletClosed
from wallet.ledger import lock_wallet
from wallet.models import Promotion, PromotionGrant, Wallet
from wallet.queries import database_time
from wallet.services.promotions import grant_promotion
from wallet.services.second_person import DECISION_FIELDS, agreed, audit, check_size, locked_proposal, needs_second_person, sums_of
from workspaces.models import User

DEFAULT_WORDS = "Promotional credit"

Status = PromotionGrant.Status


@transaction.atomic
def request_promotion(
    wallet: Wallet, *, amount_micros: int, reason: str, words: str, expires_at: datetime | None, request_id: str, by: User
) -> PromotionGrant:
    """Give the wallet credit, at once or once a second person has approved it.

    Locks: wallet. Idempotent by: `request_id`, in its wallet.
    Raises: AmountOutOfRange, WalletClosed; ActRefused where it would have lapsed already; IdempotencyConflict.
    """
    check_size(amount_micros, currency=wallet.currency)
    locked = lock_wallet(wallet.pk)
    standing = PromotionGrant.objects.filter(wallet=locked, request_id=request_id).first()
    if standing is not None:
        if (standing.amount_micros, standing.words, standing.expires_at) != (amount_micros, words, expires_at):
            raise IdempotencyConflict("This form was already sent with something else. Open it again for another promotion.")
        return standing
    _check(locked, expires_at=expires_at)
    grant = PromotionGrant(
        wallet=locked,
        amount_micros=amount_micros,
        reason=reason,
        words=words,
        expires_at=expires_at,
        request_id=request_id,
        needs_second_person=needs_second_person(locked, amount_micros=amount_micros, by=by),
        requested_by=by,
    )
    before, done = sums_of(locked), "requested"
    if not grant.needs_second_person:
        done, grant.status, grant.promotion = "granted", Status.DONE, _granted(locked, grant)
    grant.save(force_insert=True)
    audit(locked, grant, done=done, before=before, after=sums_of(lock_wallet(locked.pk)), target=words)
    return grant


@transaction.atomic
def approve_promotion(grant_id: UUID, *, by: User, reason: str = "") -> PromotionGrant:
    """Grant what somebody else asked for. Locks: wallet. Idempotent: once approved it stays so, and is granted once.

    Raises: SecondPersonNeeded, AlreadyResolved, WalletClosed; ActRefused where it would have lapsed by now.
    """
    wallet, grant = locked_proposal(PromotionGrant, grant_id)
    if agreed(grant, status=Status.DONE, by=by, reason=reason):
        _check(wallet, expires_at=grant.expires_at)
        before = sums_of(wallet)
        grant.promotion = _granted(wallet, grant)
        grant.save(update_fields=[*DECISION_FIELDS, "promotion"])
        audit(wallet, grant, done="approved", before=before, after=sums_of(lock_wallet(wallet.pk)), target=grant.words, reason=reason)
    return grant


def _check(wallet: Wallet, *, expires_at: datetime | None) -> None:
    if wallet.closed_at is not None:
        raise WalletClosed("This workspace was closed: it can use no credit any more.")
    if expires_at is not None and expires_at <= database_time():
        raise ActRefused("That day is over already: the credit would lapse at once. Choose a later one.")


def _granted(wallet: Wallet, grant: PromotionGrant) -> Promotion:
    return grant_promotion(
        wallet, amount_micros=grant.amount_micros, reason=grant.words, expires_at=grant.expires_at, idempotency_key=f"grant:{grant.pk}"
    )

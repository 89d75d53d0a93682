"""Credit that is given: granted, and taken back when it expires."""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from wallet.errors import IdempotencyConflict
from wallet.ledger import Entry, lock_wallet, post
from wallet.models import Account, Kind, Promotion, Wallet
from wallet.services.standing import announce_standings


@transaction.atomic
def grant_promotion(wallet: Wallet, *, amount_micros: int, reason: str, expires_at: datetime | None, idempotency_key: str) -> Promotion:
    """Give the wallet credit that is spent before paid money and never refunded to a card.

    Locks: wallet. Idempotent by: `idempotency_key`, in its wallet.
    Raises: IdempotencyConflict where the key gave another amount before.
    """
    lock_wallet(wallet.pk)
    promotion, is_new = Promotion.objects.get_or_create(
        wallet=wallet,
        idempotency_key=idempotency_key,
        defaults={"amount_micros": amount_micros, "remaining_micros": 0, "reason": reason, "expires_at": expires_at},
    )
    if not is_new:
        if promotion.amount_micros != amount_micros:
            raise IdempotencyConflict(f"The key {idempotency_key!r} was used for another promotion.")
        return promotion
    entry = Entry(
        debit=Account.PROMOTIONS,
        credit=Account.WALLET,
        amount_micros=amount_micros,
        kind=Kind.PROMOTION,
        reference=str(promotion.pk),
        description=reason,
        happened_at=timezone.now(),
        idempotency_key=f"promotion:{promotion.pk}",
        promotion_id=promotion.pk,
    )
    post(wallet.pk, [entry])
    announce_standings([lock_wallet(wallet.pk)], came_in=True)
    promotion.refresh_from_db()
    return promotion


@transaction.atomic
def expire_promotion(promotion_id: int) -> int:
    """Take back what an expired promotion has left, in micros; what open holds were promised stays until they are resolved.

    Credit is spendable until this books the expiry: the ledger decides, and a late sweep is in the customer's favour.
    Locks: wallet. Idempotent by: what is left.
    """
    wallet_id = Promotion.objects.values_list("wallet_id", flat=True).get(pk=promotion_id)
    wallet = lock_wallet(wallet_id)
    promotion = Promotion.objects.filter(pk=promotion_id, expires_at__lte=Now()).first()
    if promotion is None:
        return 0
    # Holds count on given credit first, so that much of it is spoken for.
    free_micros = min(promotion.remaining_micros, max(0, wallet.promotion_micros - wallet.held_micros))
    if free_micros:
        post(wallet_id, [_expiry(promotion, amount_micros=free_micros)])
        announce_standings([lock_wallet(wallet_id)])
    return free_micros


def lapse_promotions(wallet: Wallet) -> Wallet:
    """Take back all credit that was given, as the wallet ends; answers the wallet with its new sums.

    Inside the caller's transaction, which holds the wallet's lock and has seen to it that no use is under way.
    Idempotent by: what is left.
    """
    left = Promotion.objects.filter(wallet=wallet, remaining_micros__gt=0).order_by("pk")
    post(wallet.pk, [_expiry(promotion, amount_micros=promotion.remaining_micros) for promotion in left])
    return lock_wallet(wallet.pk)


def _expiry(promotion: Promotion, *, amount_micros: int) -> Entry:
    return Entry(
        debit=Account.WALLET,
        credit=Account.PROMOTIONS,
        amount_micros=amount_micros,
        kind=Kind.PROMOTION_EXPIRED,
        reference=str(promotion.pk),
        description=f"{promotion.reason} expired",
        happened_at=timezone.now(),
        # What is left falls with every part that expires, so each part has a key of its own.
        idempotency_key=f"promotion-expired:{promotion.pk}:{promotion.remaining_micros}",
        promotion_id=promotion.pk,
    )

"""Refunds that the operator asks for: how much may go back, who must agree, and the money set aside until it is known.

Never asks Stripe: refund_sending.py does, with what stands here committed.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from wallet.errors import IdempotencyConflict, PaymentDisputed, RefundTooLarge
from wallet.ledger import lock_wallet
from wallet.models import Dispute, RefundRequest, TopUp, Wallet, WalletClosing
from wallet.money import format_money, to_minor
from wallet.services import second_person
from wallet.services.holds import end_refund_hold, set_aside_for_refund
from wallet.services.second_person import DECISION_FIELDS, agreed, audit, locked_proposal, needs_second_person, sums_of
from wallet.unspent_queries import kept_micros, unspent_top_ups
from workspaces.models import User

FIRST_LOOK_AFTER = timedelta(seconds=60)
"""How long whoever asked has to send it, before the sweep does."""

Status = RefundRequest.Status


@transaction.atomic
def request_refund(
    top_up: TopUp, *, amount_micros: int, reason: str, override_reason: str = "", request_id: str, by: User
) -> RefundRequest:
    """Set part of a top-up aside to be sent back, at once or once a second person has approved it. The caller has it sent.

    At most its unspent part; with `override_reason` at most what of it did not go back yet, which may take the wallet below zero.
    Locks: top-up → wallet. Idempotent by: `request_id`, in the wallet.
    Raises: RefundTooLarge, InexactAmount; PaymentDisputed while the payer's bank is asking; IdempotencyConflict.
    """
    to_minor(amount_micros, currency=top_up.wallet.currency)
    # The new row names the top-up: whoever holds it locked, and waits for the wallet, must not be waited for with the wallet in hand.
    TopUp.objects.select_for_update().get(pk=top_up.pk)
    wallet = lock_wallet(top_up.wallet_id)
    standing = RefundRequest.objects.filter(wallet=wallet, request_id=request_id).first()
    if standing is not None:
        if (standing.top_up_id, standing.amount_micros) != (top_up.pk, amount_micros):
            raise IdempotencyConflict("This form was already sent with something else. Open it again for another refund.")
        return standing
    check_not_disputed(top_up)
    _check_amount(wallet, top_up, amount_micros=amount_micros, overrides=bool(override_reason))
    before = sums_of(wallet)
    request = make_refund_request(
        wallet,
        top_up_id=top_up.pk,
        amount_micros=amount_micros,
        reason=reason,
        override_reason=override_reason,
        request_id=request_id,
        needs_second=needs_second_person(wallet, amount_micros=amount_micros, by=by),
        by=by,
    )
    after = sums_of(wallet) | {"status": request.status, "overrides_unspent": bool(override_reason)}
    audit(wallet, request, done="requested", before=before, after=after, target=top_up.receipt_number or "")
    return request


def make_refund_request(
    wallet: Wallet,
    *,
    top_up_id: UUID,
    amount_micros: int,
    reason: str,
    override_reason: str = "",
    request_id: str,
    needs_second: bool,
    by: User,
    closing: WalletClosing | None = None,
) -> RefundRequest:
    """The row and the money that it sets aside. The caller has checked the amount, and holds the top-up's lock and then the wallet's."""
    request = RefundRequest.objects.create(
        wallet=wallet,
        top_up_id=top_up_id,
        amount_micros=amount_micros,
        status=Status.WAITING if needs_second else Status.CREATED,
        reason=reason,
        override_reason=override_reason,
        request_id=request_id,
        needs_second_person=needs_second,
        requested_by=by,
        closing=closing,
        next_check_at=None if needs_second else timezone.now() + FIRST_LOOK_AFTER,
    )
    set_aside_for_refund(wallet, amount_micros=amount_micros, key=request.hold_key)
    return request


@transaction.atomic
def approve_refund(request_id: UUID, *, by: User, reason: str = "") -> RefundRequest:
    """Agree to what somebody else asked for; the caller has it sent. Its money has been set aside since it was asked for.

    Locks: wallet. Idempotent: once approved it stays so. Raises: SecondPersonNeeded, AlreadyResolved, PaymentDisputed.
    """
    wallet, request = locked_proposal(RefundRequest, request_id)
    if agreed(request, status=Status.CREATED, by=by, reason=reason):
        check_not_disputed(request.top_up)
        request.next_check_at = timezone.now() + FIRST_LOOK_AFTER
        request.save(update_fields=[*DECISION_FIELDS, "next_check_at"])
        after = {"status": request.status}
        audit(wallet, request, done="approved", before={"status": Status.WAITING}, after=after, target=_receipt(request), reason=reason)
    return request


def reject_refund(request_id: UUID, *, by: User, reason: str) -> RefundRequest:
    """Say no, and let the money be spent again. Locks: wallet. Raises: SecondPersonNeeded, AlreadyResolved."""
    return second_person.reject(RefundRequest, request_id, by=by, reason=reason, then=_let_go)


def withdraw_refund(request_id: UUID, *, by: User, reason: str = "") -> RefundRequest:
    """Take back what one asked for oneself. Locks: wallet. Raises: SecondPersonNeeded, AlreadyResolved."""
    return second_person.withdraw(RefundRequest, request_id, by=by, reason=reason, then=_let_go)


def _let_go(wallet: Wallet, request: RefundRequest) -> None:
    end_refund_hold(wallet, key=request.hold_key)


def check_not_disputed(top_up: TopUp) -> None:
    """Raises PaymentDisputed while the payer's bank is asking for the money: it would leave twice."""
    if open_disputes().filter(top_up=top_up).exists():
        raise PaymentDisputed("Its payer has asked the bank for this money back. Answer the dispute at Stripe instead of refunding.")


def open_disputes() -> "QuerySet[Dispute]":
    """Those that may still take money: not ended, or ended in another currency and not booked yet."""
    return Dispute.objects.filter(Q(closed_at=None) | ~Q(waits_because=""))


def _check_amount(wallet: Wallet, top_up: TopUp, *, amount_micros: int, overrides: bool) -> None:
    kept, unspent = kept_micros(top_up), unspent_top_ups(wallet).get(top_up.pk, 0)
    if amount_micros > kept:
        raise RefundTooLarge(f"No more than {format_money(kept, currency=wallet.currency)} of this top-up can still go back.")
    if amount_micros > unspent and not overrides:
        part = format_money(unspent, currency=wallet.currency)
        raise RefundTooLarge(f"{part} of this top-up is unspent. For more than that, give a reason under “More than the unspent part”.")


def _receipt(request: RefundRequest) -> str:
    return request.top_up.receipt_number or ""

"""Refunds as Stripe tells them: posted once each, and once back where one fails."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from wallet.alerts import alert
from wallet.errors import PaymentMismatch
from wallet.ledger import Entry, lock_wallet, post
from wallet.models import Account, Kind, Refund, RefundRequest, Wallet
from wallet.services.holds import end_refund_hold
from wallet.services.settlement import lock_credited_top_up
from wallet.services.standing import announce_standings
from wallet.stripe_objects import RefundState

_RETURNED = ("failed", "canceled")
_ORDER = ("pending", "requires_action", "succeeded", *_RETURNED)
"""A refund goes forward only: an answer that is older than what we know is told by its status."""


@transaction.atomic
def apply_refund(state: RefundState) -> Refund:
    """Take the refund from the wallet, or put it back where it failed (faults: A17, A18). May take the wallet below zero.

    Counted by refund id, never by the payment's cumulative `amount_refunded`. One that was asked for here had its money
    set aside: that hold ends in this transaction.
    Locks: top-up → wallet. Idempotent by: the ledger keys `refund:<id>` and `refund-failed:<id>`.
    Raises: UnknownPayment where the payment has no top-up; PaymentMismatch where it was never credited, in another currency
    or of a status that we do not know.
    """
    if state.status not in _ORDER:
        raise PaymentMismatch(f"The refund {state.id} has a status that we do not know: {state.status}.")
    top_up = lock_credited_top_up(state.payment_id)
    if state.currency != top_up.wallet.currency:
        raise PaymentMismatch(f"The refund {state.id} is in {state.currency}, and its payment was in {top_up.wallet.currency}.")
    assert state.amount_micros is not None, "An amount in a wallet's currency has its micros."
    refund, is_new = Refund.objects.get_or_create(
        stripe_refund_id=state.id,
        defaults={
            "wallet_id": top_up.wallet_id,
            "top_up": top_up,
            "amount_micros": state.amount_micros,
            "status": state.status,
            "reason": state.reason,
        },
    )
    is_further = not is_new and _ORDER.index(refund.status) < _ORDER.index(state.status)
    if is_further:
        refund.status = state.status
        refund.save(update_fields=["status", "updated_at"])
    _post(refund, state)
    if refund.status in _RETURNED and (is_new or is_further):
        # Nobody waits for it any more: its page has said that it is done, and the wallet may be closed.
        alert("refund_failed", refund=refund.stripe_refund_id, wallet=refund.wallet_id, top_up=refund.top_up_id)
    return refund


def _post(refund: Refund, state: RefundState) -> None:
    receipt = refund.top_up.receipt_number or "a top-up"
    taken = Entry(
        debit=Account.WALLET,
        credit=Account.REFUNDS,
        amount_micros=refund.amount_micros,
        kind=Kind.REFUND,
        reference=state.id,
        description=f"Refund of {receipt}",
        happened_at=state.created_at,
        idempotency_key=f"refund:{state.id}",
    )
    put_back = Entry(
        debit=Account.REFUNDS,
        credit=Account.WALLET,
        amount_micros=refund.amount_micros,
        kind=Kind.REFUND_FAILED,
        reference=state.id,
        description=f"Refund of {receipt} failed and was put back",
        happened_at=state.created_at,
        idempotency_key=f"refund-failed:{state.id}",
    )
    returned = refund.status in _RETURNED
    post(refund.wallet_id, [taken, put_back] if returned else [taken])
    wallet = lock_wallet(refund.wallet_id)
    # After the money was taken: what is available stays as it was, and nobody is told in between that there is more of it.
    _resolve_request(wallet, refund, request_id=state.request_id)
    announce_standings([wallet], came_in=returned)


def _resolve_request(wallet: Wallet, refund: Refund, *, request_id: str) -> None:
    """Bring what the operator asked for into step, where this refund came of it."""
    request = _request_of(refund, request_id=request_id)
    if request is None:
        return
    if request.is_open:
        end_refund_hold(wallet, key=request.hold_key)
    failed = refund.status in _RETURNED
    request.status = RefundRequest.Status.FAILED if failed else RefundRequest.Status.DONE
    request.failure_message = "The bank did not take the money, so it is back in the wallet." if failed else ""
    request.refund, request.next_check_at, request.resolved_at = refund, None, request.resolved_at or timezone.now()
    request.save(update_fields=["status", "failure_message", "refund", "next_check_at", "resolved_at"])


def _request_of(refund: Refund, *, request_id: str) -> RefundRequest | None:
    """Metadata can be edited by hand at Stripe: what is no request for this very refund is none at all."""
    try:
        key = UUID(request_id)
    except ValueError:
        return None
    sent = RefundRequest.objects.exclude(status__in=("waiting", "rejected", "withdrawn"))
    own = sent.filter(pk=key, top_up=refund.top_up_id, amount_micros=refund.amount_micros)
    return own.filter(Q(refund=None) | Q(refund=refund)).first()

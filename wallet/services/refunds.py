"""Refunds as Stripe tells them: posted once each, and once back where one fails."""

from django.db import transaction

from wallet.errors import UnknownPayment
from wallet.ledger import Entry, lock_wallet, post
from wallet.models import Account, Kind, Refund, TopUp
from wallet.stripe_objects import RefundState

_RETURNED = ("failed", "canceled")


@transaction.atomic
def apply_refund(state: RefundState) -> Refund:
    """Take the refund from the wallet, or put it back where it failed (faults: A17, A18). May take the wallet below zero.

    Counted by refund id, never by the payment's cumulative `amount_refunded`.
    Locks: top-up → wallet. Idempotent by: the ledger keys `refund:<id>` and `refund-failed:<id>`.
    Raises: UnknownPayment where the payment has no top-up.
    """
    top_up = TopUp.objects.select_for_update().filter(payment_intent_id=state.payment_id).first()
    if top_up is None or state.amount_micros is None:
        raise UnknownPayment(f"No top-up stands for the refund {state.id}.")
    lock_wallet(top_up.wallet_id)
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
    if not is_new and refund.status != state.status:
        refund.status = state.status
        refund.save(update_fields=["status", "updated_at"])
    _post(refund, state)
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
    post(refund.wallet_id, [taken, put_back] if state.status in _RETURNED else [taken])

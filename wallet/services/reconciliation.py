"""Finds what webhooks never told: Stripe's recent payments, refunds and disputes against our rows (faults: A9, B25)."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import UnknownPayment
from wallet.models import TopUp
from wallet.services.disputes import apply_dispute
from wallet.services.refunds import apply_refund
from wallet.services.settlement import adopt_payment, settle_payment
from wallet.stripe_objects import DisputeState, Payment, RefundState

logger = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=4)
"""Longer than Stripe goes on sending a webhook (three days), so that nothing falls between the two."""
ADOPT_AFTER = timedelta(minutes=10)


@dataclass
class Found:
    """What one run brought into step."""

    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    credited: int = 0
    unmatched: int = 0


def reconcile_since(look_back: timedelta = LOOK_BACK) -> Found:
    """Bring our books into step with everything that happened at Stripe since then. Not inside a transaction.

    Safe to run at any time and twice: each effect has its ledger key. Raises: GatewayError.
    """
    since, found = timezone.now() - look_back, Found()
    for payment in stripe_gateway.payments_since(since):
        _reconcile_payment(payment, found)
    for refund in stripe_gateway.refunds_since(since):
        _reconcile_refund(refund, found)
    for dispute in stripe_gateway.disputes_since(since):
        _reconcile_dispute(dispute, found)
    logger.info("reconciled", **vars(found))
    return found


def _reconcile_payment(payment: Payment, found: Found) -> None:
    if not payment.top_up_id:
        return
    found.payments += 1
    if TopUp.objects.filter(payment_intent_id=payment.id, status=TopUp.Status.SUCCEEDED).exists():
        return
    top_up = _settled(payment, found)
    if top_up is not None and payment.succeeded and top_up.status == TopUp.Status.SUCCEEDED:
        found.credited += 1


def _settled(payment: Payment, found: Found) -> TopUp | None:
    try:
        return settle_payment(payment)
    except UnknownPayment:
        if timezone.now() - payment.created_at < ADOPT_AFTER:
            return None  # Its row may be just about to be committed elsewhere.
        top_up = adopt_payment(payment)
    if top_up is None and payment.succeeded:
        found.unmatched += 1
        alert("payment_without_wallet", payment=payment.id)
    return top_up


def _reconcile_refund(refund: RefundState, found: Found) -> None:
    if TopUp.objects.filter(payment_intent_id=refund.payment_id).exists():
        apply_refund(refund)
        found.refunds += 1


def _reconcile_dispute(dispute: DisputeState, found: Found) -> None:
    if TopUp.objects.filter(payment_intent_id=dispute.payment_id).exists():
        apply_dispute(dispute)
        found.disputes += 1

"""Finds what webhooks never told: Stripe's recent payments, refunds and disputes against our rows (faults: A9, B25)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import GatewayRejected, IdempotencyConflict, PaymentMismatch, UnknownPayment
from wallet.models import Discrepancy, Dispute, Refund, TopUp
from wallet.services.disputes import apply_dispute
from wallet.services.refunds import apply_refund
from wallet.services.settlement import adopt_payment, settle_payment
from wallet.stripe_objects import DisputeState, Payment, RefundState

logger = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=4)
"""Longer than Stripe goes on sending a webhook (three days), so that nothing falls between the two."""
LOOK_BACK_FAR = timedelta(days=35)
"""Once a day: longer than Stripe keeps events (30 days), for what only then came to an end, such as a refund that failed late."""
ADOPT_AFTER = timedelta(minutes=10)
FOLLOW_UP_MAX = 200
"""Open refunds, and open disputes, that one run asks after, each by itself."""
TOLD_EVERY = 100
_OPEN_REFUNDS = ("pending", "requires_action")

Tell = Callable[[str], None]
"""Told what is being done now, in words."""
Item = TypeVar("Item")


@dataclass
class Found:
    """What one run brought into step; `unmatched` is money of ours without a wallet, `refused` what did not fit its row.

    `too_young`: payments whose row may be just about to be committed elsewhere. Whose row is gone for good, a later run adopts.
    `gone`: refunds and disputes that have no end yet, and that Stripe knows no more.
    """

    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    credited: int = 0
    unmatched: int = 0
    refused: int = 0
    too_young: int = 0
    gone: list[Refund | Dispute] = field(default_factory=list)


def reconcile_since(look_back: timedelta = LOOK_BACK, *, tell: Tell = lambda words: None) -> Found:
    """Bring our books into step with everything that happened at Stripe since then. Not inside a transaction.

    Safe to run at any time and twice: each effect has its ledger key. Raises: GatewayError.
    """
    since, found = timezone.now() - look_back, Found()
    for payment in told(stripe_gateway.payments_since(since), "asking Stripe for payments", tell):
        with _refusal_noted(payment.id, found):
            _reconcile_payment(payment, found)
    for refund in told(stripe_gateway.refunds_since(since), "asking Stripe for refunds", tell):
        with _refusal_noted(refund.id, found):
            _reconcile_refund(refund, found)
    for dispute in told(stripe_gateway.disputes_since(since), "asking Stripe for disputes", tell):
        with _refusal_noted(dispute.id, found):
            _reconcile_dispute(dispute, found)
    _follow_up(found)
    logger.info("reconciled", **{**vars(found), "gone": len(found.gone)})
    return found


def told(items: Iterator[Item], words: str, tell: Tell) -> Iterator[Item]:
    """The items, telling now and then how many there were so far."""
    for number, item in enumerate(items, start=1):
        if number % TOLD_EVERY == 0:
            tell(f"{words}: {number:,} so far")
        yield item


@contextmanager
def _refusal_noted(object_id: str, found: Found) -> Iterator[None]:
    """What does not fit, or is not there at Stripe, is told and passed by: it must not keep the rest from its credit."""
    try:
        yield
    except (UnknownPayment, PaymentMismatch, IdempotencyConflict, GatewayRejected) as error:
        found.refused += 1
        alert("not_reconciled", stripe_object=object_id, error=error)
    finally:
        # What is logged from here on is about another wallet, or none.
        structlog.contextvars.unbind_contextvars("wallet")


def _follow_up(found: Found) -> None:
    """Refunds and disputes whose end is not known yet, however old: Stripe's lists show them by when they were made."""
    # In random order, so that no one is left out for ever where there are more than one run asks after.
    refunds = Refund.objects.filter(status__in=_OPEN_REFUNDS).select_related("wallet", "top_up").order_by("?")
    for refund in refunds[:FOLLOW_UP_MAX]:
        with _refusal_noted(refund.stripe_refund_id, found), _gone_noted(refund, refund.stripe_refund_id, found):
            apply_refund(stripe_gateway.retrieve_refund(refund.stripe_refund_id))
    disputes = Dispute.objects.filter(closed_at=None).select_related("wallet", "top_up").order_by("?")
    for dispute in disputes[:FOLLOW_UP_MAX]:
        with _refusal_noted(dispute.stripe_dispute_id, found), _gone_noted(dispute, dispute.stripe_dispute_id, found):
            apply_dispute(stripe_gateway.retrieve_dispute(dispute.stripe_dispute_id))


@contextmanager
def _gone_noted(row: Refund | Dispute, stripe_id: str, found: Found) -> Iterator[None]:
    """What Stripe knows no more is kept for the list of discrepancies. Once a person has explained it there, nobody is told again.

    It is asked after all the same: Stripe may have it again, as after a key of another account was taken out.
    """
    try:
        yield
    except GatewayRejected as error:
        if not error.is_missing:
            raise
        found.gone.append(row)
        listed = Discrepancy.objects.filter(kind=Discrepancy.Kind.NOT_GONE_BACK, reference=stripe_id)
        if not listed.filter(explained_by__isnull=False).exists():
            raise


def _reconcile_payment(payment: Payment, found: Found) -> None:
    if not payment.top_up_id:
        return
    found.payments += 1
    if _is_credited(payment.id):
        return
    top_up = _settled(payment, found)
    if top_up is not None and payment.succeeded and top_up.status == TopUp.Status.SUCCEEDED:
        found.credited += 1


def _is_credited(payment_id: str) -> bool:
    return TopUp.objects.filter(payment_intent_id=payment_id, status=TopUp.Status.SUCCEEDED).exists()


def _settled(payment: Payment, found: Found) -> TopUp | None:
    try:
        return settle_payment(payment)
    except UnknownPayment:
        if timezone.now() - payment.created_at < ADOPT_AFTER:
            found.too_young += 1
            return None
        top_up = adopt_payment(payment)
    if top_up is None and payment.succeeded:
        found.unmatched += 1
        alert("payment_without_wallet", payment=payment.id)
    return top_up


def _reconcile_refund(refund: RefundState, found: Found) -> None:
    if _is_credited(refund.payment_id):
        apply_refund(refund)
        found.refunds += 1


def _reconcile_dispute(dispute: DisputeState, found: Found) -> None:
    if _is_credited(dispute.payment_id):
        apply_dispute(dispute)
        found.disputes += 1

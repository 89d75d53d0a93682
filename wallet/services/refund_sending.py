"""Sends refunds that were asked for to Stripe, and asks after them until the outcome is known. What comes of them books refunds.py."""

from datetime import timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import ActRefused, CardDeclined, GatewayError, GatewayRejected, OutcomeUnknown
from wallet.models import RefundRequest
from wallet.services.holds import end_refund_hold
from wallet.services.refunds import apply_refund
from wallet.services.second_person import audit, locked_proposal
from wallet.services.top_ups import KEY_REMEMBERED_FOR, LOOKED_UP_AFTER, SEND_CHECK_AFTER, UNKNOWN_CHECK_AFTER
from wallet.stripe_objects import RefundState
from workspaces.models import User

logger = structlog.get_logger(__name__)

Status = RefundRequest.Status
_SENDABLE = (Status.SENDING, Status.UNKNOWN)
SENT_AT_ONCE_WITHIN = timedelta(minutes=10)
"""What waited longer for its first request is looked for at Stripe before it: a restored database may have forgotten one."""


def send_refund(request_id: UUID | str) -> RefundRequest:
    """Send the refund to Stripe, if nobody has yet, and record the outcome. Refusals and time-outs are outcomes, not errors.

    Safe from anywhere, any number of times: one claim wins. Not inside a transaction: asks Stripe.
    """
    waiting = RefundRequest.objects.filter(pk=request_id, status=Status.CREATED)
    if waiting.update(status=Status.SENDING, sent_at=Now(), next_check_at=timezone.now() + SEND_CHECK_AFTER):
        request = _read(request_id)
        if _waited(request) < SENT_AT_ONCE_WITHIN:
            _send(request)
        else:
            ask_after_refund(request)
    return _read(request_id)


def ask_after_refund(request: RefundRequest) -> None:
    """Find out what became of a refund: by our id in the metadata of the payment's refunds, else by sending it under the same key.

    Never sent again once Stripe may have forgotten the key (faults: B22). Not inside a transaction. Raises: GatewayError.
    """
    state = _refund_at_stripe(request)
    if state is not None:
        apply_refund(state)
    elif request.status not in _SENDABLE:
        return
    elif _age(request) >= KEY_REMEMBERED_FOR:
        alert("refund_without_outcome", refund_request=request.pk, wallet=request.wallet_id)
        RefundRequest.objects.filter(pk=request.pk, status__in=_SENDABLE).update(status=Status.MANUAL_REVIEW, next_check_at=None)
    else:
        _send(request)


def give_up_refund(request_id: UUID, *, by: User) -> RefundRequest:
    """Look once more for a refund that a person has to look at, and let the money be spent again where Stripe has none.

    Not inside a transaction: asks Stripe. Idempotent: what has its outcome keeps it.
    Raises: ActRefused while it may still be sent; GatewayError, with nothing changed.
    """
    request = _read(request_id)
    if request.status in (Status.DONE, Status.FAILED):
        return request
    if request.status != Status.MANUAL_REVIEW:
        raise ActRefused("This refund is still under way: its outcome is asked for by itself.")
    state = _refund_at_stripe(request)
    if state is not None:
        apply_refund(state)
    else:
        _fail(request_id, message="Stripe has no such refund.", given_up_by=by)
    return _read(request_id)


def _send(request: RefundRequest) -> None:
    """One request under the refund's own key; what comes of it is written down, whatever it is."""
    try:
        apply_refund(_create(request))
    except CardDeclined as error:
        _fail(request.pk, message=str(error))
    except GatewayRejected as error:
        _record_rejection(request, error)
    except OutcomeUnknown as error:
        if error.replayed and _age(request) >= LOOKED_UP_AFTER:
            _believe_saved_failure(request)
        else:
            _record_unknown(request, error)
    except GatewayError as error:
        _record_unknown(request, error)


def _create(request: RefundRequest) -> RefundState:
    return stripe_gateway.create_refund(
        payment_id=request.top_up.payment_intent_id or "",
        amount_micros=request.amount_micros,
        currency=request.wallet.currency,
        metadata={"refund_request_id": str(request.pk), "workspace": request.wallet.workspace.public_id},
        idempotency_key=f"refund-{request.pk}",
    )


def _refund_at_stripe(request: RefundRequest) -> RefundState | None:
    assert request.top_up.payment_intent_id, "Only what was paid is refunded."
    listed = stripe_gateway.refunds_of_payment(request.top_up.payment_intent_id)
    return next((state for state in listed if state.request_id == str(request.pk)), None)


def _believe_saved_failure(request: RefundRequest) -> None:
    """Stripe repeats a saved 5xx, so it is done with the request: what is listed now says what came of it (faults: B5)."""
    try:
        state = _refund_at_stripe(request)
    except GatewayError as error:
        _record_unknown(request, error)
        return
    if state is not None:
        apply_refund(state)
    else:
        _fail(request.pk, message="Stripe could not process it. Nothing went back.")


def _record_rejection(request: RefundRequest, error: GatewayRejected) -> None:
    alert("refund_rejected", refund_request=request.pk, wallet=request.wallet_id, error=error)
    if error.key_was_used:
        # An earlier request under this key asked for something else, and may have sent money back.
        RefundRequest.objects.filter(pk=request.pk, status__in=_SENDABLE).update(status=Status.MANUAL_REVIEW, next_check_at=None)
    else:
        _fail(request.pk, message=str(error))


def _record_unknown(request: RefundRequest, error: GatewayError) -> None:
    logger.warning("refund_outcome_unknown", refund_request=str(request.pk), wallet=request.wallet_id, code=error.code, error=str(error))
    RefundRequest.objects.filter(pk=request.pk, status__in=_SENDABLE).update(
        status=Status.UNKNOWN, next_check_at=timezone.now() + UNKNOWN_CHECK_AFTER
    )


@transaction.atomic
def _fail(request_id: UUID, *, message: str, given_up_by: User | None = None) -> None:
    """No money went back: it may be spent again. Locks: wallet. What was resolved meanwhile stays so."""
    wallet, request = locked_proposal(RefundRequest, request_id)
    if not request.is_open:
        return
    before = request.status
    end_refund_hold(wallet, key=request.hold_key)
    request.status, request.failure_message = Status.FAILED, message
    request.next_check_at, request.resolved_at = None, timezone.now()
    request.save(update_fields=["status", "failure_message", "next_check_at", "resolved_at"])
    if given_up_by is not None:
        audit(wallet, request, done="given_up", before={"status": before}, after={"status": request.status}, reason=message)


def _read(request_id: UUID | str) -> RefundRequest:
    return RefundRequest.objects.select_related("wallet__workspace", "top_up", "refund").get(pk=request_id)


def _waited(request: RefundRequest) -> timedelta:
    return timezone.now() - (request.decided_at or request.requested_at)


def _age(request: RefundRequest) -> timedelta:
    return timezone.now() - (request.sent_at or request.requested_at)

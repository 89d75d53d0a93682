"""Top-ups on a saved card: requested, sent to Stripe, and asked after until the outcome is known."""

from datetime import timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import (
    AlreadyResolved,
    CardDeclined,
    CardUnusable,
    Decline,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    IdempotencyConflict,
    OutcomeUnknown,
    WalletClosed,
    WalletFrozen,
)
from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Card, Origin, TopUp, Wallet
from wallet.services.automatic_charges import is_allowed
from wallet.services.charging_switch import charging_is_paused
from wallet.services.customers import has_outlived_customer, let_go_if_deleted, look_up, stripe_customer
from wallet.services.payment_links import check_top_up_amount
from wallet.services.settlement import AUTHENTICATION_REQUIRED, end_top_up, fail_top_up, settle_payment, why_to_cancel
from wallet.stripe_objects import Payment
from workspaces.models import User
from workspaces.services.audit import record

logger = structlog.get_logger(__name__)

SEND_CHECK_AFTER = timedelta(seconds=60)
"""How long a sent top-up may be without an outcome before the sweep asks; longer than any request lasts."""
UNKNOWN_CHECK_AFTER = timedelta(seconds=20)
KEY_REMEMBERED_FOR = timedelta(hours=23)
"""Stripe may forget an idempotency key after 24 hours (docs.stripe.com/api/idempotent_requests): from then on, look up only."""
LOOKED_UP_AFTER = timedelta(seconds=60)
LOOK_BACK = timedelta(hours=1)
"""How far our clock may be ahead of Stripe's when a payment is looked for."""
SENT_WITHIN = timedelta(hours=1)
"""A wish that nobody could send for so long is dropped: nobody expects the charge any more."""

_CHARGEABLE = (TopUp.Status.SENDING, TopUp.Status.UNKNOWN)


def request_top_up(wallet: Wallet, *, amount_micros: int, card: Card, request_id: str, requested_by: User | None) -> TopUp:
    """The committed row of a top-up on a saved card; `charge_top_up` sends it.

    Idempotent by: `request_id`, in its wallet. Locks: wallet.
    Raises: AmountOutOfRange, InexactAmount, CardUnusable, WalletClosed, WalletFrozen; IdempotencyConflict where the request asked for
    another amount or card before.
    """
    check_top_up_amount(amount_micros, currency=wallet.currency)
    with transaction.atomic():
        locked = lock_wallet(wallet.pk)
        if locked.closed_at is not None:
            raise WalletClosed("This workspace was closed, so its wallet takes no more money.")
        standing = TopUp.objects.filter(wallet=wallet, request_id=request_id).first()
        if standing is None:
            if locked.frozen_at is not None:
                raise WalletFrozen("This wallet is frozen: no card is charged. Write to us to have it opened again.")
            _check_card(wallet, card)
            record("top_up.requested", workspace=wallet.pk, target=card.label, after={"amount_micros": amount_micros})
            return TopUp.objects.create(
                wallet=wallet,
                origin=Origin.MANUAL,
                amount_micros=amount_micros,
                card=card,
                request_id=request_id,
                requested_by=requested_by,
                next_check_at=timezone.now() + SEND_CHECK_AFTER,
            )
    if (standing.amount_micros, standing.card_id) != (amount_micros, card.pk):
        raise IdempotencyConflict("This form was already sent with another amount or card. Open it again for a new top-up.")
    return standing


def _check_card(wallet: Wallet, card: Card) -> None:
    card.refresh_from_db()
    if card.wallet_id != wallet.pk or card.removed_at is not None:
        raise CardUnusable("This card was removed. Choose another card, or pay another way.")


def charge_top_up(top_up_id: UUID | str) -> TopUp:
    """Send the top-up to Stripe, if nobody has yet, and record the outcome. Declines and time-outs are outcomes, not errors.

    Safe from anywhere, any number of times: one claim wins. Where the wallet was frozen meanwhile it waits, and is dropped
    unless that ends in time; where it was closed, at once. Not inside a transaction: asks Stripe.
    """
    waiting = TopUp.objects.filter(pk=top_up_id, status=TopUp.Status.CREATED, card__isnull=False).exclude(origin=Origin.AUTOMATIC)
    # Not by a join: whoever waits here for another's claim would then take the row as it was before it.
    may_charge = Exists(Wallet.objects.filter(pk=OuterRef("wallet_id"), frozen_at=None, closed_at=None))
    in_time = waiting.filter(may_charge, created_at__gt=Now() - SENT_WITHIN)
    if in_time.update(status=TopUp.Status.SENDING, sent_at=Now(), next_check_at=timezone.now() + SEND_CHECK_AFTER):
        send_claimed(top_up_id)
    elif waiting.filter(Q(created_at__lte=Now() - SENT_WITHIN) | Q(wallet__closed_at__isnull=False)).exists():
        _drop_unsent(top_up_id)
    return _with_wallet(top_up_id)


@transaction.atomic
def _drop_unsent(top_up_id: UUID | str) -> None:
    """Unless whoever looked earlier has claimed it since. Locks: top-up → wallet."""
    if TopUp.objects.select_for_update().get(pk=top_up_id).status == TopUp.Status.CREATED:
        end_top_up(top_up_id, status=TopUp.Status.EXPIRED)


def send_claimed(top_up_id: UUID | str) -> None:
    """Make the first request for a top-up that the caller has just claimed. Not inside a transaction."""
    top_up = _with_wallet(top_up_id)
    if top_up.card is not None and top_up.card.removed_at is not None:
        # Never another card in its place: the payer chose this one (faults: B11).
        fail_top_up(
            top_up.pk, decline=Decline(code="card_removed", message="The card was removed before it was charged. Nothing was charged.")
        )
        return
    _send(top_up)


def was_forgotten(top_up: TopUp) -> bool:
    """Whether it waited so long to be sent that nobody expects the charge any more."""
    return _age(top_up) >= SENT_WITHIN


def ask_after_top_up(top_up: TopUp) -> None:
    """Find out what became of a top-up on a saved card whose outcome is not known.

    By Stripe's id, else by ours in the metadata, else by sending the same request under the same key, which either
    replays the outcome or charges once. Never sent again once Stripe may have forgotten the key (faults: B22).
    Not inside a transaction. Raises: GatewayError where Stripe does not answer.
    """
    payment = _payment_at_stripe(top_up)
    if payment is not None and (decline := why_to_cancel(payment)) is not None:
        _end_unfinished(top_up, CardDeclined(decline, payment_id=payment.id))
    elif payment is not None:
        settle_payment(payment)
    elif top_up.status not in _CHARGEABLE or _age(top_up) >= KEY_REMEMBERED_FOR:
        _give_to_a_person(top_up)
    elif has_outlived_customer(top_up):
        # Its card went with its customer: what Stripe does not list by then, it has not charged and never will.
        if _age(top_up) >= LOOKED_UP_AFTER:
            _fail_for_lost_card(top_up)
    elif not _is_still_allowed(top_up):
        # Nothing is sent again that its owner does not want any more, that passes a cap by now, or whose wallet was frozen or closed;
        # what never reached Stripe is dropped (faults: B21).
        if _age(top_up) >= LOOKED_UP_AFTER:
            end_top_up(top_up.pk, status=TopUp.Status.CANCELED)
    elif top_up.origin != Origin.AUTOMATIC or not charging_is_paused():
        _send(top_up)


def _is_still_allowed(top_up: TopUp) -> bool:
    if top_up.origin != Origin.AUTOMATIC:
        return top_up.wallet.frozen_at is None and top_up.wallet.closed_at is None
    rule = AutomaticPayments.objects.filter(wallet=top_up.wallet_id, is_active=True).first()
    return rule is not None and is_allowed(top_up, wallet=top_up.wallet, rule=rule)


def close_review(top_up: TopUp, *, reason: str) -> TopUp:
    """End a top-up that waits for a person, who has looked at Stripe: nothing was charged for it.

    Stripe is asked once more: what it did charge is credited, whatever the person says; what does not fit its row cannot be, so
    that one is closed once it was refunded at Stripe, and stays in review until then. Not inside a transaction.
    Raises: AlreadyResolved where it does not wait for anybody; GatewayError.
    """
    if top_up.status != TopUp.Status.MANUAL_REVIEW:
        raise AlreadyResolved(f"This top-up is {top_up.status}: only one in manual review can be closed.")
    payment = _payment_at_stripe(top_up)
    if payment is not None and payment.status not in ("canceled", "requires_payment_method"):
        settled = settle_payment(payment)
        if settled.status != TopUp.Status.MANUAL_REVIEW or not _was_sent_back(payment):
            return settled
    with transaction.atomic():
        closed = fail_top_up(top_up.pk, decline=Decline(code="closed_by_operator", message="Nothing was charged."))
        record("top_up.review_closed", workspace=top_up.wallet_id, target=str(top_up.pk), reason=reason, as_staff=True)
    return closed


def _was_sent_back(payment: Payment) -> bool:
    refunds = stripe_gateway.refunds_of_payment(payment.id)
    returned_micros = sum(refund.amount_micros or 0 for refund in refunds if refund.status not in ("failed", "canceled"))
    return payment.succeeded and 0 < (payment.amount_micros or 0) <= returned_micros


def _with_wallet(top_up_id: UUID | str) -> TopUp:
    return TopUp.objects.select_related("wallet__workspace", "card").get(pk=top_up_id)


def _send(top_up: TopUp) -> None:
    """One request under the top-up's own key; what comes of it is written down, whatever it is."""
    try:
        settle_payment(_charge(top_up))
    except CardDeclined as error:
        _record_decline(top_up, error)
    except GatewayUnavailable as error:
        _record_unknown(top_up, error)
    except OutcomeUnknown as error:
        if error.replayed and _age(top_up) >= LOOKED_UP_AFTER:
            _believe_saved_failure(top_up)
        else:
            _record_unknown(top_up, error)
    except GatewayRejected as error:
        _record_rejection(top_up, error)


def _believe_saved_failure(top_up: TopUp) -> None:
    """Stripe repeats a saved 5xx, so it is done with the request: what is listed from now on says what came of it (faults: B5)."""
    payment = _payment_at_stripe(top_up)
    if payment is not None:
        settle_payment(payment)
    else:
        fail_top_up(top_up.pk, decline=Decline(code="processing_error", message="The payment could not be processed. Nothing was charged."))


def _charge(top_up: TopUp) -> Payment:
    card, wallet = top_up.card, top_up.wallet
    assert card is not None, "Only top-ups on a saved card are sent; the others are paid in Checkout."
    return stripe_gateway.charge_card(
        customer_id=stripe_customer(wallet),
        payment_method_id=card.payment_method_id,
        amount_micros=top_up.amount_micros,
        currency=wallet.currency,
        description="Wallet balance",
        metadata=payment_metadata(top_up),
        idempotency_key=f"top-up-{top_up.pk}",
    )


def payment_metadata(top_up: TopUp) -> dict[str, str]:
    """What a payment at Stripe says of its top-up: enough to find the row, or to make it anew from Stripe alone."""
    return {"top_up_id": str(top_up.pk), "workspace": top_up.wallet.workspace.public_id, "origin": top_up.origin}


def _record_decline(top_up: TopUp, error: CardDeclined) -> None:
    if error.decline.reason == AUTHENTICATION_REQUIRED and error.payment_id:
        _end_unfinished(top_up, error)
    else:
        fail_top_up(top_up.pk, decline=error.decline, payment_id=error.payment_id)


def _end_unfinished(top_up: TopUp, error: CardDeclined) -> None:
    """It waits for the cardholder, who is not there: end this payment for good before another way to pay is offered."""
    try:
        payment = stripe_gateway.cancel_payment(error.payment_id)
    except GatewayError as cancelling:
        TopUp.objects.filter(pk=top_up.pk, payment_intent_id=None).update(payment_intent_id=error.payment_id)
        _record_unknown(top_up, cancelling)
        return
    if payment.status == "canceled":
        fail_top_up(top_up.pk, decline=error.decline, payment_id=error.payment_id)
    else:
        settle_payment(payment)


def _record_rejection(top_up: TopUp, error: GatewayRejected) -> None:
    if not error.key_was_used and let_go_if_deleted(top_up.wallet):
        _fail_for_lost_card(top_up)
        return
    alert("charge_rejected", top_up=top_up.pk, wallet=top_up.wallet_id, error=error)
    if error.key_was_used:
        # An earlier request under this key asked for something else, and may have charged.
        _give_to_a_person(top_up)
    elif error.param == "payment_method":
        # Detached by the operator's hand: the same answer for ever, so another card must do.
        _fail_for_lost_card(top_up)
    else:
        message = "The payment could not be made. Nothing was charged; we have been told."
        fail_top_up(top_up.pk, decline=Decline(code="rejected", message=message))


def _fail_for_lost_card(top_up: TopUp) -> None:
    fail_top_up(top_up.pk, decline=Decline(code="card_gone", message="The card can't be charged any more. Nothing was charged."))


def _record_unknown(top_up: TopUp, error: GatewayError) -> None:
    logger.warning("top_up_outcome_unknown", top_up=str(top_up.pk), wallet=top_up.wallet_id, code=error.code, error=str(error))
    TopUp.objects.filter(pk=top_up.pk, status__in=_CHARGEABLE).update(
        status=TopUp.Status.UNKNOWN, next_check_at=timezone.now() + UNKNOWN_CHECK_AFTER
    )


def _payment_at_stripe(top_up: TopUp) -> Payment | None:
    if top_up.payment_intent_id:
        return stripe_gateway.retrieve_payment(top_up.payment_intent_id)
    since = (top_up.sent_at or top_up.created_at) - LOOK_BACK

    def find(customer_id: str) -> Payment | None:
        listed = stripe_gateway.payments_since(since, customer_id=customer_id)
        return next((payment for payment in listed if payment.top_up_id == str(top_up.pk)), None)

    return look_up(top_up, find)


def _give_to_a_person(top_up: TopUp) -> None:
    alert("top_up_without_outcome", top_up=top_up.pk, wallet=top_up.wallet_id)
    TopUp.objects.filter(pk=top_up.pk, status__in=_CHARGEABLE).update(status=TopUp.Status.MANUAL_REVIEW, next_check_at=None)


def _age(top_up: TopUp) -> timedelta:
    return timezone.now() - (top_up.sent_at or top_up.created_at)

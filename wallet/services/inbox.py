"""The webhook inbox: kept before it is answered, handled by a worker, never lost and never handled twice.

A payload is only a hint of what to look at: the object is fetched afresh, so late, doubled and disordered
events all lead to the same books.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import GatewayError, GatewayUnavailable, PaymentMismatch, UnknownPayment
from wallet.models import PaymentLink, TopUp, Wallet, WebhookEvent
from wallet.services.cards import refresh_card
from wallet.services.checkout import find_attempt, settle_checkout
from wallet.services.customers import let_customer_go
from wallet.services.disputes import apply_dispute
from wallet.services.payment_links import DECLINES_MAX, mark_withdrawn
from wallet.services.refunds import apply_refund
from wallet.services.settlement import settle_payment
from wallet.stripe_objects import IncomingEvent
from workspaces.wake import wake

ATTEMPTS_MAX = 15
RETRY_AFTER = timedelta(seconds=30)
RETRY_AFTER_MAX = timedelta(hours=1)

SECRETS = frozenset({"client_secret", "success_url", "cancel_url", "return_url", "url", "redirect_to_url", "receipt_url"})
"""Members of Stripe's objects: keys of a payment, and addresses, among them those of Checkout and of our own payment links."""
LEFT_OUT = "…"

Effect = Callable[[], object]
"""What to do in the database once Stripe has been asked."""


def receive_event(incoming: IncomingEvent) -> WebhookEvent:
    """Keep a verified event and wake a worker. A repeat of an event that was not handled yet wakes it again.

    Idempotent by: Stripe's event id.
    """
    event, _ = WebhookEvent.objects.get_or_create(
        stripe_event_id=incoming.id,
        defaults={
            "type": incoming.type,
            "object_id": incoming.object_id,
            "payload": _without_secrets(incoming.payload),
            "next_attempt_at": timezone.now(),
        },
    )
    if event.status == WebhookEvent.Status.RECEIVED:
        wake("wallet.tasks.handle_webhook_event", event.pk)
    return event


def _without_secrets(value: Any) -> Any:
    """The payload without what opens something: a stolen copy of the database must pay no link and confirm no payment."""
    if isinstance(value, dict):
        return {name: LEFT_OUT if name in SECRETS and part else _without_secrets(part) for name, part in value.items()}
    return [_without_secrets(part) for part in value] if isinstance(value, list) else value


def handle_event(stripe_event_id: str) -> WebhookEvent:
    """Bring our books into step with what the event is about, if it is due and nobody else is at it.

    Fetches from Stripe first, then applies the effect and stamps `handled_at` in one transaction.
    Locks: webhook event → top-up → wallet. Raises whatever went wrong, with the next attempt already set: after
    ATTEMPTS_MAX the event is dead and the operator is told; an event is never dropped.
    """
    event = _claim(stripe_event_id)
    if event is None:
        return WebhookEvent.objects.get(pk=stripe_event_id)
    try:
        effect = _prepare(event)
        _finish(event, effect)
    except (GatewayError, UnknownPayment, PaymentMismatch) as error:
        _note(event, f"{error.code}: {error}")
    except Exception as error:
        _note(event, repr(error))
        raise
    event.refresh_from_db()
    return event


def _note(event: WebhookEvent, error: str) -> None:
    WebhookEvent.objects.filter(pk=event.pk).update(last_error=error)


def revive_dead_events() -> int:
    """Have every dead event handled again by the next sweep, once its cause is mended; how many they are."""
    return WebhookEvent.objects.filter(status=WebhookEvent.Status.DEAD).update(
        status=WebhookEvent.Status.RECEIVED, attempts=0, next_attempt_at=Now()
    )


def _claim(stripe_event_id: str) -> WebhookEvent | None:
    """Count the attempt before it is made, so that one that kills its worker is counted as well."""
    event = WebhookEvent.objects.filter(pk=stripe_event_id).first()
    if event is None or event.status != WebhookEvent.Status.RECEIVED:
        return None
    if event.attempts >= ATTEMPTS_MAX:
        _bury(event)
        return None
    delay = min(RETRY_AFTER * 2**event.attempts, RETRY_AFTER_MAX)
    claimed = WebhookEvent.objects.filter(
        pk=event.pk, status=WebhookEvent.Status.RECEIVED, attempts=event.attempts, next_attempt_at__lte=Now()
    ).update(attempts=F("attempts") + 1, next_attempt_at=timezone.now() + delay)
    event.attempts += 1
    return event if claimed else None


@transaction.atomic
def _finish(event: WebhookEvent, effect: Effect | None) -> None:
    locked = WebhookEvent.objects.select_for_update().get(pk=event.pk)
    if locked.status != WebhookEvent.Status.RECEIVED:
        return
    if effect is not None:
        effect()
    locked.status = WebhookEvent.Status.HANDLED if effect else WebhookEvent.Status.IGNORED
    locked.handled_at, locked.next_attempt_at = timezone.now(), None
    locked.save(update_fields=["status", "handled_at", "next_attempt_at"])


def _bury(event: WebhookEvent) -> None:
    """Not before it is due: the last attempt may still be under way, and what it does must be kept."""
    buried = WebhookEvent.objects.filter(pk=event.pk, status=WebhookEvent.Status.RECEIVED, next_attempt_at__lte=Now()).update(
        status=WebhookEvent.Status.DEAD, next_attempt_at=None
    )
    if buried:
        alert("webhook_event_dead", webhook_event=event.pk, type=event.type, error=event.last_error)


# ---------------------------------------------------------------- what each kind of event means


def _prepare(event: WebhookEvent) -> Effect | None:
    """Ask Stripe how things stand, and answer what follows for us; None where the event is not about a wallet."""
    prepare = _PREPARE.get(event.type)
    return prepare(event) if prepare else None


def _prepare_checkout(event: WebhookEvent) -> Effect | None:
    checkout = stripe_gateway.retrieve_checkout(event.object_id)
    attempt = find_attempt(checkout)
    if attempt is None:
        if checkout.attempt_id:
            raise UnknownPayment(f"No attempt of ours opened the session {checkout.id}.")
        return None
    return lambda: settle_checkout(checkout, attempt=attempt)


def _prepare_payment(event: WebhookEvent) -> Effect | None:
    payment = stripe_gateway.retrieve_payment(event.object_id)
    if not payment.top_up_id:
        return None

    def effect() -> None:
        top_up = settle_payment(payment)
        if event.type == "payment_intent.payment_failed":
            _count_decline(top_up)

    return effect


def _count_decline(top_up: TopUp) -> None:
    """Too many declined cards on one link look like card testing: the link is closed (faults: 17)."""
    if top_up.payment_link_id is None:
        return
    PaymentLink.objects.filter(pk=top_up.payment_link_id).update(declines=F("declines") + 1)
    link = PaymentLink.objects.get(pk=top_up.payment_link_id)
    if link.declines >= DECLINES_MAX and link.withdrawn_at is None:
        alert("payment_link_closed_after_declines", link=link.pk, wallet=link.wallet_id)
        mark_withdrawn(link)
        wake("wallet.tasks.withdraw_payment_link", str(link.pk))


def _prepare_refund(event: WebhookEvent) -> Effect | None:
    """The payment is settled first: a refund may be told of before the payment that it returns (faults: A11)."""
    refund = stripe_gateway.retrieve_refund(event.object_id)
    payment = stripe_gateway.retrieve_payment(refund.payment_id) if refund.payment_id else None
    if payment is None or not payment.top_up_id:
        return None
    return lambda: (settle_payment(payment), apply_refund(refund))


def _prepare_refunds_of_charge(event: WebhookEvent) -> Effect | None:
    payment_id = event.payload["data"]["object"].get("payment_intent") or ""
    payment = stripe_gateway.retrieve_payment(payment_id) if payment_id else None
    if payment is None or not payment.top_up_id:
        return None
    refunds = list(stripe_gateway.refunds_of_payment(payment.id))
    return lambda: (settle_payment(payment), [apply_refund(refund) for refund in refunds])


def _prepare_dispute(event: WebhookEvent) -> Effect | None:
    dispute = stripe_gateway.retrieve_dispute(event.object_id)
    payment = stripe_gateway.retrieve_payment(dispute.payment_id) if dispute.payment_id else None
    if payment is None or not payment.top_up_id:
        return None
    return lambda: (settle_payment(payment), apply_dispute(dispute))


def _prepare_card(event: WebhookEvent) -> Effect | None:
    """Banks replace cards: the network tells Stripe the new number's last four and expiry."""
    details = stripe_gateway.retrieve_card(event.object_id)
    return (lambda: refresh_card(details)) if details else None


def _prepare_deleted_customer(event: WebhookEvent) -> Effect | None:
    wallet = Wallet.objects.filter(stripe_customer_id=event.object_id).first()
    if wallet is None:
        return None
    if not stripe_gateway.is_customer_deleted(event.object_id):
        raise GatewayUnavailable(f"Stripe tells that {event.object_id} was deleted, and still has it.")
    return lambda: let_customer_go(wallet.pk, customer_id=event.object_id)


_PREPARE: dict[str, Callable[[WebhookEvent], Effect | None]] = {
    "checkout.session.completed": _prepare_checkout,
    "checkout.session.async_payment_succeeded": _prepare_checkout,
    "checkout.session.async_payment_failed": _prepare_checkout,
    "checkout.session.expired": _prepare_checkout,
    "payment_intent.succeeded": _prepare_payment,
    "payment_intent.payment_failed": _prepare_payment,
    "payment_intent.processing": _prepare_payment,
    "payment_intent.canceled": _prepare_payment,
    "refund.created": _prepare_refund,
    "refund.updated": _prepare_refund,
    "refund.failed": _prepare_refund,
    "charge.refunded": _prepare_refunds_of_charge,
    "charge.dispute.created": _prepare_dispute,
    "charge.dispute.updated": _prepare_dispute,
    "charge.dispute.funds_withdrawn": _prepare_dispute,
    "charge.dispute.funds_reinstated": _prepare_dispute,
    "charge.dispute.closed": _prepare_dispute,
    "payment_method.updated": _prepare_card,
    "payment_method.automatically_updated": _prepare_card,
    "customer.deleted": _prepare_deleted_customer,
}
"""Every event that the endpoint should be subscribed to; any other is kept and ignored."""

"""Brings our rows into step with what Stripe says of a payment. The one place where a top-up is credited.

The synchronous answer, the webhook, the success page and the sweep all come here, in any order and any number
of times: money that arrived is credited once, whatever our row said before. Never asks Stripe itself.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from wallet.alerts import alert
from wallet.errors import Decline, PaymentMismatch, UnknownPayment
from wallet.ledger import Entry, lock_wallet, post
from wallet.models import Account, Card, EventType, Kind, Notice, Origin, PaymentLink, TopUp, Wallet
from wallet.services.automatic_outcomes import note_outcome
from wallet.services.cards import is_lost, save_card
from wallet.services.customers import is_customer_of, wallets_of_customers
from wallet.services.notices import notify_admins
from wallet.services.outgoing import announce
from wallet.services.standing import announce_standings
from wallet.stripe_objects import CardDetails, Payment
from wallet_billing.counters import Counter

AUTHENTICATION_REQUIRED = "authentication_required"
CANCEL_AFTER = timedelta(seconds=20)
"""How long whoever sent a payment that the bank wants confirmed has to cancel it, before the sweep does."""

Status = TopUp.Status
OUTCOMES = Counter(
    name="wallet_top_ups",
    meaning="Attempts to bring money in that came to their end, by who asked and how they ended.",
    labels={"origin": Origin.values, "outcome": ["succeeded", "failed", "canceled", "expired"]},
)
_STATUS_AT_STRIPE = {"processing": Status.PROCESSING, "requires_action": Status.REQUIRES_ACTION}
_TOLD = {Status.SUCCEEDED: EventType.TOP_UP_SUCCEEDED, Status.FAILED: EventType.TOP_UP_FAILED}
_LABELS = {
    Origin.MANUAL: (Kind.TOP_UP, "Top-up"),
    Origin.PAYMENT_LINK: (Kind.TOP_UP, "Top-up by payment link"),
    Origin.AUTOMATIC: (Kind.AUTOMATIC_PAYMENT, "Automatic payment"),
}


@transaction.atomic
def settle_payment(payment: Payment) -> TopUp:
    """The top-up behind the payment, brought into step with it: credited, failed, canceled, or still open.

    Locks: top-up → wallet. Idempotent by: the ledger key `top-up:<id>`.
    Raises: UnknownPayment where no top-up has the payment's id.
    A payment whose amount, currency, mode or customer is not what we asked for is not credited: the top-up goes to
    manual review and the operator is told (faults: A16).
    """
    top_up = _locked_top_up(payment)
    if top_up.status == Status.SUCCEEDED:
        return top_up
    wallet = lock_wallet(top_up.wallet_id)
    if mismatch := _mismatch(payment, top_up=top_up, wallet=wallet):
        return _send_to_review(top_up, payment, mismatch=mismatch)
    top_up.payment_intent_id = payment.id
    if payment.succeeded:
        return _credit(top_up, payment)
    if top_up.is_open:
        _follow(top_up, payment)
    return top_up


@transaction.atomic
def fail_top_up(top_up_id: UUID | str, *, decline: Decline, payment_id: str = "") -> TopUp:
    """Record that the attempt brought no money; a top-up that is resolved already stays as it is.

    Locks: top-up → wallet.
    """
    top_up = TopUp.objects.select_for_update().get(pk=top_up_id)
    lock_wallet(top_up.wallet_id)
    if top_up.is_open:
        top_up.payment_intent_id = payment_id or top_up.payment_intent_id
        _record_decline(top_up, decline)
        _resolve(top_up, Status.FAILED)
    return top_up


@transaction.atomic
def end_top_up(top_up_id: UUID | str, *, status: TopUp.Status) -> TopUp:
    """Close an attempt that can bring no money any more as expired or canceled. Locks: top-up → wallet."""
    top_up = TopUp.objects.select_for_update().get(pk=top_up_id)
    lock_wallet(top_up.wallet_id)
    if top_up.is_open:
        _resolve(top_up, status)
    return top_up


def lock_credited_top_up(payment_id: str) -> TopUp:
    """The top-up that the payment was credited to, for what takes money of it back. Inside the caller's transaction.

    Locks: top-up → wallet. Raises: UnknownPayment where the payment has no top-up; PaymentMismatch where it was never
    credited, so that nothing may be taken back.
    """
    top_up = TopUp.objects.select_for_update().filter(payment_intent_id=payment_id).first() if payment_id else None
    if top_up is None:
        raise UnknownPayment(f"No top-up stands for the payment {payment_id}.")
    top_up.wallet = lock_wallet(top_up.wallet_id)
    if top_up.status != Status.SUCCEEDED:
        raise PaymentMismatch(f"The payment {payment_id} was never credited: its top-up {top_up.pk} is {top_up.status}.")
    return top_up


@transaction.atomic
def adopt_payment(payment: Payment) -> TopUp | None:
    """Credit a payment that is ours by its metadata although its row is missing, or stands for another payment.

    A book restored from a backup lacks the newest rows (faults: B25); a payer who paid twice paid twice. Automatic ones count
    toward their owner's caps again.
    None where the customer is no wallet's, or nothing was paid. Locks: top-up → wallet.
    """
    wallet = Wallet.objects.filter(pk__in=wallets_of_customers([payment.customer_id]).values()).first()
    if wallet is None or not payment.succeeded or payment.amount_micros is None:
        return None
    # No lock before the top-up's own: of two who adopt at once, the payment's unique id lets one make the row.
    top_up, is_new = TopUp.objects.get_or_create(payment_intent_id=payment.id, defaults=_adopted(payment, wallet=wallet))
    settled = settle_payment(payment)
    if is_new:
        alert("payment_adopted", payment=payment.id, top_up=top_up.pk, wallet=wallet.pk)
    if is_new and top_up.origin == Origin.AUTOMATIC:
        # It was taken then, not now: what was charged before a restore uses up no charge of the day after it.
        settled.resolved_at = payment.created_at
        settled.save(update_fields=["resolved_at"])
    return settled


def _adopted(payment: Payment, *, wallet: Wallet) -> dict[str, object]:
    """The row of a payment that has none. An automatic one is born resolved: another may be open, and the index allows one."""
    row = {
        "wallet": wallet,
        "origin": Origin.MANUAL,
        "amount_micros": payment.amount_micros,
        "request_id": f"stripe:{payment.id}",
        "created_at": payment.created_at,
    }
    if payment.origin != Origin.AUTOMATIC:
        return row
    return row | {"origin": Origin.AUTOMATIC, "status": Status.EXPIRED, "resolved_at": payment.created_at}


def why_to_cancel(payment: Payment) -> Decline | None:
    """What a payment on a saved card failed with that waits for its cardholder, or for a confirmation that got lost.

    Neither comes to an end by itself: it must be canceled before another way is offered. None for any other payment.
    """
    if payment.status == "requires_action":
        return Decline(code=AUTHENTICATION_REQUIRED)
    if payment.status == "requires_confirmation":
        return Decline(code="processing_error", message="The payment could not be processed. Nothing was charged.")
    is_asked_for = payment.decline is not None and payment.decline.reason == AUTHENTICATION_REQUIRED
    return payment.decline if payment.status == "requires_payment_method" and is_asked_for else None


def top_up_key(top_up: TopUp) -> str:
    """The ledger key of the top-up's one credit."""
    return f"top-up:{top_up.pk}"


def _locked_top_up(payment: Payment) -> TopUp:
    """By the payment where we know it, else by our id in its metadata, so that an adopted payment finds its own row."""
    rows = TopUp.objects.select_for_update()
    top_up = rows.filter(payment_intent_id=payment.id).first() or _by_id(rows, payment.top_up_id)
    if top_up is None or top_up.payment_intent_id not in (None, payment.id):
        raise UnknownPayment(f"No top-up stands for the payment {payment.id}.")
    return top_up


def _by_id(rows: QuerySet[TopUp], text: str) -> TopUp | None:
    """Metadata can be edited by hand at Stripe: what is no id of ours names no row of ours."""
    try:
        return rows.filter(pk=UUID(text)).first()
    except ValueError:
        return None


def _mismatch(payment: Payment, *, top_up: TopUp, wallet: Wallet) -> str:
    customer_id = payment.customer_id if is_customer_of(wallet, payment.customer_id) else wallet.stripe_customer_id
    expected = {
        "amount": (payment.amount_micros, top_up.amount_micros),
        "currency": (payment.currency, wallet.currency),
        "mode": (payment.livemode, settings.STRIPE_LIVE),
        "customer": (payment.customer_id, customer_id),
    }
    return ", ".join(f"{name} {found!r} instead of {wanted!r}" for name, (found, wanted) in expected.items() if found != wanted)


def _send_to_review(top_up: TopUp, payment: Payment, *, mismatch: str) -> TopUp:
    alert("payment_mismatch", top_up=top_up.pk, wallet=top_up.wallet_id, payment=payment.id, mismatch=mismatch)
    top_up.payment_intent_id = payment.id
    if top_up.is_open:
        top_up.status, top_up.next_check_at = Status.MANUAL_REVIEW, None
    top_up.save(update_fields=["status", "next_check_at", "payment_intent_id"])
    return top_up


def _credit(top_up: TopUp, payment: Payment) -> TopUp:
    if not top_up.is_open:
        alert("payment_for_a_closed_top_up", top_up=top_up.pk, status=top_up.status, payment=payment.id)
    card = _keep_card(top_up, payment.card)
    kind, label = _LABELS[Origin(top_up.origin)]
    paid_with = _paid_with(payment)
    post(
        top_up.wallet_id,
        [
            Entry(
                debit=Account.STRIPE,
                credit=Account.WALLET,
                amount_micros=top_up.amount_micros,
                kind=kind,
                reference=str(top_up.pk),
                description=f"{label} · {paid_with}" if paid_with else label,
                happened_at=payment.created_at,
                idempotency_key=top_up_key(top_up),
            )
        ],
    )
    top_up.card = card or top_up.card
    _write_receipt(top_up, paid_with=paid_with)
    _record_decline(top_up, _NO_DECLINE)
    _resolve(top_up, Status.SUCCEEDED)
    if top_up.payment_link_id is not None:
        _use_link(top_up.payment_link_id)
    is_automatic = top_up.origin == Origin.AUTOMATIC
    notify_admins(top_up.wallet_id, kind=Notice.Kind.AUTOMATIC_PAYMENT if is_automatic else Notice.Kind.RECEIPT, reference=str(top_up.pk))
    announce_standings([lock_wallet(top_up.wallet_id)], came_in=True)
    return top_up


def _use_link(link_id: UUID) -> None:
    """A link works once: whatever else of it may still be open is for the sweep to end."""
    PaymentLink.objects.filter(pk=link_id, used_at=None).update(used_at=Now())
    others = TopUp.objects.filter(payment_link_id=link_id, next_check_at__isnull=False)
    # Not waited for: the wallet is locked, and who has such a row locked is waiting for it, to settle that row themselves.
    free = list(others.select_for_update(skip_locked=True).values_list("pk", flat=True))
    others.filter(pk__in=free).update(next_check_at=Now())


def _keep_card(top_up: TopUp, details: CardDetails | None) -> Card | None:
    if details is None or not top_up.saves_card or is_lost(details):
        return None
    return save_card(top_up.wallet_id, details, connected_by=top_up.requested_by, is_from_payment=True)


def _paid_with(payment: Payment) -> str:
    card = payment.card
    return Card(brand=card.brand, last_four=card.last_four).label if card else payment.other_method


def _write_receipt(top_up: TopUp, *, paid_with: str) -> None:
    """Whatever the receipt says that may have another name tomorrow: who paid, who was paid, with what, told in which zone."""
    workspace = top_up.wallet.workspace
    top_up.receipt_number = _next_receipt_number()
    top_up.paid_with, top_up.paid_by, top_up.paid_zone = paid_with, workspace.name, workspace.time_zone
    top_up.paid_to = "\n".join(line for line in (settings.OPERATOR_NAME, *settings.OPERATOR_ADDRESS) if line)


def _next_receipt_number() -> str:
    with connection.cursor() as cursor:
        # The ORM has no word for a sequence of its own.
        cursor.execute("SELECT nextval('wallet_receipt_number')")
        (number,) = cursor.fetchone()
    return f"W-{number:06d}"


def _follow(top_up: TopUp, payment: Payment) -> None:
    """Take over an outcome that is no success. In Checkout a declined payer may try another card: the attempt stays open."""
    if payment.decline is not None:
        _record_decline(top_up, payment.decline)
    is_on_saved_card = top_up.payment_link_id is None
    if is_on_saved_card and (decline := why_to_cancel(payment)) is not None:
        _record_decline(top_up, decline)
        _await_cancelling(top_up)
    elif is_on_saved_card and payment.status == "requires_payment_method":
        _resolve(top_up, Status.FAILED)
    elif payment.status == "canceled":
        was_unauthenticated = is_on_saved_card and top_up.decline_code == AUTHENTICATION_REQUIRED
        _resolve(top_up, Status.FAILED if was_unauthenticated else Status.CANCELED)
    else:
        if top_up.status != Status.MANUAL_REVIEW:
            top_up.status = _status_while_open(top_up, payment)
        top_up.save(update_fields=["status", "payment_intent_id", *_DECLINE_FIELDS])


def _await_cancelling(top_up: TopUp) -> None:
    """Told by a webhook before whoever sent it: the top-up stays open until the payment is canceled (faults: B10)."""
    if top_up.status != Status.REQUIRES_ACTION:
        top_up.status, top_up.next_check_at = Status.REQUIRES_ACTION, timezone.now() + CANCEL_AFTER
    top_up.save(update_fields=["status", "next_check_at", "payment_intent_id", *_DECLINE_FIELDS])


def _status_while_open(top_up: TopUp, payment: Payment) -> TopUp.Status:
    """An answer may be older than what the row knows: back from processing leads only the end of its session (checkout.py)."""
    if payment.status == "requires_payment_method" and top_up.status == Status.REQUIRES_ACTION:
        return Status.CREATED
    return _STATUS_AT_STRIPE.get(payment.status, Status(top_up.status))


_NO_DECLINE = Decline(code="")
_RECEIPT_FIELDS = ("paid_with", "paid_by", "paid_to", "paid_zone")
_DECLINE_FIELDS = ("decline_code", "advice_code", "network_decline_code", "failure_message")


def _record_decline(top_up: TopUp, decline: Decline) -> None:
    top_up.decline_code, top_up.advice_code = decline.reason, decline.advice_code
    top_up.network_decline_code, top_up.failure_message = decline.network_decline_code, decline.message


def _resolve(top_up: TopUp, status: TopUp.Status) -> None:
    top_up.status, top_up.resolved_at, top_up.next_check_at = status, timezone.now(), None
    top_up.save(
        update_fields=[
            "status",
            "resolved_at",
            "next_check_at",
            "payment_intent_id",
            "card",
            "receipt_number",
            *_RECEIPT_FIELDS,
            *_DECLINE_FIELDS,
        ]
    )
    note_outcome(top_up)
    transaction.on_commit(lambda: OUTCOMES.add(str(top_up.origin), str(status)), robust=True)
    if event := _TOLD.get(status):
        announce(top_up.wallet_id, event=event, data=_what_is_told(top_up), key=f"{event}:{top_up.pk}")


def _what_is_told(top_up: TopUp) -> dict[str, object]:
    return {
        "top_up": top_up.pk,
        "origin": top_up.origin,
        "amount_micros": top_up.amount_micros,
        "payment_link": top_up.payment_link_id,
        "receipt_number": top_up.receipt_number,
        "paid_with": top_up.paid_with,
        "decline_code": top_up.decline_code,
    }

"""Hosted Checkout for payment links: one open session per link, asked after until it is paid or over.

An attempt (TopUp to pay, CardSetup to connect a card) is committed before Stripe is asked, and its id is the
idempotency key: a request that is sent again gets the same session (faults: A3, A4), and where Stripe only repeats a saved
failure, the session that came of it or one under the next key (B5). Never two that can be paid.
"""

import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import Decline, GatewayError, GatewayRejected, GatewayUnavailable, LinkUnusable, PaymentMismatch
from wallet.ledger import lock_wallet
from wallet.models import OPEN_STATUSES, CardSetup, Origin, PaymentLink, TopUp
from wallet.services.cards import is_lost, save_card
from wallet.services.customers import has_outlived_customer, look_up, stripe_customer, with_customer
from wallet.services.payment_links import LinkState, link_state, mark_withdrawn, payment_link_token, payment_link_url
from wallet.services.renewed_keys import is_certain, is_used_up, key_of, renew_key
from wallet.services.settlement import end_top_up, fail_top_up, settle_payment
from wallet.services.top_ups import payment_metadata
from wallet.stripe_objects import Checkout

SESSION_LIFETIME = timedelta(hours=2)
"""Stripe allows 30 minutes to 24 hours. Short, so that a forgotten session is over soon; the link opens another."""
SESSION_REUSED_UNTIL = timedelta(minutes=5)
SESSION_OPENED_UNTIL = timedelta(minutes=31)
"""So long before its end a session can still be opened, or brought back under its key: Stripe takes none of under 30 minutes."""
SESSION_CHECK_AFTER = timedelta(minutes=2)
LOOK_BACK = timedelta(hours=1)
"""How far our clock may be ahead of Stripe's when a lost session is looked for."""
BUSY_WAIT_SECONDS, BUSY_WAITS_MAX = 1.0, 4
"""A second click finds Stripe busy with the first one's key, for as long as that takes."""

OVER = "This payment link doesn't work any more."

Attempt = TopUp | CardSetup


def open_checkout(link: PaymentLink, *, saves_card: bool = False) -> str:
    """The address of the hosted page where the link is paid, or its card connected.

    An open session is used again; where the payer changed their mind about saving the card, or it is nearly over,
    it is ended first, so that never two can be paid. So is one whose customer was deleted, which nobody can pay.
    Not inside a transaction: asks Stripe. Raises: LinkUnusable; GatewayError, after which the same call is safe to repeat.
    """
    try:
        return with_customer(link.wallet, lambda: _open(link, saves_card=saves_card))
    except GatewayRejected as error:
        alert("checkout_rejected", link=link.pk, wallet=link.wallet_id, error=error)
        raise


def _open(link: PaymentLink, *, saves_card: bool) -> str:
    attempt = _attempt(link, saves_card=saves_card)
    if _is_spent(attempt, saves_card=saves_card):
        end_checkout(attempt)
        attempt = _attempt(link, saves_card=saves_card)
    if not attempt.checkout_url:
        _open_session_once(attempt)
        _refuse_what_is_over(link, attempt)
    return attempt.checkout_url


def return_from_checkout(link: PaymentLink) -> LinkState:
    """How the link stands after the payer came back: Stripe is asked, the address they came by is not believed.

    Not inside a transaction. Raises: GatewayError.
    """
    for attempt in _open_attempts(link):
        ask_after_checkout(attempt)
    link.refresh_from_db()
    return link_state(link)


def withdraw_payment_link(link: PaymentLink) -> LinkState:
    """Close the link, and end its session so that nobody pays any more; if it was paid at the last moment, the payment won.

    Not inside a transaction: asks Stripe. Raises: GatewayError, with the link closed for new payers already.
    """
    mark_withdrawn(link)
    for attempt in _open_attempts(link):
        end_checkout(attempt)
    link.refresh_from_db()
    return link_state(link)


def end_checkout(attempt: Attempt) -> None:
    """See to it that the attempt's session, if there is one, cannot be paid any more; if it was paid just now, the payment won.

    Not inside a transaction: asks Stripe. Raises: GatewayError.
    """
    session_id = attempt.checkout_session_id or with_customer(attempt.wallet, lambda: _lost_session(attempt))
    if session_id is None and not _end_unopened(attempt):
        session_id = attempt.checkout_session_id
    if session_id is not None:
        settle_checkout(stripe_gateway.expire_checkout(session_id), attempt=attempt)


def ask_after_checkout(attempt: Attempt) -> None:
    """Bring the attempt into step with its session at Stripe. Not inside a transaction. Raises: GatewayError."""
    link = attempt.payment_link
    assert link is not None, "Only payment links are paid in Checkout."
    is_closed = link.withdrawn_at is not None or link.used_at is not None or attempt.wallet.closed_at is not None
    is_over = is_closed or has_outlived_customer(attempt)
    if is_over or (not attempt.checkout_session_id and _time_left(attempt) <= timedelta(0)):
        end_checkout(attempt)
    elif attempt.checkout_session_id:
        settle_checkout(stripe_gateway.retrieve_checkout(attempt.checkout_session_id), attempt=attempt)


def settle_checkout(checkout: Checkout, *, attempt: Attempt) -> None:
    """Apply a session as Stripe tells it: pay, connect, or end the attempt. Idempotent.

    Locks: top-up → wallet. Raises: PaymentMismatch where the session is not this attempt's.
    """
    if checkout.attempt_id != str(attempt.pk) or attempt.checkout_session_id not in (None, checkout.id):
        raise PaymentMismatch(f"The session {checkout.id} is not of the attempt {attempt.pk}.")
    if attempt.checkout_session_id is None and not _remember_session(attempt, checkout):
        raise PaymentMismatch(f"The attempt {attempt.pk} has another session than {checkout.id}.")
    if isinstance(attempt, CardSetup):
        _settle_setup(checkout, attempt)
    elif checkout.payment is not None:
        _settle_top_up(checkout, attempt)
    if checkout.status == "expired":
        _mark_over(attempt)


def find_attempt(checkout: Checkout) -> Attempt | None:
    """The attempt that the session belongs to, by its id in the session's metadata; None where that is no id of ours."""
    try:
        attempt_id = UUID(checkout.attempt_id)
    except ValueError:
        return None
    for model in (TopUp, CardSetup):
        attempt = model.objects.select_related("wallet__workspace", "payment_link").filter(pk=attempt_id).first()
        if attempt is not None:
            return attempt
    return None


def _open_attempts(link: PaymentLink) -> list[Attempt]:
    return [*link.top_ups.filter(resolved_at=None), *link.card_setups.filter(resolved_at=None)]


def _attempt(link: PaymentLink, *, saves_card: bool) -> Attempt:
    """The link's open attempt, or a new one with everything that Stripe will be told frozen in it. Locks: wallet."""
    with transaction.atomic():
        wallet = lock_wallet(link.wallet_id)
        link.refresh_from_db()
        if link_state(link) is not LinkState.OPEN or wallet.closed_at is not None:
            raise LinkUnusable(OVER)
        return _open_top_up(link, saves_card=saves_card) if link.purpose == PaymentLink.Purpose.PAY else _open_setup(link)


def _open_top_up(link: PaymentLink, *, saves_card: bool) -> TopUp:
    assert link.amount_micros is not None, "payment_link_has_an_amount_to_pay"
    top_up, _ = TopUp.objects.get_or_create(
        payment_link=link,
        status__in=OPEN_STATUSES,
        defaults={
            "wallet_id": link.wallet_id,
            "origin": Origin.PAYMENT_LINK,
            "amount_micros": link.amount_micros,
            "request_id": f"link:{link.pk}:{link.top_ups.count() + 1}",
            "requested_by": link.created_by,
            "saves_card": saves_card,
            "checkout_expires_at": timezone.now() + SESSION_LIFETIME,
            "next_check_at": timezone.now() + SESSION_CHECK_AFTER,
        },
    )
    return top_up


def _open_setup(link: PaymentLink) -> CardSetup:
    setup, _ = CardSetup.objects.get_or_create(
        payment_link=link,
        resolved_at=None,
        defaults={
            "wallet_id": link.wallet_id,
            "checkout_expires_at": timezone.now() + SESSION_LIFETIME,
            "next_check_at": timezone.now() + SESSION_CHECK_AFTER,
        },
    )
    return setup


def _is_spent(attempt: Attempt, *, saves_card: bool) -> bool:
    too_late = SESSION_REUSED_UNTIL if attempt.checkout_url else SESSION_OPENED_UNTIL
    is_otherwise = isinstance(attempt, TopUp) and attempt.saves_card != saves_card
    return _time_left(attempt) < too_late or is_otherwise or has_outlived_customer(attempt)


def _time_left(attempt: Attempt) -> timedelta:
    assert attempt.checkout_expires_at is not None, "Attempts of links are made with the end of their session."
    return attempt.checkout_expires_at - timezone.now()


@transaction.atomic
def _end_unopened(attempt: Attempt) -> bool:
    """End an attempt of which Stripe has no session. False where somebody opened one meanwhile: who opens it looks here afterwards."""
    locked = type(attempt).objects.select_for_update().get(pk=attempt.pk)
    attempt.checkout_session_id = locked.checkout_session_id
    if locked.checkout_session_id is not None:
        return False
    _mark_over(attempt)
    return True


def _lost_session(attempt: Attempt) -> str | None:
    """The session whose answer was lost: its key brings it back while Stripe would open it, later it is looked for."""
    if has_outlived_customer(attempt):
        return _find_session(attempt)
    attempt.wallet.refresh_from_db(fields=["stripe_customer_id"])
    if attempt.wallet.stripe_customer_id is None:
        return None  # No session is opened before its customer is written down.
    if _time_left(attempt) < SESSION_OPENED_UNTIL:
        return _find_session(attempt)
    _forget_last_payer(attempt)
    try:
        _ask_for_session(attempt)
    except GatewayError as error:
        if not is_used_up(attempt, error):
            raise
        found = _find_session(attempt)
        if found is None and not is_certain(attempt):
            raise
        return found
    return attempt.checkout_session_id


def _find_session(attempt: Attempt) -> str | None:
    since = attempt.created_at - LOOK_BACK
    return look_up(attempt, lambda customer: stripe_gateway.find_checkout(customer_id=customer, attempt_id=str(attempt.pk), since=since))


def _open_session_once(attempt: Attempt) -> None:
    """Open the session, or wait for the one that another click is just opening."""
    for _ in range(BUSY_WAITS_MAX):
        try:
            return _open_session(attempt)
        except GatewayUnavailable:
            time.sleep(BUSY_WAIT_SECONDS)
            attempt.refresh_from_db(fields=["checkout_session_id", "checkout_url"])
            if attempt.checkout_url:
                return None
    return _open_session(attempt)


def _open_session(attempt: Attempt) -> None:
    """Open the session under its key; where that is used up, take what came of it, or open it under the next (faults: B5)."""
    _forget_last_payer(attempt)
    try:
        return _ask_for_session(attempt)
    except GatewayError as error:
        if not is_used_up(attempt, error):
            raise
        found = _find_session(attempt)
        if found is None and not is_certain(attempt):
            raise
    if found is not None:
        return settle_checkout(stripe_gateway.retrieve_checkout(found), attempt=attempt)
    renew_key(attempt)
    return _ask_for_session(attempt)


def _forget_last_payer(attempt: Attempt) -> None:
    """Stripe keeps the mail address of the last payer at the customer, and would show it to the next one."""
    stripe_gateway.forget_payer(stripe_customer(attempt.wallet))


def _ask_for_session(attempt: Attempt) -> None:
    link = attempt.payment_link
    assert link is not None, "Only payment links are paid in Checkout."
    session = _payment_session(link, attempt) if isinstance(attempt, TopUp) else _card_session(link, attempt)
    if not _remember_session(attempt, session):
        # Opened under the next key while this answer was on its way: one is enough.
        stripe_gateway.expire_checkout(session.id)


def _remember_session(attempt: Attempt, session: Checkout) -> bool:
    """Write the session down, unless the attempt has another one; `attempt` carries the one that stands."""
    unopened_or_same = Q(checkout_session_id=None) | Q(checkout_session_id=session.id)
    written = type(attempt).objects.filter(unopened_or_same, pk=attempt.pk).update(checkout_session_id=session.id, checkout_url=session.url)
    attempt.refresh_from_db(fields=["checkout_session_id", "checkout_url"])
    return bool(written)


def _refuse_what_is_over(link: PaymentLink, attempt: Attempt) -> None:
    """Withdrawn, paid or closed while Stripe was asked: whoever did it found no session to end yet, so it is ended here.

    Raises: LinkUnusable.
    """
    attempt.refresh_from_db(fields=["resolved_at"])
    link.refresh_from_db()
    if attempt.resolved_at is None and link_state(link) is LinkState.OPEN:
        return
    end_checkout(attempt)
    raise LinkUnusable(OVER)


def _payment_session(link: PaymentLink, top_up: TopUp) -> Checkout:
    assert top_up.checkout_expires_at is not None, "Attempts of links are made with the end of their session."
    return stripe_gateway.open_payment_checkout(
        customer_id=stripe_customer(top_up.wallet),
        amount_micros=top_up.amount_micros,
        currency=top_up.wallet.currency,
        product_name="Wallet balance",
        saves_card=top_up.saves_card,
        metadata=payment_metadata(top_up) | {"attempt_id": str(top_up.pk)},
        expires_at=top_up.checkout_expires_at,
        success_url=_return_url(link),
        cancel_url=payment_link_url(link),
        idempotency_key=key_of(top_up, stem=f"checkout-{top_up.pk}"),
    )


def _card_session(link: PaymentLink, setup: CardSetup) -> Checkout:
    return stripe_gateway.open_card_checkout(
        customer_id=stripe_customer(setup.wallet),
        currency=setup.wallet.currency,
        metadata={"attempt_id": str(setup.pk), "workspace": setup.wallet.workspace.public_id},
        expires_at=setup.checkout_expires_at,
        success_url=_return_url(link),
        cancel_url=payment_link_url(link),
        idempotency_key=key_of(setup, stem=f"checkout-{setup.pk}"),
    )


def _return_url(link: PaymentLink) -> str:
    return settings.SITE_URL + reverse("billing:pay_return", args=[payment_link_token(link)])


def _settle_top_up(checkout: Checkout, top_up: TopUp) -> None:
    payment = checkout.payment
    assert payment is not None
    settle_payment(payment)
    if checkout.status == "complete" and payment.status == "requires_payment_method":
        # A bank debit that came back: a completed session takes no second try (faults: A14).
        fail_top_up(top_up.pk, decline=payment.decline or Decline(code="payment_failed"), payment_id=payment.id)


@transaction.atomic
def _settle_setup(checkout: Checkout, attempt: CardSetup) -> None:
    if checkout.status != "complete":
        return
    if checkout.card is None:
        # Something that we cannot charge, which Stripe's dashboard has to be told not to offer.
        alert("connected_no_card", card_setup=attempt.pk, wallet=attempt.wallet_id)
        _mark_over(attempt)
        return
    # Before the wallet, as whoever has the sweep look at attempts takes them.
    CardSetup.objects.select_for_update().get(pk=attempt.pk)
    lock_wallet(attempt.wallet_id)
    if is_lost(checkout.card):
        _mark_over(attempt)
        return
    link = attempt.payment_link
    card = save_card(attempt.wallet_id, checkout.card, connected_by=link.created_by)
    CardSetup.objects.filter(pk=attempt.pk, resolved_at=None).update(
        status=CardSetup.Status.SUCCEEDED, card=card, resolved_at=Now(), next_check_at=None
    )
    PaymentLink.objects.filter(pk=link.pk, used_at=None).update(used_at=Now())


def _mark_over(attempt: Attempt) -> None:
    if isinstance(attempt, TopUp):
        end_top_up(attempt.pk, status=TopUp.Status.EXPIRED)
    else:
        CardSetup.objects.filter(pk=attempt.pk, resolved_at=None).update(
            status=CardSetup.Status.EXPIRED, resolved_at=Now(), next_check_at=None
        )

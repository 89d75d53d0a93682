"""Hosted Checkout for payment links: one open session per link, asked after until it is paid or over.

An attempt (TopUp to pay, CardSetup to connect a card) is committed before Stripe is asked, and its id is the
idempotency key: a request that is sent again gets the same session (faults: A3, A4).
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from wallet import stripe_gateway
from wallet.errors import LinkUnusable, PaymentMismatch
from wallet.ledger import lock_wallet
from wallet.models import OPEN_STATUSES, CardSetup, Origin, PaymentLink, TopUp
from wallet.services.cards import save_card
from wallet.services.payment_links import LinkState, link_state, mark_withdrawn, payment_link_token, payment_link_url
from wallet.services.settlement import end_top_up, settle_payment
from wallet.services.top_ups import payment_metadata
from wallet.services.wallets import stripe_customer
from wallet.stripe_objects import Checkout

SESSION_LIFETIME = timedelta(hours=2)
"""Stripe allows 30 minutes to 24 hours. Short, so that a forgotten session is over soon; the link opens another."""
SESSION_REUSED_UNTIL = timedelta(minutes=5)
SESSION_CHECK_AFTER = timedelta(minutes=2)

Attempt = TopUp | CardSetup


def open_checkout(link: PaymentLink, *, saves_card: bool = False) -> str:
    """The address of the hosted page where the link is paid, or its card connected.

    An open session is used again; where the payer changed their mind about saving the card, or it is nearly over,
    it is ended first, so that never two can be paid. Not inside a transaction: asks Stripe.
    Raises: LinkUnusable; GatewayError, after which the same call is safe to repeat.
    """
    attempt = _attempt(link, saves_card=saves_card)
    if _is_spent(attempt, saves_card=saves_card):
        _end(attempt)
        attempt = _attempt(link, saves_card=saves_card)
    if not attempt.checkout_url:
        _open_session(link, attempt)
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
        _end(attempt)
    link.refresh_from_db()
    return link_state(link)


def ask_after_checkout(attempt: Attempt) -> None:
    """Bring the attempt into step with its session at Stripe. Not inside a transaction. Raises: GatewayError."""
    if attempt.checkout_session_id:
        settle_checkout(stripe_gateway.retrieve_checkout(attempt.checkout_session_id), attempt=attempt)
    elif attempt.checkout_expires_at is None or attempt.checkout_expires_at <= timezone.now():
        # Its session, if one was ever made, is over, and its address was never shown to anybody.
        _mark_over(attempt)


def settle_checkout(checkout: Checkout, *, attempt: Attempt) -> None:
    """Apply a session as Stripe tells it: pay, connect, or end the attempt. Idempotent.

    Locks: top-up → wallet. Raises: PaymentMismatch where the session is not this attempt's.
    """
    if checkout.attempt_id != str(attempt.pk) or attempt.checkout_session_id not in (None, checkout.id):
        raise PaymentMismatch(f"The session {checkout.id} is not of the attempt {attempt.pk}.")
    if isinstance(attempt, CardSetup):
        _settle_setup(checkout, attempt)
    elif checkout.payment is not None:
        settle_payment(checkout.payment)
    if checkout.status == "expired":
        _mark_over(attempt)


def find_attempt(checkout: Checkout) -> Attempt | None:
    """The attempt that the session belongs to, by its id in the session's metadata."""
    for model in (TopUp, CardSetup):
        attempt = model.objects.select_related("wallet__workspace", "payment_link").filter(pk=checkout.attempt_id).first()
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
            raise LinkUnusable("This payment link doesn't work any more.")
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
    assert attempt.checkout_expires_at is not None, "Attempts of links are made with the end of their session."
    nearly_over = attempt.checkout_expires_at - timezone.now() < SESSION_REUSED_UNTIL
    return nearly_over or (isinstance(attempt, TopUp) and attempt.saves_card != saves_card)


def _end(attempt: Attempt) -> None:
    if attempt.checkout_session_id is None:
        _open_session_of(attempt)  # Its answer may have been lost: the same key brings the session back, to be ended.
    assert attempt.checkout_session_id is not None
    settle_checkout(stripe_gateway.expire_checkout(attempt.checkout_session_id), attempt=attempt)


def _open_session_of(attempt: Attempt) -> None:
    assert attempt.payment_link is not None, "Only payment links are paid in Checkout."
    _open_session(attempt.payment_link, attempt)


def _open_session(link: PaymentLink, attempt: Attempt) -> None:
    session = _payment_session(link, attempt) if isinstance(attempt, TopUp) else _card_session(link, attempt)
    attempt.checkout_session_id, attempt.checkout_url = session.id, session.url
    attempt.save(update_fields=["checkout_session_id", "checkout_url"])


def _payment_session(link: PaymentLink, top_up: TopUp) -> Checkout:
    assert top_up.checkout_expires_at is not None, "Attempts of links are made with the end of their session."
    return stripe_gateway.open_payment_checkout(
        customer_id=stripe_customer(link.wallet),
        amount_micros=top_up.amount_micros,
        currency=link.wallet.currency,
        product_name="Wallet balance",
        saves_card=top_up.saves_card,
        metadata=payment_metadata(top_up) | {"attempt_id": str(top_up.pk)},
        expires_at=top_up.checkout_expires_at,
        success_url=_return_url(link),
        cancel_url=payment_link_url(link),
        idempotency_key=f"checkout-{top_up.pk}",
    )


def _card_session(link: PaymentLink, setup: CardSetup) -> Checkout:
    return stripe_gateway.open_card_checkout(
        customer_id=stripe_customer(link.wallet),
        currency=link.wallet.currency,
        metadata={"attempt_id": str(setup.pk), "workspace": link.wallet.workspace.public_id},
        expires_at=setup.checkout_expires_at,
        success_url=_return_url(link),
        cancel_url=payment_link_url(link),
        idempotency_key=f"checkout-{setup.pk}",
    )


def _return_url(link: PaymentLink) -> str:
    return settings.SITE_URL + reverse("billing:pay_return", args=[payment_link_token(link)])


@transaction.atomic
def _settle_setup(checkout: Checkout, attempt: CardSetup) -> None:
    if checkout.status != "complete" or checkout.card is None:
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

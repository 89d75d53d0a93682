"""Payment links: made, found by token, withdrawn, mailed.

The token is derived from the link's id under SECRET_KEY, so that the owner can be shown the code again
although the database holds a hash only: a stolen copy of the database opens no link.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from wallet.errors import AmountOutOfRange, IdempotencyConflict, LinkUnusable, WalletClosed
from wallet.ledger import lock_wallet
from wallet.models import IN_FLIGHT_STATUSES, CardSetup, Notice, Origin, PaymentLink, TopUp, Wallet
from wallet.money import currency_of, format_money, to_minor
from wallet.services.notices import notify
from workspaces.models import User
from workspaces.services.audit import record

LINK_LIFETIME = timedelta(days=7)
DECLINES_MAX = 10
"""Declined payments that close a link: nobody who means to pay fails so often, card testers do."""


class LinkState(StrEnum):
    """What the holder of a link can do with it now."""

    OPEN = "open"
    PROCESSING = "processing"
    COVERED = "covered"  # The saved card is being charged for the same need: nobody need pay twice.
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


def request_payment_link(
    wallet: Wallet,
    *,
    purpose: PaymentLink.Purpose,
    amount_micros: int | None = None,
    request_id: str,
    requested_by: User | None,
    lifetime: timedelta = LINK_LIFETIME,
) -> PaymentLink:
    """A link to pay `amount_micros`, or to connect a card.

    Idempotent by: `request_id`, in its wallet. Locks: wallet.
    Raises: AmountOutOfRange, InexactAmount, WalletClosed; IdempotencyConflict where the request asked for something else before.
    """
    if amount_micros is not None:
        check_top_up_amount(amount_micros, currency=wallet.currency)
    with transaction.atomic():
        if lock_wallet(wallet.pk).closed_at is not None:
            raise WalletClosed("This workspace was closed, so its wallet takes no more money.")
        link = PaymentLink.objects.filter(wallet=wallet, request_id=request_id).first()
        if link is None:
            return _make(
                wallet, purpose=purpose, amount_micros=amount_micros, request_id=request_id, requested_by=requested_by, lifetime=lifetime
            )
    if (link.purpose, link.amount_micros) != (purpose, amount_micros):
        raise IdempotencyConflict("This form was already sent with another amount. Open it again to ask for a new one.")
    return link


def check_top_up_amount(amount_micros: int, *, currency: str) -> None:
    """Raises AmountOutOfRange outside one top-up's bounds, and InexactAmount where Stripe has no coin for it."""
    known = currency_of(currency)
    if not known.top_up_least_micros <= amount_micros <= known.top_up_most_micros:
        least, most = (format_money(bound, currency=currency) for bound in (known.top_up_least_micros, known.top_up_most_micros))
        raise AmountOutOfRange(f"Choose an amount from {least} to {most}.")
    to_minor(amount_micros, currency=currency)


def _make(
    wallet: Wallet,
    *,
    purpose: PaymentLink.Purpose,
    amount_micros: int | None,
    request_id: str,
    requested_by: User | None,
    lifetime: timedelta,
) -> PaymentLink:
    link_id = uuid4()
    link = PaymentLink.objects.create(
        id=link_id,
        wallet=wallet,
        purpose=purpose,
        amount_micros=amount_micros,
        request_id=request_id,
        token_sha256=_hashed(_token(link_id, secret=settings.SECRET_KEY)),
        created_by=requested_by,
        expires_at=timezone.now() + lifetime,
    )
    record("payment_link.made", workspace=wallet.pk, target=link.get_purpose_display(), after=_told(link))
    return link


def payment_link_token(link: PaymentLink) -> str:
    """The link's token, derived anew: 256 bits that only SECRET_KEY, or one of its fallbacks, can make. Raises: LinkUnusable."""
    token = _derived_token(link)
    if token is None:
        raise LinkUnusable("The key that made this link is gone. Make a new one.")
    return token


def _derived_token(link: PaymentLink) -> str | None:
    """None where SECRET_KEY was changed and the former one is no fallback."""
    tokens = (_token(link.pk, secret=secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    return next((token for token in tokens if hmac.compare_digest(_hashed(token), link.token_sha256)), None)


def payment_link_url(link: PaymentLink) -> str:
    """The public address; its QR code shows the very same."""
    return settings.SITE_URL + reverse("billing:pay", args=[payment_link_token(link)])


def find_payment_link(token: str) -> PaymentLink:
    """The link of that token, in whatever state. Raises: LinkUnusable."""
    link = PaymentLink.objects.select_related("wallet__workspace").filter(token_sha256=_hashed(token)).first()
    if link is None:
        raise LinkUnusable("This payment link doesn't work any more.")
    return link


def link_state(link: PaymentLink) -> LinkState:
    """Whether the link can be used now; time-outs count from the moment they pass."""
    return link_states([link])[link.pk]


def link_states(links: Sequence[PaymentLink]) -> dict[UUID, LinkState]:
    """The same for many at once, in three queries."""
    waiting = (TopUp.Status.PROCESSING, TopUp.Status.MANUAL_REVIEW)
    processing = set(TopUp.objects.filter(payment_link__in=links, status__in=waiting).values_list("payment_link_id", flat=True))
    # Read afresh: the wallet that a link carries may be as old as the page that was built with it.
    closed = set(Wallet.objects.filter(payment_links__in=links, closed_at__isnull=False).values_list("pk", flat=True))
    charges = TopUp.objects.filter(wallet__in=[link.wallet_id for link in links], origin=Origin.AUTOMATIC)
    covered = set(charges.filter(status__in=IN_FLIGHT_STATUSES).values_list("wallet_id", flat=True))
    return {
        link.pk: _state(link, is_processing=link.pk in processing, is_closed=link.wallet_id in closed, is_covered=link.wallet_id in covered)
        for link in links
    }


def _state(link: PaymentLink, *, is_processing: bool, is_closed: bool, is_covered: bool) -> LinkState:
    """As good as withdrawn: links of a closed wallet, which takes no more money, and those whose address nobody can tell any more."""
    if link.used_at is not None:
        return LinkState.USED
    if is_processing:
        return LinkState.PROCESSING
    if link.withdrawn_at is not None or is_closed:
        return LinkState.WITHDRAWN
    if link.expires_at <= timezone.now():
        return LinkState.EXPIRED
    if _derived_token(link) is None:
        return LinkState.WITHDRAWN
    return LinkState.COVERED if is_covered and link.purpose == PaymentLink.Purpose.PAY else LinkState.OPEN


def email_payment_link(link: PaymentLink, *, recipient: str) -> None:
    """Mail the link to whoever pays; one that is covered, once it is open again.

    Idempotent by: link and address. Raises: LinkUnusable where it is over.
    """
    _refuse_what_cannot_be_mailed(link)
    with transaction.atomic():
        notify(link.wallet_id, kind=Notice.Kind.PAYMENT_LINK, reference=str(link.pk), recipient=recipient)


@transaction.atomic
def resend_payment_link(link: PaymentLink, *, recipient: str, request_id: str) -> None:
    """Mail the link once more, by the operator's hand, also to an address that has had it.

    Locks: wallet. Idempotent by: `request_id`. Raises: LinkUnusable where it is over; IdempotencyConflict where the request named
    another address before.
    """
    lock_wallet(link.wallet_id)
    reference = f"{link.pk}:{request_id}"
    mailed = Notice.objects.filter(wallet=link.wallet_id, kind=Notice.Kind.PAYMENT_LINK, reference__startswith=str(link.pk))
    if standing := mailed.filter(reference=reference).first():
        if standing.recipient != recipient:
            raise IdempotencyConflict("This form was already sent with another address. Open it again to mail the link there too.")
        return
    _refuse_what_cannot_be_mailed(link)
    before = {"payment_link": str(link.pk), "mails": mailed.count()}
    notify(link.wallet_id, kind=Notice.Kind.PAYMENT_LINK, reference=reference, recipient=recipient)
    after = before | {"mails": mailed.count()}
    record("payment_link.resent", workspace=link.wallet_id, target=recipient, before=before, after=after, as_staff=True)


def _refuse_what_cannot_be_mailed(link: PaymentLink) -> None:
    if link_state(link) not in (LinkState.OPEN, LinkState.COVERED):
        raise LinkUnusable("This payment link can't be used any more, so it was not mailed.")


@transaction.atomic
def mark_withdrawn(link: PaymentLink) -> None:
    """Close the link for new payers, and have the sweep end its session if nobody else does. What was paid is still credited.

    Locks: top-up, then the link's own row: a credit takes them in the same order.
    """
    for attempts in (link.top_ups, link.card_setups):
        attempts.filter(next_check_at__isnull=False).update(next_check_at=Now())
    if PaymentLink.objects.filter(pk=link.pk, used_at=None, withdrawn_at=None).update(withdrawn_at=Now()):
        record("payment_link.withdrawn", workspace=link.wallet_id, target=link.get_purpose_display(), before=_told(link))
    link.refresh_from_db(fields=["withdrawn_at", "used_at"])


def look_after_attempts(wallet_id: int) -> None:
    """Have the sweep look now at whatever may be under way by a link of the wallet. Locks: top-up, so before the wallet."""
    for attempts in (TopUp.objects.filter(payment_link__isnull=False), CardSetup.objects.all()):
        watched = attempts.filter(wallet=wallet_id, next_check_at__isnull=False)
        # Locked as an UPDATE locks, which alone would take them in whatever order it comes upon them.
        locked = list(watched.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        attempts.filter(pk__in=locked).update(next_check_at=Now())


def _told(link: PaymentLink) -> dict[str, object]:
    """For the audit log: never the token."""
    return {"link": str(link.pk), "amount_micros": link.amount_micros}


def _token(link_id: UUID, *, secret: str) -> str:
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"payment-link:" + link_id.bytes, "sha256")).rstrip(b"=").decode()


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()

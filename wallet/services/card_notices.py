"""What the e-mails about saved cards say: about to expire, expired, renewed by the bank."""

from calendar import monthrange
from datetime import date

from wallet.errors import NothingToTell
from wallet.models import AutomaticPayments, Card, Notice
from wallet.services.notice_words import Context, day_in_words, page_url


def card_expiring(notice: Notice) -> Context:
    """Reference: `expiry_reference` of a card that is default or backup."""
    card = _card(notice)
    _check_in_use(card, is_as_told=expiry_reference(card) == notice.reference)
    return _context(card) | {"last_day": day_in_words(last_day_of(card))}


def card_expired(notice: Notice) -> Context:
    """Reference: as card_expiring."""
    card = _card(notice)
    _check_in_use(card, is_as_told=expiry_reference(card) == notice.reference)
    return _context(card)


def card_renewed(notice: Notice) -> Context:
    """Reference: the card, its new last four digits and its new last month, `12:4242:2028-08`."""
    card = _card(notice)
    _check_in_use(card, is_as_told=renewal_reference(card) == notice.reference)
    return _context(card)


def last_day_of(card: Card) -> date:
    """A card is good to the end of its last month."""
    return date(card.expiry_year, card.expiry_month, monthrange(card.expiry_year, card.expiry_month)[1])


def expiry_reference(card: Card) -> str:
    """A card and its last month: `12:2026-08`. A card that is renewed expires anew."""
    return f"{card.pk}:{card.expiry_year}-{card.expiry_month:02d}"


def renewal_reference(card: Card) -> str:
    """As services.cards writes it."""
    return f"{card.pk}:{card.last_four}:{card.expiry_year}-{card.expiry_month:02d}"


def _card(notice: Notice) -> Card:
    card_id, _, _ = notice.reference.partition(":")
    return Card.objects.select_related("wallet__workspace").get(pk=card_id, wallet_id=notice.wallet_id)


def _check_in_use(card: Card, *, is_as_told: bool) -> None:
    if card.removed_at is not None or not is_as_told:
        raise NothingToTell("The card was removed or renewed before the mail was sent.")


def _context(card: Card) -> Context:
    return {
        "card": card.label,
        "expiry": card.expiry,
        "is_backup": card.is_backup,
        "is_charged": AutomaticPayments.objects.filter(wallet=card.wallet_id, is_active=True).exists(),
        "button": "Open Billing" if card.is_backup else "Connect another card",
        "button_url": page_url(card.wallet.workspace, "billing"),
    }

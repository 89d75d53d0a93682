"""Tells of cards that are about to expire, and of those that have: once for each card and last month, by a daily task."""

from datetime import date, datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from wallet.models import Card, Notice
from wallet.services.card_notices import expiry_reference, last_day_of
from wallet.services.notices import notify_admins

TOLD_BEFORE = timedelta(days=30)
"""So long before the end of a card's last month."""
TOLD_AFTER = timedelta(days=60)
"""What expired longer ago than this is known: nobody hears of a card's end years later because we have just begun to tell."""
MONTHS_AROUND = 3
"""The months before and after this one that the first, coarse look covers."""
ROWS_AT_ONCE = 500


def tell_of_expiring_cards(*, now: datetime | None = None) -> None:
    """Queue the e-mails about cards that are charged first or stand in. Idempotent by: card, last month and kind."""
    now = now or timezone.now()
    for card in _cards_around(now).iterator(chunk_size=ROWS_AT_ONCE):
        kind = _what_to_tell(card, today=now.astimezone(card.wallet.workspace.zone).date())
        if kind is not None:
            notify_admins(card.wallet_id, kind=kind, reference=expiry_reference(card))


def _cards_around(now: datetime) -> "QuerySet[Card]":
    this_month = now.year * 12 + now.month
    in_use = Card.objects.filter(Q(is_default=True) | Q(is_backup=True), removed_at=None, wallet__closed_at=None)
    expiring = in_use.annotate(last_month=F("expiry_year") * 12 + F("expiry_month"))
    near = expiring.filter(last_month__gte=this_month - MONTHS_AROUND, last_month__lte=this_month + MONTHS_AROUND)
    return near.select_related("wallet__workspace").order_by("pk")


def _what_to_tell(card: Card, *, today: date) -> Notice.Kind | None:
    last_day = last_day_of(card)
    if last_day - TOLD_BEFORE <= today <= last_day:
        return Notice.Kind.CARD_EXPIRING
    return Notice.Kind.CARD_EXPIRED if last_day < today <= last_day + TOLD_AFTER else None

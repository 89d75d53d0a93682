"""Saved cards: kept after consent, given a role, removed. The wallet's row lock guards the roles."""

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from wallet import stripe_gateway
from wallet.errors import CardInUse, CardUnusable
from wallet.ledger import lock_wallet
from wallet.models import OPEN_STATUSES, AutomaticPayments, Card, FormerCustomer, Notice, Wallet
from wallet.services.automatic_suspension import lift_suspension, suspend
from wallet.services.notices import notify_admins
from wallet.stripe_objects import CardDetails
from workspaces.models import User
from workspaces.services.audit import record
from workspaces.wake import wake


@transaction.atomic
def save_card(wallet_id: int, details: CardDetails, *, connected_by: User | None, is_from_payment: bool = False) -> Card:
    """Keep a card whose holder agreed; the first one becomes the default. The same card connected again replaces itself.

    `is_from_payment` where it was not connected as such: somebody paid with it, and lets it be kept.
    Locks: wallet. Idempotent by: Stripe's payment method id.
    """
    wallet = lock_wallet(wallet_id)
    card, is_new = Card.objects.get_or_create(
        payment_method_id=details.payment_method_id,
        defaults={
            "wallet": wallet,
            "brand": details.brand,
            "last_four": details.last_four,
            "expiry_month": details.expiry_month,
            "expiry_year": details.expiry_year,
            "fingerprint": details.fingerprint,
            "connected_by": connected_by,
        },
    )
    if is_new:
        _take_over_role(wallet, card)
        lift_suspension(wallet, by_owner=not is_from_payment)
        record("card.connected", workspace=wallet.pk, target=card.label)
    return card


def _take_over_role(wallet: Wallet, card: Card) -> None:
    """The new card steps into the place of the same card saved before, or of the missing default."""
    kept = Card.objects.filter(wallet=wallet, removed_at=None).exclude(pk=card.pk)
    same = kept.filter(fingerprint=card.fingerprint).first() if card.fingerprint else None
    if same is not None:
        card.is_default, card.is_backup = same.is_default, same.is_backup
        _mark_removed(same)
    else:
        # A default that the bank declined, or asks about, gives way: nobody connects a card to have that one charged again.
        rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True)
        is_stuck = rule.filter(Q(failures__gt=0) | Q(confirmation_link__isnull=False) | Q(suspended_at__isnull=False)).exists()
        declined = kept.filter(is_default=True) if is_stuck else kept.filter(is_default=True, refused_at__isnull=False)
        declined.update(is_default=False)
        card.is_default = not kept.filter(is_default=True).exists()
    card.save(update_fields=["is_default", "is_backup"])


@transaction.atomic
def set_default_card(card: Card) -> Card:
    """Charge this card first; the default so far becomes the backup where there is none.

    Locks: wallet. Raises: CardUnusable.
    """
    card = _locked(card)
    former = Card.objects.filter(wallet_id=card.wallet_id, is_default=True).exclude(pk=card.pk).first()
    if former is not None:
        has_backup = Card.objects.filter(wallet_id=card.wallet_id, is_backup=True).exclude(pk=card.pk).exists()
        Card.objects.filter(pk=former.pk).update(is_default=False)
        Card.objects.filter(pk=card.pk).update(is_backup=False)
        Card.objects.filter(pk=former.pk).update(is_backup=not has_backup)
    card.is_default, card.is_backup, card.refused_at = True, False, None
    card.save(update_fields=["is_default", "is_backup", "refused_at"])
    lift_suspension(lock_wallet(card.wallet_id), by_owner=True)
    if former is not None:
        record("card.made_default", workspace=card.wallet_id, target=card.label, before={"default": former.label})
    return card


@transaction.atomic
def set_backup_card(card: Card) -> Card:
    """Charge this card when the default is declined.

    Locks: wallet. Raises: CardUnusable (also for the default card: it cannot stand in for itself).
    """
    card = _locked(card)
    if card.is_default:
        raise CardUnusable("The default card cannot be its own backup. Make another card the default first.")
    Card.objects.filter(wallet_id=card.wallet_id, is_backup=True).exclude(pk=card.pk).update(is_backup=False)
    card.is_backup, card.refused_at = True, None
    card.save(update_fields=["is_backup", "refused_at"])
    record("card.made_backup", workspace=card.wallet_id, target=card.label)
    return card


@transaction.atomic
def remove_card(card: Card) -> None:
    """Forget the card here at once, and at Stripe by a worker. The backup, or else the newest card, becomes the default.

    Locks: wallet. Raises: CardUnusable where it is removed already; CardInUse while a top-up on it has no outcome, or while it
    is the only card that automatic payments can charge.
    """
    card = _locked(card)
    if card.top_ups.filter(status__in=OPEN_STATUSES).exists():
        raise CardInUse("A payment with this card is still under way. Remove the card once it is done.")
    others = Card.objects.filter(wallet_id=card.wallet_id, removed_at=None).exclude(pk=card.pk)
    if not others.exists() and AutomaticPayments.objects.filter(wallet_id=card.wallet_id, is_active=True).exists():
        raise CardInUse("Automatic payments charge this card. Connect another card first, or switch automatic payments off.")
    was_default = card.is_default
    _mark_removed(card)
    record("card.removed", workspace=card.wallet_id, target=card.label)
    if was_default:
        heir = Card.objects.filter(wallet_id=card.wallet_id, removed_at=None).order_by("-is_backup", "-connected_at").first()
        if heir is not None:
            heir.is_default, heir.is_backup = True, False
            heir.save(update_fields=["is_default", "is_backup"])


@transaction.atomic
def refresh_card(details: CardDetails) -> None:
    """Write down what the network changed of a card: last four and expiry. A card we do not keep is none of ours.

    A card that was renewed may be charged again, and its owner is told. Locks: wallet.
    """
    card = Card.objects.filter(payment_method_id=details.payment_method_id, removed_at=None).first()
    if card is None:
        return
    wallet = lock_wallet(card.wallet_id)
    card.refresh_from_db()
    known = (card.last_four, card.expiry_month, card.expiry_year)
    if known != (details.last_four, details.expiry_month, details.expiry_year):
        reference = f"{card.pk}:{details.last_four}:{details.expiry_year}-{details.expiry_month:02d}"
        notify_admins(card.wallet_id, kind=Notice.Kind.CARD_RENEWED, reference=reference)
        Card.objects.filter(pk=card.pk).update(refused_at=None)
        if card.is_default or card.is_backup:
            lift_suspension(wallet, by_owner=False)
    Card.objects.filter(pk=card.pk).update(
        brand=details.brand,
        last_four=details.last_four,
        expiry_month=details.expiry_month,
        expiry_year=details.expiry_year,
        fingerprint=details.fingerprint,
    )


def forget_cards(wallet: Wallet) -> list[Card]:
    """Their customer was deleted at Stripe, which detached them: none can ever be charged again, so the owner is asked for another.

    The cards that are gone. The caller holds the wallet's lock.
    """
    gone = list(Card.objects.filter(wallet=wallet, removed_at=None).order_by("pk"))
    lost = Card.objects.filter(pk__in=[card.pk for card in gone])
    lost.update(removed_at=Now(), detached_at=Now(), is_default=False, is_backup=False)
    if wallet.closed_at is None:
        _suspend_without_card(wallet)
    return gone


def _suspend_without_card(wallet: Wallet) -> None:
    """Also where the rule is suspended already, as any payment would lift that; but what a lost dispute began, its owner alone ends."""
    reason, lost_dispute = AutomaticPayments.Suspension.NO_CARD, AutomaticPayments.Suspension.DISPUTED
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True).exclude(suspension__in=(reason, lost_dispute)).first()
    if rule is not None:
        suspend(wallet, rule, reason)


def is_lost(details: CardDetails) -> bool:
    """Whether Stripe has detached the card by now, or is known to have deleted its customer: nothing to keep. Under the wallet's lock."""
    return not details.reusable or FormerCustomer.objects.filter(pk=details.customer_id).exists()


def detach_removed_card(card_id: int) -> None:
    """Make Stripe forget a removed card, once no top-up on it is under way. Idempotent: a card that is gone there is fine.

    Not inside a transaction. Raises: GatewayError.
    """
    card = Card.objects.get(pk=card_id)
    if card.removed_at is None or card.detached_at is not None or card.top_ups.filter(status__in=OPEN_STATUSES).exists():
        return
    stripe_gateway.detach_card(card.payment_method_id)
    Card.objects.filter(pk=card_id).update(detached_at=Now())


def _locked(card: Card) -> Card:
    lock_wallet(card.wallet_id)
    card.refresh_from_db()
    if card.removed_at is not None:
        raise CardUnusable("This card was removed. Connect it again to use it.")
    return card


def _mark_removed(card: Card) -> None:
    Card.objects.filter(pk=card.pk).update(removed_at=Now(), is_default=False, is_backup=False)
    wake("wallet.tasks.detach_card", card.pk)

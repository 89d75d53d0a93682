"""The owner's side of automatic payments: switching on and off, editing, trying again. Off until somebody switches them on."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from wallet.automatic_rule import Cap, Terms, check_terms, size_charge
from wallet.declines import NOT_THE_CARD_CODES
from wallet.errors import CardUnusable, WalletClosed
from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Card, TopUp, Wallet
from wallet.services.automatic_charges import chargeable_card, charged_so_far, decide_charge, expected_micros
from wallet.services.automatic_suspension import lift
from wallet.services.cards import set_default_card
from workspaces.models import User
from workspaces.services.audit import record

TIRED_AFTER = ((timedelta(hours=24), 8), (timedelta(days=30), 16))
"""So many declines of one card in so long are enough, whoever asked for them. Mastercard takes fees above 10 in 24 hours, Visa above
20 in 30 days (docs.stripe.com/declines)."""


@dataclass(frozen=True)
class Switched:
    """The rule as it stands, and the charge that it made at once, where the wallet was below the threshold."""

    rule: AutomaticPayments
    top_up: TopUp | None


@transaction.atomic
def switch_on(wallet: Wallet, *, terms: Terms, card: Card, consent_text: str, consented_by: User) -> Switched:
    """Charge the card whenever a use leaves too little; at once, where too little is available already.

    The card becomes the default. Saving what stands already changes nothing and charges nothing.
    Locks: wallet. Raises: RuleInvalid, CardUnusable, WalletClosed.
    """
    check_terms(terms, currency=wallet.currency)
    locked = lock_wallet(wallet.pk)
    if locked.closed_at is not None:
        raise WalletClosed("This workspace was closed, so its wallet takes no more money.")
    if card.wallet_id != locked.pk:
        raise CardUnusable("This card was removed. Choose another card, or connect one.")
    rule = AutomaticPayments.objects.filter(wallet=locked).first()
    if rule is not None and stands_already(rule, terms=terms, card=card, consent_text=consent_text):
        return Switched(rule, None)
    _refuse_tired(card)
    before = _told(rule)
    set_default_card(card)
    rule = _agreed(locked, rule, terms=terms, consent_text=consent_text, consented_by=consented_by)
    act = "changed" if before["is_active"] else "switched_on"
    record(f"automatic_payments.{act}", workspace=locked.pk, target=card.label, before=before, after=_told(rule))
    return Switched(rule, decide_charge(locked, rule, now=timezone.now()))


def switch_off(wallet: Wallet) -> None:
    """Charge nothing any more. What was sent to the bank already is still credited; what was not is dropped. Locks: wallet."""
    with transaction.atomic():
        locked = lock_wallet(wallet.pk)
        rule = AutomaticPayments.objects.filter(wallet=locked).first()
        if rule is not None and rule.is_active:
            lift(locked, rule)
            rule.is_active = False
            rule.save(update_fields=["is_active"])
            record("automatic_payments.switched_off", workspace=locked.pk)


def try_again(wallet: Wallet) -> TopUp | None:
    """End a suspension or a pause on the owner's word, and charge now if too little is available.

    Locks: wallet. Raises: CardUnusable where no card is connected, or the bank has said no too often of late.
    """
    with transaction.atomic():
        locked = lock_wallet(wallet.pk)
        rule = AutomaticPayments.objects.filter(wallet=locked, is_active=True).first()
        if rule is None:
            return None
        Card.objects.filter(wallet=locked, is_default=True).update(refused_at=None)
        card = chargeable_card(locked)
        if card is None:
            raise CardUnusable("No card is connected. Connect one first.")
        _refuse_tired(card)
        lift(locked, rule)
        record("automatic_payments.tried_again", workspace=locked.pk)
        return decide_charge(locked, rule, now=timezone.now())


def charge_on_saving(wallet: Wallet, *, terms: Terms) -> int | Cap | None:
    """What switching on with these terms would charge right now, in micros; the cap that forbids it; None where nothing is due.

    For the page, which says so before it is saved. The decision itself is made anew, under the lock.
    """
    expected = expected_micros(wallet)
    if expected >= terms.threshold_micros:
        return None
    charged = charged_so_far(wallet, now=timezone.now())
    return size_charge(terms, expected_micros=expected, charged=charged, currency=wallet.currency)


def stands_already(rule: AutomaticPayments, *, terms: Terms, card: Card, consent_text: str) -> bool:
    """Whether the rule is in force just so, with nothing amiss: then saving it again changes nothing and charges nothing."""
    card.refresh_from_db()
    is_charged_first = card.is_default and card.refused_at is None
    goes_well = rule.is_active and rule.suspended_at is None and rule.failures == 0 and rule.confirmation_link_id is None
    return goes_well and is_charged_first and rule.terms == terms and rule.consent_text == consent_text


def _refuse_tired(card: Card) -> None:
    """The owner's word ends every pause of ours, but not what the card networks allow. Raises: CardUnusable."""
    now = timezone.now()
    declined = TopUp.objects.filter(card=card, status=TopUp.Status.FAILED).exclude(decline_code__in=NOT_THE_CARD_CODES)
    if any(declined.filter(resolved_at__gt=now - age).count() >= declines_max for age, declines_max in TIRED_AFTER):
        raise CardUnusable("This card was declined too often of late, and may not be tried again for now. Use another card.")


def _agreed(wallet: Wallet, rule: AutomaticPayments | None, *, terms: Terms, consent_text: str, consented_by: User) -> AutomaticPayments:
    if rule is not None:
        lift(wallet, rule)
    agreed, _ = AutomaticPayments.objects.update_or_create(
        wallet=wallet,
        defaults={
            "is_active": True,
            "threshold_micros": terms.threshold_micros,
            "amount_micros": terms.amount_micros,
            "target_micros": terms.target_micros,
            "monthly_cap_micros": terms.monthly_cap_micros,
            "daily_charges_max": terms.daily_charges_max,
            "consent_text": consent_text,
            "consented_at": timezone.now(),
            "consented_by": consented_by,
        },
    )
    return agreed


def _told(rule: AutomaticPayments | None) -> dict[str, object]:
    """For the audit log: what was agreed, and nothing of the card."""
    if rule is None or not rule.is_active:
        return {"is_active": False}
    return {"is_active": True, **vars(rule.terms)}

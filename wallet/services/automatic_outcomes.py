"""What follows for the rule from a top-up's outcome: a clean slate, the backup card, a pause, a link to confirm, or the end.

Called by settlement when a top-up is resolved, in that transaction, under the locks of the top-up and the wallet.
"""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from wallet.declines import NO_DECLINE_CODES, DeclineClass, classify
from wallet.errors import Decline
from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Card, Notice, Origin, PaymentLink, TopUp, Wallet
from wallet.services.automatic_charges import chargeable_card, replace_on_backup, still_fits
from wallet.services.automatic_suspension import lift, suspend
from wallet.services.notices import notify_admins
from wallet.services.payment_links import request_payment_link

RETRY_AFTER = (timedelta(hours=1), timedelta(hours=24))
"""Pauses after the first and the second try that failed; the third suspends the rule."""
DECLINES_IN_A_ROW_MAX = 3
"""So often in a row one card may be declined, however the backup did: then the networks want to hear no more of it."""
CONFIRM_WITHIN = timedelta(hours=24)

Suspension = AutomaticPayments.Suspension


def note_outcome(top_up: TopUp) -> None:
    """Bring card and rule into step with a top-up that has just been resolved."""
    if top_up.status == TopUp.Status.SUCCEEDED:
        _renew_card(top_up)
    rule = AutomaticPayments.objects.filter(wallet_id=top_up.wallet_id).select_related("confirmation_link").first()
    if rule is None:
        return
    wallet = lock_wallet(top_up.wallet_id)
    if top_up.status == TopUp.Status.SUCCEEDED:
        _note_success(wallet, rule, top_up)
    elif top_up.origin == Origin.AUTOMATIC and top_up.status == TopUp.Status.FAILED:
        _note_failure(wallet, rule, top_up)
    elif top_up.origin == Origin.AUTOMATIC and rule.may_charge:
        _note_dropped(rule, top_up)


def _note_success(wallet: Wallet, rule: AutomaticPayments, top_up: TopUp) -> None:
    """A clean slate. Where it did not close the gap (a cap, or uses that came meanwhile) the need that a use has set off stands:
    the next use decides, or the sweep, as a wallet that is dry has no use any more.
    """
    if rule.suspension == Suspension.DISPUTED:
        # Whoever paid, or whatever was under way when the bank decided: neither is the owner's word.
        return
    if rule.suspension == Suspension.NO_CARD and chargeable_card(wallet) is None:
        # Paid by link, or by the card that went while it was charged: there is still none to go on with.
        return
    was_due = rule.next_try_at is not None or rule.suspended_at is not None
    lift(wallet, rule)
    if rule.is_active and (was_due or top_up.origin == Origin.AUTOMATIC) and wallet.available_micros < rule.threshold_micros:
        rule.next_try_at = timezone.now()
        rule.save(update_fields=["next_try_at"])


def _note_dropped(rule: AutomaticPayments, top_up: TopUp) -> None:
    if top_up.status == TopUp.Status.EXPIRED:
        # Nobody could send it in time. The need may be there still: decided anew, with today's numbers.
        rule.next_try_at = timezone.now()
        rule.save(update_fields=["next_try_at"])
    elif rule.next_try_at is None:
        # Canceled, perhaps by hand at Stripe: whoever did it has an hour to switch off, and a wallet that ran dry is not forgotten.
        rule.next_try_at = timezone.now() + RETRY_AFTER[0]
        rule.save(update_fields=["next_try_at"])


def _renew_card(top_up: TopUp) -> None:
    if top_up.card_id is not None:
        Card.objects.filter(pk=top_up.card_id, refused_at__isnull=False).update(refused_at=None)


def _note_failure(wallet: Wallet, rule: AutomaticPayments, top_up: TopUp) -> None:
    decline = classify(Decline(code=top_up.decline_code, advice_code=top_up.advice_code, network_decline_code=top_up.network_decline_code))
    if decline is DeclineClass.AUTHENTICATION:
        _ask_to_confirm(wallet, rule, top_up)
    elif decline is DeclineClass.NOT_THE_CARD:
        _count_failure(wallet, rule, top_up)
    else:
        _note_decline(wallet, rule, top_up, is_final=decline is DeclineClass.HARD or _is_declined_too_often(top_up.card_id))


def _note_decline(wallet: Wallet, rule: AutomaticPayments, top_up: TopUp, *, is_final: bool) -> None:
    """The backup card stands in at once, if there is one; without any card that may be charged, nothing goes on by itself."""
    card = top_up.card
    assert card is not None, "Automatic payments are made on saved cards."
    if is_final:
        Card.objects.filter(pk=card.pk).update(refused_at=timezone.now())
    backup = _backup_for(top_up, card)
    if backup is not None and rule.may_charge and still_fits(wallet, rule, declined=top_up):
        replace_on_backup(wallet, rule, declined=top_up, card=backup)
    elif chargeable_card(wallet) is None:
        _tell(top_up)
        if rule.may_charge:
            suspend(wallet, rule, Suspension.CARD_REFUSED)
    else:
        _count_failure(wallet, rule, top_up)


def _backup_for(top_up: TopUp, card: Card) -> Card | None:
    if top_up.instead_of_id is not None:
        return None
    backups = Card.objects.filter(wallet_id=top_up.wallet_id, is_backup=True, removed_at=None, refused_at=None)
    return backups.exclude(pk=card.pk).first()


def _is_declined_too_often(card_id: int | None) -> bool:
    """What was dropped, or failed before a bank said no, neither counts nor breaks the row; a success of any origin does."""
    asked = TopUp.objects.filter(Q(status=TopUp.Status.SUCCEEDED) | Q(status=TopUp.Status.FAILED, origin=Origin.AUTOMATIC), card=card_id)
    newest = asked.exclude(decline_code__in=NO_DECLINE_CODES).order_by("-resolved_at")
    statuses = list(newest.values_list("status", flat=True)[:DECLINES_IN_A_ROW_MAX])
    return statuses == [TopUp.Status.FAILED] * DECLINES_IN_A_ROW_MAX


def _count_failure(wallet: Wallet, rule: AutomaticPayments, top_up: TopUp) -> None:
    """Back-off is keyed on the outcome, not on the balance: uses that come meanwhile set nothing off."""
    _tell(top_up)
    if not rule.may_charge:
        return
    rule.failures += 1
    if rule.failures > len(RETRY_AFTER):
        rule.save(update_fields=["failures"])
        suspend(wallet, rule, Suspension.DECLINED)
    else:
        rule.next_try_at = timezone.now() + RETRY_AFTER[rule.failures - 1]
        rule.save(update_fields=["failures", "next_try_at"])


def _ask_to_confirm(wallet: Wallet, rule: AutomaticPayments, top_up: TopUp) -> None:
    """The bank wants the cardholder: a link that works once, and calls go on while it waits. It is not the card's failure."""
    if not rule.may_charge or wallet.closed_at is not None:
        return
    link = request_payment_link(
        wallet,
        purpose=PaymentLink.Purpose.PAY,
        amount_micros=top_up.amount_micros,
        request_id=f"confirm:{top_up.pk}",
        requested_by=rule.consented_by,
        lifetime=CONFIRM_WITHIN,
    )
    rule.confirmation_link, rule.next_try_at = link, link.expires_at
    rule.save(update_fields=["confirmation_link", "next_try_at"])
    wallet.grace_extended_until = link.expires_at
    wallet.save(update_fields=["grace_extended_until"])
    notify_admins(wallet.pk, kind=Notice.Kind.CONFIRM_PAYMENT, reference=str(link.pk))


def _tell(top_up: TopUp) -> None:
    notify_admins(top_up.wallet_id, kind=Notice.Kind.AUTOMATIC_FAILED, reference=str(top_up.pk))

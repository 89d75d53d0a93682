"""Ends and renews a rule's right to charge: suspended when it must not go on by itself, lifted by who may say so."""

from django.utils import timezone

from wallet.models import AutomaticPayments, EventType, Notice, Wallet
from wallet.services.notices import notify_admins
from wallet.services.outgoing import announce
from workspaces.wake import wake


def suspend(wallet: Wallet, rule: AutomaticPayments, reason: AutomaticPayments.Suspension) -> None:
    """Charge nothing more until the owner acts, and tell them why. The caller holds the wallet's lock."""
    rule.suspended_at, rule.suspension, rule.next_try_at = timezone.now(), reason, None
    _forget_confirmation(wallet, rule)
    rule.save(update_fields=["suspended_at", "suspension", "next_try_at", "confirmation_link"])
    moment = f"{rule.suspended_at:%Y-%m-%dT%H:%M:%S.%f}"
    notify_admins(wallet.pk, kind=Notice.Kind.AUTOMATIC_FAILED, reference=f"suspended:{moment}")
    announce(
        wallet.pk, event=EventType.AUTOMATIC_PAYMENT_SUSPENDED, data={"reason": str(reason)}, key=f"automatic-payment-suspended:{moment}"
    )


def lift(wallet: Wallet, rule: AutomaticPayments) -> None:
    """Let the rule charge again, with a clean slate. The caller holds the wallet's lock."""
    rule.suspended_at, rule.suspension, rule.failures, rule.next_try_at = None, "", 0, None
    _forget_confirmation(wallet, rule)
    rule.save(update_fields=["suspended_at", "suspension", "failures", "next_try_at", "confirmation_link"])


def lift_suspension(wallet: Wallet, *, by_owner: bool) -> None:
    """Another card is there: a rule that was suspended, pauses or waits after a decline is decided anew by the next sweep.

    What a lost dispute began is ended `by_owner` alone: neither by a payer who lets a card be kept, nor by a card that was renewed.
    The caller holds the wallet's lock.
    """
    rule = (
        AutomaticPayments.objects.filter(wallet=wallet, is_active=True)
        .exclude(suspended_at=None, failures=0, confirmation_link=None)
        .first()
    )
    if rule is not None and (by_owner or rule.suspension != AutomaticPayments.Suspension.DISPUTED):
        lift(wallet, rule)
        rule.next_try_at = timezone.now()
        rule.save(update_fields=["next_try_at"])


def _forget_confirmation(wallet: Wallet, rule: AutomaticPayments) -> None:
    """The link is of no use any more: who still holds it must not pay for a need that is over."""
    if rule.confirmation_link_id is not None:
        # Not here: withdrawing locks the link's top-ups, which come before the wallet.
        wake("wallet.tasks.withdraw_payment_link", str(rule.confirmation_link_id))
        rule.confirmation_link = None
    if wallet.grace_extended_until is not None:
        wallet.grace_extended_until = None
        wallet.save(update_fields=["grace_extended_until"])

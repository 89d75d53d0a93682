"""Sends automatic top-ups to Stripe: first the way is cleared, then one worker claims the charge, then it is made.

Not inside a transaction anywhere: Stripe is asked between the steps, and each step may be the last one of a killed worker.
"""

from uuid import UUID

from django.db import transaction

from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Dispute, Origin, TopUp, Wallet
from wallet.services.automatic_charges import expected_micros, look_again
from wallet.services.charging_switch import claim_charge
from wallet.services.checkout import end_checkout
from wallet.services.settlement import end_top_up
from wallet.services.top_ups import SEND_CHECK_AFTER, SENT_WITHIN, charge_top_up, send_claimed, was_forgotten

Status = TopUp.Status


def send_top_up(top_up_id: UUID | str) -> TopUp:
    """Send any top-up on a saved card that nobody has sent yet. Raises: GatewayError."""
    is_automatic = TopUp.objects.filter(pk=top_up_id, origin=Origin.AUTOMATIC).exists()
    return charge_automatically(top_up_id) if is_automatic else charge_top_up(top_up_id)


def charge_automatically(top_up_id: UUID | str) -> TopUp:
    """Charge the card for an automatic top-up, if it is still wanted and nobody did; declines and time-outs are outcomes.

    Safe from anywhere, any number of times: one claim wins. Raises: GatewayError where an open Checkout session could
    not be ended; the sweep comes back.
    """
    top_up = TopUp.objects.select_related("wallet").get(pk=top_up_id)
    if top_up.status != Status.CREATED:
        return top_up
    if not was_forgotten(top_up):
        _end_open_sessions(top_up)
    if _claim_if_wanted(top_up_id):
        send_claimed(top_up_id)
    return TopUp.objects.get(pk=top_up_id)


def _end_open_sessions(top_up: TopUp) -> None:
    """Nobody may pay the same need in Checkout from here on; who has just paid there has won.

    Sessions that open later are refused: this top-up's row stands since before the first of these was ended.
    """
    for attempt in TopUp.objects.filter(
        wallet=top_up.wallet_id, payment_link__isnull=False, status__in=(Status.CREATED, Status.REQUIRES_ACTION)
    ).select_related("wallet__workspace", "payment_link"):
        end_checkout(attempt)


@transaction.atomic
def _claim_if_wanted(top_up_id: UUID | str) -> bool:
    """Claim the charge, or drop it where it came too late or nobody wants it any more.

    Looked at and claimed under one lock: whoever has switched automatic payments off is charged nothing from then on.
    Locks: top-up → wallet → the switch.
    """
    top_up = TopUp.objects.select_for_update().get(pk=top_up_id)
    wallet = lock_wallet(top_up.wallet_id)
    if top_up.status != Status.CREATED:
        return False
    if was_forgotten(top_up):
        end_top_up(top_up_id, status=Status.EXPIRED)
        return False
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True).first()
    if rule is not None and _is_wanted(top_up, wallet, rule):
        return claim_charge(top_up_id, check_after=SEND_CHECK_AFTER, sent_within=SENT_WITHIN)
    end_top_up(top_up_id, status=Status.CANCELED)
    if rule is not None:
        # The need may outlast what was in the way: other money that was on its way may still be declined, say.
        look_again(rule)
    return False


def _is_wanted(top_up: TopUp, wallet: Wallet, rule: AutomaticPayments) -> bool:
    """Whether it would be decided again: what stops a decision stops its charge as well."""
    if wallet.closed_at is not None or wallet.frozen_at is not None or Dispute.objects.filter(wallet=wallet, closed_at=None).exists():
        return False
    return expected_micros(wallet) - top_up.amount_micros < rule.threshold_micros

"""Sends automatic top-ups to Stripe: first the way is cleared, then one worker claims the charge, then it is made.

Not inside a transaction anywhere: Stripe is asked between the steps, and each step may be the last one of a killed worker.
"""

from uuid import UUID

from django.db import transaction

from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Origin, TopUp, Wallet
from wallet.services.automatic_charges import chargeable_card, expected_micros, is_allowed, look_again
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
    if rule is not None and rule.may_charge:
        # The need may outlast what was in the way: other money that was on its way may still be declined, say.
        look_again(rule)
    return False


def _is_wanted(top_up: TopUp, wallet: Wallet, rule: AutomaticPayments) -> bool:
    """Whether it would be decided again: what stops a decision stops its charge as well."""
    is_needed = expected_micros(wallet) - top_up.amount_micros < rule.threshold_micros
    return is_needed and is_allowed(top_up, wallet=wallet, rule=rule) and _is_on_the_owners_card(top_up, wallet)


def _is_on_the_owners_card(top_up: TopUp, wallet: Wallet) -> bool:
    """Whether the owner has chosen no other card meanwhile. Where there is none at all, its removal is told as a failure (faults: B11)."""
    card = chargeable_card(wallet)
    first_choice = top_up.instead_of.card_id if top_up.instead_of is not None else top_up.card_id
    return card is None or card.pk in (top_up.card_id, first_choice)

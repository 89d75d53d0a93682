"""Automatic payments for tests: what goes wrong with their charges, and what comes between the decision and the charge."""

from django.utils import timezone

from tests.payments import DOLLAR, MoneyIn
from wallet.models import Dispute, Notice, TopUp, Wallet

CHARGE = "payment_intents.create"
"""The operation of the sandbox that faults are set on."""


def told(kind: Notice.Kind) -> int:
    """How many notices of that kind there are."""
    return Notice.objects.filter(kind=kind).count()


def decline(money_in: MoneyIn, behaviour: str) -> None:
    """The card changes its mind, and a use takes the wallet below the threshold."""
    money_in.sandbox.set_card_behaviour(money_in.default_card.payment_method_id, behaviour)
    money_in.use(25)
    money_in.work()


def lose_before_stripe(money_in: MoneyIn) -> None:
    """A use takes the wallet below the threshold, and the charge's request is lost before Stripe has it."""
    money_in.sandbox.fault("drop_before", match=CHARGE)
    money_in.use(25)
    money_in.work()


def freeze(wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(frozen_at=timezone.now())


def dispute(wallet: Wallet) -> None:
    """The bank of somebody who paid asks for the money back."""
    paid = TopUp.objects.create(
        wallet=wallet, origin="manual", amount_micros=DOLLAR, request_id="paid", status="expired", resolved_at=timezone.now()
    )
    Dispute.objects.create(
        stripe_dispute_id="du_1", wallet=wallet, top_up=paid, amount_micros=DOLLAR, status="needs_response", reason="fraudulent"
    )

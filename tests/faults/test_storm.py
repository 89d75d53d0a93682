"""Everything at once: answers lost, refused, late and doubled at random, over many top-ups. What Stripe took is what was credited."""

import random
from collections import Counter

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.payments import MoneyIn
from wallet.errors import GatewayError, LinkUnusable
from wallet.models import Card, Kind, PaymentLink, TopUp, Transfer, WebhookEvent
from wallet.services.checkout import open_checkout, withdraw_payment_link
from wallet.services.reconciliation import reconcile_since
from wallet.services.top_ups import charge_top_up

TOP_UPS, ROUNDS = 16, 5
MAKING = ("payment_intents.create", "checkout.sessions.create", "checkout.sessions.expire")
ASKING = ("payment_intents.retrieve", "payment_intents.list", "checkout.sessions.retrieve", "checkout.sessions.list", "customers.update")
FINAL = (TopUp.Status.SUCCEEDED, TopUp.Status.FAILED, TopUp.Status.EXPIRED, TopUp.Status.CANCELED)


def let_it_blow(sandbox: RunningSandbox) -> None:
    for operation in MAKING:
        for kind in ("drop_before", "reset_after", "error_before", "error_after", "conflict", "rate_limit"):
            sandbox.fault(kind, match=operation, count=None, probability=0.08)
    for operation in ASKING:
        for kind in ("drop_before", "rate_limit"):
            sandbox.fault(kind, match=operation, count=None, probability=0.1)


def wish(money_in: MoneyIn, card: Card, dice: random.Random) -> None:
    """One person tops up: by a click on the saved card, or by a link that is paid, or paid and withdrawn, with all its hitches."""
    if dice.random() < 0.5:
        top_up = money_in.ask_for_top_up(card)
        for _ in range(dice.randint(1, 2)):
            charge_top_up(top_up.pk)
        return
    link = money_in.ask_for_link()
    for _ in range(3):
        try:
            address = open_checkout(PaymentLink.objects.get(pk=link.pk), saves_card=dice.random() < 0.5)
        except (GatewayError, LinkUnusable):
            continue
        if dice.random() < 0.7:
            money_in.sandbox.pay_checkout(address)
            break
    if dice.random() < 0.3:
        try:
            withdraw_payment_link(PaymentLink.objects.get(pk=link.pk))
        except GatewayError:
            return


def tell(money_in: MoneyIn, dice: random.Random) -> None:
    """Some webhooks come, some twice, in any order; and some messages are lost."""
    events = [event for event in money_in.events() if dice.random() < 0.4]
    dice.shuffle(events)
    for event in events:
        money_in.post(event)
        if dice.random() < 0.2:
            money_in.lose_messages()
    money_in.work()


@pytest.mark.parametrize("seed", range(4))
def test_it_credits_what_stripe_took_and_nothing_else(
    money_in: MoneyIn, sandbox: RunningSandbox, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.services.checkout.BUSY_WAIT_SECONDS", 0)
    dice = random.Random(seed)
    card = money_in.connect_card("pm_card_mastercard")
    let_it_blow(sandbox)

    for _ in range(TOP_UPS):
        wish(money_in, card, dice)
    for _ in range(ROUNDS):
        tell(money_in, dice)
        money_in.pass_time(minutes=4)
        money_in.sweep()
    sandbox.clear_faults()
    for _ in range(3):
        money_in.pass_time(hours=1)
        money_in.sweep()
    reconcile_since()
    money_in.deliver()

    took = Counter(intent["metadata"]["top_up_id"] for intent in sandbox.state()["payment_intents"] if intent["status"] == "succeeded")
    credited = Counter(Transfer.objects.filter(kind=Kind.TOP_UP).values_list("reference", flat=True))
    assert took == credited
    assert set(took.values()) <= {1}
    assert len(took) >= TOP_UPS // 4, "hardly anything was paid: the storm is too strong to show anything"
    assert {str(pk) for pk in TopUp.objects.filter(status=TopUp.Status.SUCCEEDED).values_list("pk", flat=True)} == set(took)
    assert not WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists()
    left = TopUp.objects.exclude(status__in=FINAL)
    assert not left.filter(payment_link=None).exists(), "a charge without an outcome"

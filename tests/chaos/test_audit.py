"""The audit after the storm sees what it is meant to see: each law broken by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.chaos import audit
from tests.payments import DOLLAR, MoneyIn
from usage.tests.stage import Metering
from wallet import stripe_gateway
from wallet.ledger import post
from wallet.models import Account, AutomaticPayments, Origin, TopUp, WebhookEvent
from wallet.tasks import charge_top_up
from wallet.tests.builders import entry


def charged_wallet(money_in: MoneyIn) -> TopUp:
    money_in.give(30)
    money_in.switch_on(money_in.connect_card())
    money_in.use(25)
    (top_up,) = money_in.automatic()
    charge_top_up(str(top_up.pk))
    return money_in.read(top_up)


def pay_again(money_in: MoneyIn, top_up: TopUp) -> None:
    """The double charge: the same top-up under another key."""
    card = money_in.default_card
    stripe_gateway.charge_card(
        customer_id=str(money_in.wallet.stripe_customer_id),
        payment_method_id=card.payment_method_id,
        amount_micros=25 * DOLLAR,
        currency="usd",
        description="Again",
        metadata={"top_up_id": str(top_up.pk)},
        idempotency_key="another",
    )


def credit_again(money_in: MoneyIn, top_up: TopUp) -> None:
    """Credited on the answer and on the webhook, under keys of their own."""
    again = entry(25 * DOLLAR, key="webhook", debit=Account.STRIPE, credit=Account.WALLET, kind="top_up", reference=str(top_up.pk))
    post(money_in.wallet.pk, [again])


def forget_the_payment(money_in: MoneyIn, top_up: TopUp) -> None:
    """Credited, and Stripe knows of nothing."""
    TopUp.objects.filter(pk=top_up.pk).update(payment_intent_id="pi_nowhere")


@pytest.mark.parametrize("harm", [pay_again, forget_the_payment])
def test_it_sees_what_does_not_match(money_in: MoneyIn, sandbox: RunningSandbox, harm: Callable[[MoneyIn, TopUp], None]) -> None:
    top_up = charged_wallet(money_in)
    assert audit.payments_and_credits(sandbox.state()["payment_intents"]) == []

    harm(money_in, top_up)

    assert audit.payments_and_credits(sandbox.state()["payment_intents"]) != []


def test_it_sees_a_second_credit(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    top_up, intents = charged_wallet(money_in), sandbox.state()["payment_intents"]

    with transaction.atomic():
        credit_again(money_in, top_up)
        assert audit.payments_and_credits(intents) != []
        transaction.set_rollback(True)

    assert audit.payments_and_credits(intents) == []


@pytest.mark.parametrize("terms", [{"monthly_cap_micros": 24 * DOLLAR}, {"daily_charges_max": 1}])
def test_it_sees_a_cap_that_was_passed(money_in: MoneyIn, terms: dict[str, int]) -> None:
    charged_wallet(money_in)
    TopUp.objects.create(wallet=money_in.wallet, origin=Origin.AUTOMATIC, amount_micros=DOLLAR, request_id="one more")
    assert audit.caps() == []

    AutomaticPayments.objects.update(**terms)

    assert audit.caps() != []


def test_it_sees_what_has_no_outcome(money_in: MoneyIn) -> None:
    charged_wallet(money_in)
    money_in.work()
    assert audit.unresolved() == []

    TopUp.objects.create(wallet=money_in.wallet, origin=Origin.AUTOMATIC, amount_micros=DOLLAR, request_id="x", status="unknown")
    WebhookEvent.objects.create(stripe_event_id="evt_1", type="x", object_id="x", payload={}, next_attempt_at=timezone.now())

    assert len(audit.unresolved()) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("harm", ["never charged", "another price", "never reported"])
def test_it_sees_a_use_that_was_not_charged_once(metering: Metering, harm: str) -> None:
    event = metering.event()
    metering.report(event)
    sent: dict[str, Any] = {event["id"]: (metering.subject, 600_000)}
    assert audit.events_and_charges(sent, {event["id"]}) == []

    if harm == "never reported":
        sent = {}
    else:
        sent["lost"] = (metering.subject, 600_000)
        sent[event["id"]] = (metering.subject, 600_000 if harm == "never charged" else 1)
    assert audit.events_and_charges(sent, set(sent)) != []

"""Many at once: each race leads to one effect, and its twin with the lock switched off fails."""

import json
import time
from functools import partial

import pytest
from django.db import IntegrityError
from django.test import Client

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, WEBHOOK, MoneyIn, signed
from wallet import stripe_gateway
from wallet.models import Card, PaymentLink, TopUp, Transfer, WebhookEvent
from wallet.services import settlement
from wallet.services.cards import save_card
from wallet.services.checkout import open_checkout, return_from_checkout
from wallet.services.inbox import handle_event
from wallet.services.refunds import apply_refund
from wallet.services.settlement import settle_payment
from wallet.services.top_ups import charge_top_up
from wallet.stripe_objects import CardDetails, Payment
from workspaces.tests.threads import answers, at_once, errors

# One after the other even where tests run side by side: the server has connections for one race at a time.
pytestmark = pytest.mark.xdist_group("races")

MANY = 50


@pytest.fixture
def slow_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading how things stand and writing, there is time for others to step in."""
    credit = settlement._credit

    def slowly(top_up: TopUp, payment: Payment) -> TopUp:
        time.sleep(0.02)
        return credit(top_up, payment)

    monkeypatch.setattr(settlement, "_credit", slowly)


@pytest.fixture
def paid(money_in: MoneyIn, sandbox: RunningSandbox) -> Payment:
    """A payment of $20 in Checkout that nobody has credited yet."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    return stripe_gateway.retrieve_payment(sandbox.state()["payment_intents"][0]["id"])


def test_it_credits_once_when_fifty_settle_at_once(money_in: MoneyIn, paid: Payment, slow_credit: None) -> None:
    """A7, S19: webhook, success page and sweep, all at once."""
    outcomes = at_once([lambda: settle_payment(paid)] * MANY)

    assert errors(outcomes) == []
    assert {top_up.status for top_up in answers(outcomes)} == {TopUp.Status.SUCCEEDED}
    assert len({top_up.receipt_number for top_up in answers(outcomes)}) == 1
    assert money_in.moves() == [("top_up", 20)]


def test_it_needs_the_lock_to_settle(money_in: MoneyIn, paid: Payment, slow_credit: None, no_row_locks: None) -> None:
    """The twin of the one above: without the row locks the same race ends in refusals by the database."""
    outcomes = at_once([lambda: settle_payment(paid)] * MANY)

    assert any(isinstance(fault, IntegrityError) for fault in errors(outcomes)), "the race does not test the lock"
    assert len(answers(outcomes)) < MANY
    assert Transfer.objects.count() == 1, "the unique key holds even then"


def test_it_credits_once_when_page_webhook_and_sweep_meet(money_in: MoneyIn, paid: Payment) -> None:
    """A7 from end to end: each asks Stripe by itself."""
    events = money_in.events("payment_intent.succeeded", "checkout.session.completed")
    for event in events:
        money_in.post(event)
    money_in.lose_messages()
    link = PaymentLink.objects.get()
    handlers = [partial(handle_event, event["id"]) for event in events for _ in range(4)]

    outcomes = at_once([*handlers, *[lambda: return_from_checkout(link)] * 4])

    assert errors(outcomes) == []
    assert money_in.moves() == [("top_up", 20)]
    assert {event.status for event in WebhookEvent.objects.all()} == {WebhookEvent.Status.HANDLED}


def test_it_keeps_one_event_of_fifty_copies(money_in: MoneyIn, paid: Payment) -> None:
    """A10, S19: all answered 200, one row, one credit."""
    (event,) = money_in.events("payment_intent.succeeded")
    body = json.dumps(event).encode()

    def post() -> int:
        headers = {"Stripe-Signature": signed(body)}
        return Client().post(WEBHOOK, data=body, content_type="application/json", headers=headers).status_code

    outcomes = at_once([post] * MANY)
    money_in.work()

    assert (set(answers(outcomes)), errors(outcomes)) == ({200}, [])
    assert WebhookEvent.objects.count() == 1
    assert money_in.moves() == [("top_up", 20)]


def test_it_makes_one_row_of_a_form_sent_many_times_at_once(money_in: MoneyIn) -> None:
    """A1, S19."""
    card = money_in.connect_card()

    outcomes = at_once([lambda: money_in.ask_for_top_up(card, request_id="form-1")] * 20)

    assert errors(outcomes) == []
    assert len({row.pk for row in answers(outcomes)}) == TopUp.objects.count() == 1


def test_it_needs_the_lock_to_make_one_row(money_in: MoneyIn, no_row_locks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the one above."""
    card = money_in.connect_card()
    monkeypatch.setattr("wallet.services.top_ups._check_card", lambda *_: time.sleep(0.05))

    outcomes = at_once([lambda: money_in.ask_for_top_up(card, request_id="form-1")] * 20)

    assert any(isinstance(fault, IntegrityError) for fault in errors(outcomes))


def test_it_sends_one_request_however_many_workers_have_the_task(money_in: MoneyIn) -> None:
    """B12, A1: a second worker, a second click, a message that came back."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())

    outcomes = at_once([lambda: charge_top_up(top_up.pk)] * 20)

    assert (errors(outcomes), len(answers(outcomes))) == ([], 20)
    assert len(money_in.requests("payment_intents.create")) == 1
    assert money_in.moves() == [("top_up", 20)]


def test_it_needs_the_claim_to_send_one_request(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the one above: without the conditional UPDATE all send, and only Stripe's key keeps it at one charge."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    from wallet.services import top_ups

    def charge_without_claim() -> TopUp:
        time.sleep(0.02)
        top_ups.send_claimed(top_up.pk)
        return top_up

    at_once([charge_without_claim] * 20)

    assert len(money_in.requests("payment_intents.create")) > 1
    assert money_in.charges() == 1


def test_it_opens_one_session_for_many_payers_at_once(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A1, A4: Stripe is slow, so all the others meet a busy key."""
    link = money_in.ask_for_link()
    sandbox.fault("delay_before", match="checkout.sessions.create", seconds=0.3)

    outcomes = at_once([lambda: open_checkout(PaymentLink.objects.get(pk=link.pk))] * 8)

    assert errors(outcomes) == []
    assert len(set(answers(outcomes))) == TopUp.objects.count() == len(sandbox.state()["checkout_sessions"]) == 1


def test_it_never_deadlocks_two_payments_of_one_link(money_in: MoneyIn, sandbox: RunningSandbox, slow_credit: None) -> None:
    """Each credit wants the link's other attempt looked at, which the other one is just settling."""
    link = money_in.ask_for_link()
    first = open_checkout(link)
    TopUp.objects.update(status=TopUp.Status.EXPIRED, resolved_at=link.created_at)
    second = open_checkout(link)
    sandbox.pay_checkout(first)
    sandbox.pay_checkout(second)
    payments = [stripe_gateway.retrieve_payment(intent["id"]) for intent in sandbox.state()["payment_intents"]]

    outcomes = at_once([partial(settle_payment, payment) for payment in payments])

    assert errors(outcomes) == []
    assert money_in.moves() == [("top_up", 20), ("top_up", 20)]


def test_it_takes_a_refund_once_when_told_by_many_at_once(money_in: MoneyIn, sandbox: RunningSandbox, paid: Payment) -> None:
    """A17, S19."""
    settle_payment(paid)
    state = stripe_gateway.retrieve_refund(sandbox.refund(paid.id, amount=500)["id"])

    outcomes = at_once([lambda: apply_refund(state)] * 20)

    assert errors(outcomes) == []
    assert money_in.moves() == [("top_up", 20), ("refund", -5)]


def test_it_has_one_default_card_when_many_are_connected_at_once(money_in: MoneyIn) -> None:
    details = [
        CardDetails(f"pm_{number}", "visa", f"{number:04d}", 1, 2040, f"fingerprint-{number}", "cus_1", reusable=True)
        for number in range(10)
    ]

    outcomes = at_once([partial(save_card, money_in.wallet.pk, card, connected_by=None) for card in details])

    assert errors(outcomes) == []
    assert (Card.objects.count(), Card.objects.filter(is_default=True).count()) == (10, 1)


def test_it_never_deadlocks_credits_against_each_other(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """design: one order of locks. Many top-ups of one wallet, each settled by several, in no order."""
    card = money_in.connect_card()
    rows = [money_in.ask_for_top_up(card, dollars=5 + number) for number in range(8)]
    api = stripe_gateway._client().v1.payment_intents
    for row in rows:
        api.create(
            {
                "amount": row.amount_micros // 10_000,
                "currency": "usd",
                "customer": money_in.wallet.stripe_customer_id or "",
                "payment_method": card.payment_method_id,
                "confirm": True,
                "metadata": {"top_up_id": str(row.pk)},
            }
        )
    payments = list(stripe_gateway.payments_since(rows[0].created_at))

    outcomes = at_once([partial(settle_payment, payment) for payment in [*payments, *payments[::-1]] for _ in range(2)])

    assert errors(outcomes) == []
    assert money_in.balance == sum(row.amount_micros for row in rows) / DOLLAR

"""Money that goes back: rows A11 and A17 to A20 of the fault matrix."""

from datetime import timedelta

import pytest
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.errors import PaymentMismatch, UnknownPayment
from wallet.ledger import Entry, post
from wallet.models import Account, Dispute, Refund, TopUp, WebhookEvent
from wallet.services.checkout import open_checkout
from wallet.services.disputes import apply_dispute
from wallet.services.reconciliation import reconcile_since
from wallet.services.refunds import apply_refund
from wallet.stripe_objects import DisputeState, RefundState


@pytest.fixture
def payment(money_in: MoneyIn, sandbox: RunningSandbox) -> str:
    """The id of a payment of $20 that was credited."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    money_in.deliver()
    payment_id = TopUp.objects.get().payment_intent_id
    assert payment_id
    return payment_id


def spend(money_in: MoneyIn, dollars: int) -> None:
    entry = Entry(
        debit=Account.WALLET,
        credit=Account.USAGE_REVENUE,
        amount_micros=dollars * DOLLAR,
        kind="call",
        reference="call-1",
        description="Call",
        happened_at=timezone.now(),
        idempotency_key="call-1",
    )
    post(money_in.wallet.pk, [entry])


# ---------------------------------------------------------------- refunds
def test_it_takes_each_partial_refund_once(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A17: counted by refund, never by the cumulative amount_refunded; each is told of several times."""
    sandbox.refund(payment, amount=500)
    money_in.deliver()
    sandbox.refund(payment, amount=300)
    money_in.deliver()
    for event in money_in.events("refund.created", "charge.refunded", "refund.updated"):
        money_in.post(event)
    money_in.work()

    assert money_in.moves() == [("top_up", 20), ("refund", -5), ("refund", -3)]
    assert Refund.objects.count() == 2


def test_it_takes_refunds_that_only_the_charge_tells_of(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A17: charge.refunded alone brings every refund of the payment."""
    sandbox.refund(payment, amount=500)
    sandbox.refund(payment, amount=300)

    money_in.deliver("charge.refunded")

    assert sorted(money_in.moves()[1:]) == [("refund", -5), ("refund", -3)]


def test_it_finds_a_refund_that_nobody_told_of(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A9 for refunds."""
    sandbox.refund(payment, amount=500)

    assert reconcile_since().refunds == 1
    reconcile_since()

    assert money_in.moves() == [("top_up", 20), ("refund", -5)]


def test_it_puts_a_failed_refund_back(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A18: it was taken, then failed: a reversing entry, once."""
    refund = sandbox.refund(payment, amount=500)
    money_in.deliver()
    assert money_in.balance == 15

    sandbox.fail_refund(refund["id"])
    money_in.deliver()
    reconcile_since()

    assert money_in.moves() == [("top_up", 20), ("refund", -5), ("refund_failed", 5)]
    assert Refund.objects.get().status == "failed"


def test_it_learns_of_a_refund_only_once_it_has_failed(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A11, A18: both entries, in their order."""
    refund = sandbox.refund(payment, amount=500)
    sandbox.fail_refund(refund["id"])

    money_in.deliver("refund.failed")

    assert money_in.moves() == [("top_up", 20), ("refund", -5), ("refund_failed", 5)]


def test_it_follows_a_refund_that_is_pending_for_long(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A9, A18: its last webhook is lost, days after Stripe's list of new refunds would have shown it."""
    refund = sandbox.refund(payment, amount=500)
    money_in.deliver()
    Refund.objects.update(status="pending")
    sandbox.fail_refund(refund["id"])

    reconcile_since(timedelta(0))

    assert money_in.moves() == [("top_up", 20), ("refund", -5), ("refund_failed", 5)]


def test_it_is_not_led_back_by_an_older_answer(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A11: two workers fetched; the one with the older answer comes last."""
    refund = sandbox.refund(payment, amount=500)
    before = stripe_gateway.retrieve_refund(refund["id"])
    sandbox.fail_refund(refund["id"])
    apply_refund(stripe_gateway.retrieve_refund(refund["id"]))

    apply_refund(before)

    assert Refund.objects.get().status == "failed"
    assert money_in.moves() == [("top_up", 20), ("refund", -5), ("refund_failed", 5)]


def test_it_goes_below_zero_when_spent_money_is_refunded(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A20: the debt is shown, no entry is skipped."""
    spend(money_in, 18)
    sandbox.refund(payment)
    money_in.deliver()

    assert money_in.balance == -18
    assert money_in.wallet.available_micros < 0


def test_it_refuses_a_refund_of_another_currency(money_in: MoneyIn, payment: str) -> None:
    state = RefundState("re_1", "succeeded", 5 * DOLLAR, "eur", payment, "", timezone.now())

    with pytest.raises(PaymentMismatch):
        apply_refund(state)

    assert money_in.moves() == [("top_up", 20)]


def test_it_refuses_a_refund_without_a_payment(money_in: MoneyIn, payment: str) -> None:
    """A refund that names no payment must not be taken for one of a top-up that has none yet."""
    money_in.ask_for_link()
    for payment_id in ("", "pi_unknown"):
        with pytest.raises(UnknownPayment):
            apply_refund(RefundState("re_1", "succeeded", 5 * DOLLAR, "usd", payment_id, "", timezone.now()))


# ---------------------------------------------------------------- disputes
def test_it_takes_nothing_for_an_inquiry(money_in: MoneyIn, sandbox: RunningSandbox, payment: str, alerts: Alerts) -> None:
    """A19: an inquiry moves no money; closed it leaves nothing."""
    dispute = sandbox.open_dispute(payment, inquiry=True)
    money_in.deliver()
    assert (money_in.moves(), alerts()) == ([("top_up", 20)], ["dispute_opened"])
    assert Dispute.objects.get().closed_at is None

    sandbox.win_dispute(dispute["id"])
    money_in.deliver()

    closed = Dispute.objects.get()
    assert (closed.status, closed.closed_at is None) == ("warning_closed", False)
    assert money_in.moves() == [("top_up", 20)]


def test_it_takes_the_money_when_an_inquiry_becomes_a_dispute(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A19."""
    dispute = sandbox.open_dispute(payment, inquiry=True)
    money_in.deliver()
    sandbox.escalate_inquiry(dispute["id"])
    money_in.deliver()

    assert money_in.moves() == [("top_up", 20), ("dispute", -20)]


def test_it_gives_back_what_was_won(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A19, A20: spent meanwhile, so the wallet was below zero for a time."""
    spend(money_in, 15)
    dispute = sandbox.open_dispute(payment)
    money_in.deliver()
    assert money_in.balance == -15

    sandbox.win_dispute(dispute["id"])
    money_in.deliver()

    assert money_in.moves()[2:] == [("dispute", -20), ("dispute_won", 20)]
    assert money_in.balance == 5
    assert Dispute.objects.get().status == "won"


def test_it_writes_off_what_was_lost(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A19: the claim is final. The wallet was debited when it was opened, and is no party any more."""
    dispute = sandbox.open_dispute(payment)
    money_in.deliver()
    sandbox.lose_dispute(dispute["id"])
    money_in.deliver()
    reconcile_since()

    assert [kind for kind, _ in money_in.moves()] == ["top_up", "dispute", "dispute_lost"]
    assert money_in.balance == 0


@pytest.mark.parametrize("outcome", ["win_dispute", "lose_dispute"])
def test_it_takes_a_disputes_events_in_any_order(money_in: MoneyIn, sandbox: RunningSandbox, payment: str, outcome: str) -> None:
    """A11, A19."""
    dispute = sandbox.open_dispute(payment)
    getattr(sandbox, outcome)(dispute["id"])

    for event in reversed([event for event in money_in.events() if event["type"].startswith("charge.dispute")]):
        money_in.post(event)
        money_in.work()

    assert money_in.balance == (20 if outcome == "win_dispute" else 0)
    assert len(money_in.moves()) == 3
    assert not WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists()


def test_it_finds_the_end_of_a_dispute_that_nobody_told_of(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A9, A19: disputes last for months, longer than any list of new ones looks back."""
    dispute = sandbox.open_dispute(payment)
    money_in.deliver()
    sandbox.win_dispute(dispute["id"])

    reconcile_since(timedelta(0))

    assert (Dispute.objects.get().status, money_in.balance) == ("won", 20)


def test_it_is_not_opened_again_by_an_older_answer(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A11."""
    dispute = sandbox.open_dispute(payment)
    before = stripe_gateway.retrieve_dispute(dispute["id"])
    sandbox.lose_dispute(dispute["id"])
    apply_dispute(stripe_gateway.retrieve_dispute(dispute["id"]))

    apply_dispute(before)

    assert Dispute.objects.get().status == "lost"


def test_it_refuses_a_dispute_of_another_currency(money_in: MoneyIn, payment: str) -> None:
    state = DisputeState("du_1", "needs_response", 20 * DOLLAR, "eur", payment, "", 20 * DOLLAR, 0, timezone.now())

    with pytest.raises(PaymentMismatch):
        apply_dispute(state)

    assert money_in.moves() == [("top_up", 20)]

"""Faults of webhooks and of what they tell: rows A10 to A16 of the fault matrix."""

import pytest
from django.db import DatabaseError

from stripe_sandbox.testing import RunningSandbox
from tests.payments import Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.models import PaymentLink, TopUp, Wallet, WebhookEvent
from wallet.services import inbox
from wallet.services.checkout import open_checkout
from wallet.services.payment_links import LinkState, link_state
from wallet.services.reconciliation import reconcile_since
from wallet.services.settlement import end_top_up, settle_payment

Status, EventStatus = TopUp.Status, WebhookEvent.Status
PAID = ("payment_intent.succeeded", "checkout.session.completed")


@pytest.fixture
def paid(money_in: MoneyIn, sandbox: RunningSandbox) -> TopUp:
    """A top-up paid in Checkout, of which nobody has told us yet."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    return TopUp.objects.get()


def test_it_credits_once_however_often_a_webhook_comes(money_in: MoneyIn, paid: TopUp) -> None:
    """A10: every copy is answered 200."""
    for _ in range(3):
        for event in money_in.events():
            assert money_in.post(event).status_code == 200
        money_in.work()

    assert money_in.moves() == [("top_up", 20)]
    assert WebhookEvent.objects.filter(status=EventStatus.RECEIVED).count() == 0


def test_it_processes_a_repeat_of_an_event_that_was_not_handled(money_in: MoneyIn, paid: TopUp) -> None:
    """A10: that it was seen before says nothing: what counts is whether it was handled."""
    (event,) = money_in.events("payment_intent.succeeded")
    money_in.post(event)
    money_in.lose_messages()
    assert money_in.balance == 0

    money_in.post(event)
    money_in.work()

    assert money_in.moves() == [("top_up", 20)]


@pytest.mark.parametrize("backwards", [False, True])
def test_it_takes_events_in_any_order(money_in: MoneyIn, sandbox: RunningSandbox, paid: TopUp, backwards: bool) -> None:
    """A11: a refund may be told of before the payment that it returns."""
    intent = sandbox.state()["payment_intents"][0]["id"]
    sandbox.refund(intent, amount=500)

    events = money_in.events()
    for event in reversed(events) if backwards else events:
        money_in.post(event)
        money_in.work()

    assert money_in.moves() == [("top_up", 20), ("refund", -5)]
    assert not WebhookEvent.objects.filter(status=EventStatus.RECEIVED).exists()


def test_it_keeps_an_event_of_an_unknown_attempt(money_in: MoneyIn, paid: TopUp, alerts: Alerts) -> None:
    """A12: kept, tried again with longer and longer pauses, dead with an alert in the end. Never "200 and forget"."""
    (event,) = money_in.events("payment_intent.succeeded")
    event_id = event["id"]
    TopUp.objects.all().delete()

    assert money_in.post(event).status_code == 200
    money_in.work()
    kept = WebhookEvent.objects.get(pk=event_id)
    assert (kept.status, kept.attempts) == (EventStatus.RECEIVED, 1)
    assert kept.last_error.startswith("unknown_payment")

    for _ in range(inbox.ATTEMPTS_MAX):
        assert alerts() == []
        money_in.pass_time(hours=1)
        money_in.sweep()
    kept.refresh_from_db()
    assert (kept.status, kept.attempts, kept.next_attempt_at) == (EventStatus.DEAD, inbox.ATTEMPTS_MAX, None)
    assert alerts() == ["webhook_event_dead"]
    assert kept.payload["data"]["object"]["amount"] == 2000


def test_it_handles_a_dead_event_once_it_is_revived(money_in: MoneyIn, paid: TopUp) -> None:
    """A12: what was kept aside can be replayed when its cause is gone."""
    (event,) = money_in.events("payment_intent.succeeded")
    WebhookEvent.objects.create(
        stripe_event_id=event["id"], type=event["type"], object_id=event["data"]["object"]["id"], payload=event, status=EventStatus.DEAD
    )
    assert money_in.post(event).status_code == 200
    money_in.work()
    assert money_in.balance == 0

    assert inbox.revive_dead_events() == 1
    money_in.sweep()

    assert money_in.moves() == [("top_up", 20)]
    assert WebhookEvent.objects.get(pk=event["id"]).status == EventStatus.HANDLED


def test_it_tries_again_after_its_own_fault(money_in: MoneyIn, paid: TopUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A13: the handler raises. Nothing of its effect stays, the row does."""

    def stumble(*_: object, **__: object) -> None:
        raise DatabaseError("out of luck")

    (event,) = money_in.events("payment_intent.succeeded")
    with monkeypatch.context() as patched:
        patched.setattr("wallet.services.settlement.notify_admins", stumble)
        money_in.post(event)
        with pytest.raises(DatabaseError):
            money_in.work()
    kept = WebhookEvent.objects.get(pk=event["id"])
    assert (kept.status, kept.attempts) == (EventStatus.RECEIVED, 1)
    assert "out of luck" in kept.last_error
    assert money_in.balance == 0

    money_in.pass_time(minutes=2)
    money_in.sweep()

    assert money_in.moves() == [("top_up", 20)]


def test_it_buries_an_event_that_kills_its_worker_each_time(money_in: MoneyIn, paid: TopUp, alerts: Alerts) -> None:
    """A13: the attempt is counted before it is made."""
    (event,) = money_in.events("payment_intent.succeeded")
    money_in.post(event)
    money_in.lose_messages()
    for _ in range(inbox.ATTEMPTS_MAX):
        money_in.pass_time(hours=1)
        assert inbox._claim(event["id"]) is not None

    # Stripe sends it once more while the last attempt is under way.
    assert inbox._claim(event["id"]) is None
    assert alerts() == []

    money_in.pass_time(hours=1)
    assert inbox._claim(event["id"]) is None

    assert alerts() == ["webhook_event_dead"]


def test_it_waits_for_a_bank_debit(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A14: completed and unpaid is no money; async_payment_succeeded is."""
    link = money_in.ask_for_link()
    sandbox.pay_checkout_by_bank(open_checkout(link))
    money_in.deliver()
    assert (TopUp.objects.get().status, money_in.balance) == (Status.PROCESSING, 0)
    assert link_state(link) is LinkState.PROCESSING
    money_in.pass_time(hours=30)
    money_in.sweep()
    assert TopUp.objects.get().status == Status.PROCESSING

    sandbox.settle_debit(sandbox.state()["payment_intents"][0]["id"], succeeded=True)
    money_in.deliver()

    assert money_in.moves() == [("top_up", 20)]
    assert TopUp.objects.get().paid_with == "Bank account •••• 6789"


@pytest.mark.parametrize("how", ["webhook", "sweep", "webhook of the payment, then sweep"])
def test_it_fails_a_bank_debit_that_comes_back(money_in: MoneyIn, sandbox: RunningSandbox, how: str) -> None:
    """A14: async_payment_failed; the link can then be paid again."""
    link = money_in.ask_for_link()
    sandbox.pay_checkout_by_bank(open_checkout(link))
    money_in.deliver()
    sandbox.settle_debit(sandbox.state()["payment_intents"][0]["id"], succeeded=False)

    if how == "webhook":
        money_in.deliver()
    else:
        if "payment" in how:
            money_in.deliver("payment_intent.payment_failed")
        money_in.pass_time(hours=2)
        money_in.sweep()

    top_up = TopUp.objects.get()
    assert (top_up.status, top_up.decline_code, money_in.balance) == (Status.FAILED, "insufficient_funds", 0)
    assert link_state(PaymentLink.objects.get()) is LinkState.OPEN
    sandbox.pay_checkout(open_checkout(link))
    money_in.deliver()
    assert money_in.moves() == [("top_up", 20)]


def test_it_keeps_a_processing_debit_whose_session_id_was_lost(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A3 with A14: the attempt must not expire while the bank is at it."""
    link = money_in.ask_for_link()
    address = open_checkout(link)
    TopUp.objects.update(checkout_session_id=None)
    sandbox.pay_checkout_by_bank(address)
    money_in.deliver("payment_intent.processing")

    money_in.pass_time(hours=3)
    money_in.sweep()

    assert TopUp.objects.get().status == Status.PROCESSING


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FAILED, Status.CANCELED])
def test_it_credits_money_for_a_closed_top_up(money_in: MoneyIn, paid: TopUp, alerts: Alerts, status: TopUp.Status) -> None:
    """A15: the money was taken, so it is credited, whatever our row says; and a person is told."""
    end_top_up(paid.pk, status=status)

    money_in.deliver()

    assert money_in.moves() == [("top_up", 20)]
    assert money_in.read(paid).status == Status.SUCCEEDED
    assert alerts() == ["payment_for_a_closed_top_up"]


@pytest.mark.parametrize("what", ["amount", "currency", "mode", "customer"])
def test_it_credits_nothing_that_it_did_not_ask_for(
    money_in: MoneyIn, paid: TopUp, alerts: Alerts, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A16: manual review, an alert, no credit; and again at each later look."""
    if what == "amount":
        TopUp.objects.update(amount_micros=30_000_000)
    elif what == "currency":
        Wallet.objects.update(currency="eur")
    elif what == "customer":
        Wallet.objects.update(stripe_customer_id="cus_another")
    else:
        monkeypatch.setattr("django.conf.settings.STRIPE_LIVE", True)
        payment = next(iter(stripe_gateway.payments_since(paid.created_at)))
        settle_payment(payment)
    if what != "mode":
        money_in.deliver()

    top_up = money_in.read(paid)
    assert (top_up.status, money_in.balance, top_up.next_check_at) == (Status.MANUAL_REVIEW, 0, None)
    assert set(alerts()) == {"payment_mismatch"}
    assert "cus_" not in top_up.failure_message
    assert link_state(PaymentLink.objects.get()) is LinkState.PROCESSING


def test_it_credits_what_was_reviewed_and_set_right(money_in: MoneyIn, paid: TopUp) -> None:
    """A16: the person mends the cause, and the next look credits."""
    right = money_in.wallet.stripe_customer_id or Wallet.objects.get().stripe_customer_id
    Wallet.objects.update(stripe_customer_id="cus_another")
    money_in.deliver()
    assert money_in.balance == 0

    Wallet.objects.update(stripe_customer_id=right)
    reconcile_since()

    assert money_in.moves() == [("top_up", 20)]


def test_it_takes_nothing_back_that_was_never_credited(money_in: MoneyIn, sandbox: RunningSandbox, paid: TopUp, alerts: Alerts) -> None:
    """A16 with A17: the operator sends a payment back that did not fit. The wallet never had it, so nothing leaves it."""
    TopUp.objects.update(amount_micros=30_000_000)
    money_in.deliver()
    sandbox.refund(sandbox.state()["payment_intents"][0]["id"])
    money_in.deliver()
    found = reconcile_since()

    assert (money_in.balance, found.refunds) == (0, 0)
    assert set(alerts()) == {"payment_mismatch"}
    assert WebhookEvent.objects.filter(status=EventStatus.RECEIVED, last_error__startswith="payment_mismatch").exists()


def test_it_ignores_what_is_not_about_a_wallet(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """The operator may sell other things with the same account: their events are kept, and nobody is woken for them."""
    api = stripe_gateway._client().v1
    customer = api.customers.create({"name": "Somebody else"}).id
    method = api.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    intent = api.payment_intents.create({"amount": 900, "currency": "usd", "customer": customer, "payment_method": method, "confirm": True})
    sandbox.refund(intent.id, amount=100)
    sandbox.open_dispute(intent.id)
    pay_for_a_book(sandbox, metadata={})

    money_in.deliver()

    assert {event.status for event in WebhookEvent.objects.all()} == {EventStatus.IGNORED}
    assert reconcile_since().unmatched == 0
    assert money_in.balance == 0


def test_it_keeps_a_session_whose_attempt_is_no_id_of_ours(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A12: somebody wrote over our metadata at Stripe."""
    pay_for_a_book(sandbox, metadata={"attempt_id": "order-17"})

    money_in.deliver("checkout.session.completed")

    kept = WebhookEvent.objects.get()
    assert (kept.status, kept.last_error.partition(":")[0]) == (EventStatus.RECEIVED, "unknown_payment")


def pay_for_a_book(sandbox: RunningSandbox, *, metadata: dict[str, str]) -> None:
    """A Checkout of another product's on the same account."""
    session = stripe_gateway._client().v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "http://127.0.0.1:9/",
            "metadata": metadata,
            "line_items": [{"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Book"}}}],
        }
    )
    assert session.url is not None
    sandbox.pay_checkout(session.url)


def test_it_adopts_a_payment_whose_row_is_gone(money_in: MoneyIn, paid: TopUp, alerts: Alerts) -> None:
    """B25, A4: a book restored from a backup lacks the newest rows; Stripe's metadata says whose the money is."""
    TopUp.objects.all().delete()
    assert reconcile_since().credited == 0, "its row may be just about to be committed elsewhere"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("wallet.services.reconciliation.ADOPT_AFTER", inbox.RETRY_AFTER * 0)
        found = reconcile_since()

    assert (found.credited, money_in.moves(), alerts()) == (1, [("top_up", 20)], ["payment_adopted"])
    money_in.deliver()
    assert reconcile_since().credited == 0
    assert money_in.moves() == [("top_up", 20)]


def test_it_tells_of_money_that_belongs_to_no_wallet(money_in: MoneyIn, paid: TopUp, alerts: Alerts) -> None:
    TopUp.objects.all().delete()
    Wallet.objects.update(stripe_customer_id=None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("wallet.services.reconciliation.ADOPT_AFTER", inbox.RETRY_AFTER * 0)
        found = reconcile_since()

    assert (found.unmatched, alerts()) == (1, ["payment_without_wallet"])

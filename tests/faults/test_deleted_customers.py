"""Somebody deletes a wallet's customer at Stripe: the wallet lets go of it, its owner is told, and everything goes on with another."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import told
from tests.payments import Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.errors import GatewayRejected, GatewayUnavailable, OutcomeUnknown
from wallet.models import (
    AutomaticPayments,
    Card,
    CardSetup,
    FormerCustomer,
    Notice,
    PaymentLink,
    StripeMovement,
    TopUp,
    Wallet,
    WebhookEvent,
)
from wallet.services import charging_switch
from wallet.services.checkout import open_checkout
from wallet.services.customers import customers_of, let_customer_go, stripe_customer
from wallet.services.reconciliation import reconcile_since
from wallet.services.settlement import adopt_payment, settle_payment
from wallet.services.stripe_balance import Comparison
from wallet.services.top_ups import charge_top_up
from workspaces.models import AuditEntry
from workspaces.tests.threads import answers, at_once, errors

Status = TopUp.Status
CHARGE = "payment_intents.create"


def customer_of(money_in: MoneyIn) -> str | None:
    """The id in the row as it stands."""
    return Wallet.objects.get(pk=money_in.wallet.pk).stripe_customer_id


def live_customers(sandbox: RunningSandbox) -> list[str]:
    return [customer["id"] for customer in sandbox.state()["customers"] if "deleted" not in customer]


# ---------------------------------------------------------------- the whole way
def test_it_goes_on_with_another_customer(active: MoneyIn, sandbox: RunningSandbox, alerts: Alerts) -> None:
    """Deleted, told, paid by link, a new card, and automatic payments again."""
    deleted = active.delete_customer()
    active.deliver()

    assert (customer_of(active), FormerCustomer.objects.get().pk) == (None, deleted)
    assert not Card.objects.filter(removed_at=None).exists()
    assert active.rule.suspension == AutomaticPayments.Suspension.NO_CARD
    (mail,) = Notice.objects.filter(kind=Notice.Kind.AUTOMATIC_FAILED)
    assert mail.reference.startswith("suspended:")
    entry = AuditEntry.objects.get(action="customer.deleted")
    assert (entry.actor_label, entry.target, entry.before) == ("system", deleted, {"cards": ["Visa •••• 4242"]})
    assert alerts() == ["customer_deleted"]
    active.client.force_login(active.alice)
    for page in ("billing:billing", "billing:automatic_payments", "billing:add_balance"):
        answer = active.client.get(reverse(page, args=[active.wallet.workspace.public_id]), follow=True)
        assert (answer.status_code, "There is no card to charge" in answer.content.decode()) == (200, True), page

    sandbox.pay_checkout(open_checkout(active.ask_for_link(dollars=20)))
    active.deliver()
    assert (active.balance, active.rule.suspension) == (50, AutomaticPayments.Suspension.NO_CARD)

    sandbox.pay_checkout(open_checkout(active.ask_for_link(dollars=None)))
    active.deliver()
    active.use(45)
    active.work()

    assert (active.outcomes(), active.balance) == ([("succeeded", 25)], 30)
    assert live_customers(sandbox) == [customer_of(active)] != [deleted]


@pytest.mark.parametrize("known", ["by a charge", "by a payer", "by whoever connects a card"])
def test_it_finds_out_by_itself(money_in: MoneyIn, sandbox: RunningSandbox, alerts: Alerts, known: str) -> None:
    """No webhook tells: the endpoint may not be subscribed to it. What was refused is tried once more where a person waits for it."""
    top_up = money_in.ask_for_top_up(money_in.connect_card())
    deleted = money_in.delete_customer()

    if known == "by a charge":
        failed = charge_top_up(top_up.pk)
        assert (failed.status, failed.decline_code) == (Status.FAILED, "card_gone")
    else:
        sandbox.pay_checkout(open_checkout(money_in.ask_for_link(dollars=20 if known == "by a payer" else None)))
        assert live_customers(sandbox) == [customer_of(money_in)]

    assert FormerCustomer.objects.get().pk == deleted
    assert alerts() == ["customer_deleted"]


@pytest.mark.parametrize("dollars", [20, None])
def test_it_opens_the_link_again_whose_session_nobody_can_pay(money_in: MoneyIn, sandbox: RunningSandbox, dollars: int | None) -> None:
    link = money_in.ask_for_link(dollars=dollars)
    address = open_checkout(link)
    money_in.delete_customer()
    assert sandbox.pay_checkout(address).status == 402
    money_in.deliver()

    again = open_checkout(PaymentLink.objects.get(pk=link.pk))
    assert again != address
    sandbox.pay_checkout(again)
    money_in.deliver()

    assert money_in.balance == (dollars or 0)
    assert sorted(session["status"] for session in sandbox.state()["checkout_sessions"]) == ["complete", "expired"]


def test_it_ends_the_session_that_nobody_can_pay(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """Nobody comes back to the link: the sweep ends what is open."""
    open_checkout(money_in.ask_for_link())
    open_checkout(money_in.ask_for_link(dollars=None))
    money_in.delete_customer()
    money_in.deliver()

    money_in.sweep()

    assert (TopUp.objects.get().status, CardSetup.objects.get().status) == (Status.EXPIRED, CardSetup.Status.EXPIRED)
    assert {session["status"] for session in sandbox.state()["checkout_sessions"]} == {"expired"}


def test_it_asks_for_the_next_customer_under_another_key(money_in: MoneyIn) -> None:
    """For a day Stripe would answer the same request with the customer that was deleted."""
    for _ in range(3):
        let_customer_go(money_in.wallet.pk, customer_id=money_in.delete_customer())

    keys = [request["idempotency_key"] for request in money_in.requests("customers.create")]
    assert len(set(keys)) == 3
    money_in.wallet.refresh_from_db()
    assert len(customers_of(money_in.wallet)) == 3


# ---------------------------------------------------------------- what proves nothing
@pytest.mark.parametrize("cards", ["kept", "unknown"])
def test_it_lets_go_of_no_customer_that_is_only_unknown(active: MoneyIn, cards: str) -> None:
    """B7: the key of another account or mode knows no customer, and no card either."""
    Wallet.objects.update(stripe_customer_id="cus_of_another_account")
    if cards == "unknown":
        Card.objects.update(payment_method_id="pm_of_another_account")
    active.use(25)
    active.work()
    with pytest.raises(GatewayRejected):
        open_checkout(active.ask_for_link())

    assert customer_of(active) == "cus_of_another_account"
    assert (FormerCustomer.objects.count(), active.rule.suspended_at) == (0, None)
    assert Card.objects.get().removed_at is None


@pytest.mark.parametrize("fault", ["drop_before", "error_before", "rate_limit"])
def test_it_lets_go_of_no_customer_without_an_answer(money_in: MoneyIn, sandbox: RunningSandbox, fault: str) -> None:
    """The event is kept and tried again; so is the payer."""
    deleted = money_in.delete_customer()
    sandbox.fault(fault, match="customers.retrieve", count=2)
    money_in.deliver()
    with pytest.raises(GatewayRejected):
        open_checkout(money_in.ask_for_link())
    assert customer_of(money_in) == deleted

    money_in.pass_time(minutes=1)
    money_in.sweep()

    assert (customer_of(money_in), WebhookEvent.objects.get(type="customer.deleted").status) == (None, WebhookEvent.Status.HANDLED)


def test_it_believes_no_event_that_stripe_does_not_confirm(money_in: MoneyIn) -> None:
    """A payload is a hint: the customer is still there."""
    deleted = money_in.delete_customer()
    (event,) = money_in.events("customer.deleted")
    kept = stripe_gateway._client().v1.customers.create({"name": "Still there"}).id
    Wallet.objects.update(stripe_customer_id=kept)
    event["data"]["object"]["id"] = kept

    money_in.post(event)
    money_in.work()

    assert customer_of(money_in) == kept != deleted
    assert WebhookEvent.objects.get().status == WebhookEvent.Status.RECEIVED


# ---------------------------------------------------------------- money that was under way
def test_it_credits_what_was_paid_before(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """The customer goes between the payment and its webhook, and the payer had let the card be kept."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link(), saves_card=True))
    sandbox.fault("webhook_drop", match="*", count=None)
    payment = stripe_gateway.retrieve_payment(sandbox.state()["payment_intents"][0]["id"])
    let_customer_go(money_in.wallet.pk, customer_id=money_in.delete_customer())

    assert settle_payment(payment).status == Status.SUCCEEDED

    assert (money_in.balance, Card.objects.count()) == (20, 0)


def test_it_connects_no_card_that_went_with_its_customer(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link(dollars=None)
    sandbox.pay_checkout(open_checkout(link))
    money_in.delete_customer()
    money_in.deliver()

    assert (CardSetup.objects.get().status, Card.objects.count()) == (CardSetup.Status.EXPIRED, 0)
    assert open_checkout(PaymentLink.objects.get(pk=link.pk))


@pytest.fixture
def paid(money_in: MoneyIn) -> TopUp:
    """Twenty dollars from a card of the former customer, credited before it was deleted."""
    top_up = charge_top_up(money_in.ask_for_top_up(money_in.connect_card()).pk)
    money_in.delete_customer()
    money_in.deliver()
    stripe_customer(Wallet.objects.get())
    return top_up


@pytest.mark.parametrize(
    ("come_late", "move"),
    [
        (lambda sandbox, payment: sandbox.refund(payment, amount=500), ("refund", -5)),
        (lambda sandbox, payment: sandbox.open_dispute(payment), ("dispute", -20)),
    ],
    ids=["refund", "dispute"],
)
def test_it_books_what_comes_late(
    money_in: MoneyIn, sandbox: RunningSandbox, paid: TopUp, come_late: Callable[[RunningSandbox, str], object], move: tuple[str, float]
) -> None:
    come_late(sandbox, paid.payment_intent_id or "")
    money_in.deliver()

    assert money_in.moves() == [("top_up", 20), move]


@pytest.mark.parametrize("metadata", [{"top_up_id": str(uuid4()), "workspace": "ws"}, {}], ids=["adopted", "told"])
def test_it_knows_whose_a_payment_without_a_row_is(money_in: MoneyIn, alerts: Alerts, metadata: dict[str, str]) -> None:
    """B25: the book was restored, or somebody charged the card in the dashboard, and the wallet has another customer by now."""
    card = money_in.connect_card()
    payment = stripe_gateway._client().v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "usd",
            "customer": stripe_customer(money_in.wallet),
            "payment_method": card.payment_method_id,
            "confirm": True,
            "metadata": metadata,
        }
    )
    let_customer_go(money_in.wallet.pk, customer_id=money_in.delete_customer())
    stripe_customer(Wallet.objects.get())

    adopted = adopt_payment(stripe_gateway.retrieve_payment(payment.id)) if metadata else None
    movements = Comparison(now=timezone.now() + timedelta(days=1)).unmatched(stripe_gateway.movements_since(card.connected_at))

    assert (money_in.balance, adopted is None) == ((7, False) if metadata else (0, True))
    assert [found.wallet_id for found in movements] == ([] if metadata else [money_in.wallet.pk])
    assert StripeMovement.objects.get().wallet_id == money_in.wallet.pk


# ---------------------------------------------------------------- deleted while a charge is under way
def test_it_credits_the_charge_whose_answer_was_lost(active: MoneyIn, sandbox: RunningSandbox) -> None:
    active.sandbox.fault("reset_after", match=CHARGE)
    active.use(25)
    active.work()
    assert active.outcomes() == [("unknown", 25)]

    active.delete_customer()
    active.deliver("customer.deleted")
    active.pass_time(seconds=70)
    active.sweep()

    assert (active.outcomes(), active.balance, active.charges()) == ([("succeeded", 25)], 30, 1)


def test_it_fails_the_charge_that_never_reached_stripe(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """Nothing is listed for it, and with its card gone nothing ever will be: no other card in its place, and no other key."""
    active.sandbox.fault("drop_before", match=CHARGE)
    active.use(25)
    active.work()
    assert active.outcomes() == [("unknown", 25)]

    active.delete_customer()
    active.deliver()
    active.pass_time(seconds=70)
    active.sweep()

    (top_up,) = active.automatic()
    assert (top_up.status, top_up.decline_code, active.charges()) == (Status.FAILED, "card_gone", 0)
    assert len(active.requests(CHARGE)) == 1


def test_it_suspends_whom_the_charge_itself_tells(active: MoneyIn, alerts: Alerts) -> None:
    """The customer goes between the decision and its charge: not the key's fault, so no reason to stop everybody's charges."""
    active.use(25)
    active.delete_customer()
    active.work()

    (top_up,) = active.automatic()
    assert (top_up.status, top_up.decline_code) == (Status.FAILED, "card_gone")
    assert active.rule.suspension == AutomaticPayments.Suspension.NO_CARD
    assert "charge_rejected" not in alerts()
    assert not charging_switch.charging_is_paused()


def test_it_finds_the_session_of_the_former_customer_whose_answer_was_lost(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A4: it was paid all the same, so the link's next payer must not pay again."""
    link = money_in.ask_for_link()
    sandbox.fault("reset_after", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)
    sandbox.pay_checkout(sandbox.state()["checkout_sessions"][0]["url"])
    money_in.delete_customer()
    money_in.deliver("customer.deleted")

    money_in.sweep()

    assert money_in.moves() == [("top_up", 20)]


# ---------------------------------------------------------------- races
def test_it_lets_go_once_however_often_it_is_told(active: MoneyIn) -> None:
    deleted = active.delete_customer()
    outcomes = at_once([lambda: let_customer_go(active.wallet.pk, customer_id=deleted)] * 8)
    active.deliver()
    reconcile_since()

    assert errors(outcomes) == []
    assert (FormerCustomer.objects.count(), AuditEntry.objects.filter(action="customer.deleted").count()) == (1, 1)
    assert told(Notice.Kind.AUTOMATIC_FAILED) == 1

    following = stripe_customer(Wallet.objects.get())
    let_customer_go(active.wallet.pk, customer_id=deleted)
    assert customer_of(active) == following != deleted


def test_it_needs_the_lock_to_let_go_once(active: MoneyIn, no_row_locks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the one above: without the lock all of them let go, and only the unique id keeps it at one."""
    deleted = active.delete_customer()
    meeting = threading.Barrier(4)

    def moment_of_all() -> datetime:
        meeting.wait(10)
        return timezone.now()

    monkeypatch.setattr("wallet.services.customers.database_time", moment_of_all)

    outcomes = at_once([lambda: let_customer_go(active.wallet.pk, customer_id=deleted)] * 4)

    assert len(errors(outcomes)) == 3
    assert FormerCustomer.objects.count() == 1


def test_it_makes_one_customer_when_two_need_the_next_at_once(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    let_customer_go(money_in.wallet.pk, customer_id=money_in.delete_customer())
    rows = [Wallet.objects.get() for _ in range(4)]

    outcomes = at_once([partial(stripe_customer, row) for row in rows])

    # A key that is busy is asked for again by whoever needs it.
    assert all(isinstance(fault, GatewayUnavailable) for fault in errors(outcomes))
    assert set(answers(outcomes)) == set(live_customers(sandbox)) == {customer_of(money_in)}


def test_it_takes_no_former_customer_for_the_next(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A worker that was asleep since before the first one was made answers with it; the next one asks again."""
    asleep = Wallet.objects.get()
    deleted = money_in.delete_customer()
    let_customer_go(money_in.wallet.pk, customer_id=deleted)

    with pytest.raises(GatewayUnavailable, match="deleted at Stripe while it was made"):
        stripe_customer(asleep)

    assert stripe_customer(asleep) == customer_of(money_in) != deleted

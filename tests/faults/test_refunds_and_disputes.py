"""Money that goes back: rows A11 and A17 to A20 of the fault matrix."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet import stripe_gateway
from wallet.errors import AlreadyResolved, PaymentMismatch, UnknownPayment
from wallet.ledger import Entry, post
from wallet.models import Account, Dispute, Refund, TopUp, WebhookEvent
from wallet.services.books import check_books, installed_checks
from wallet.services.checkout import open_checkout
from wallet.services.disputes import apply_dispute, book_dispute
from wallet.services.reconciliation import reconcile_since
from wallet.services.refunds import apply_refund
from wallet.stripe_answers import read_dispute
from wallet.stripe_objects import RefundState
from workspaces.models import AuditEntry


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


def test_it_gives_back_what_was_won_after_it_was_lost(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A19: banks have changed their mind. First the status turns, then the money comes."""
    dispute = sandbox.open_dispute(payment)
    sandbox.lose_dispute(dispute["id"])
    money_in.deliver()
    lost = stripe_gateway.retrieve_dispute(dispute["id"])

    apply_dispute(replace(lost, status="won"))
    call_command("check_books", stdout=io.StringIO())
    for _ in range(2):
        apply_dispute(replace(lost, status="won", is_reinstated=True))

    assert [kind for kind, _ in money_in.moves()] == ["top_up", "dispute", "dispute_lost", "dispute_won"]
    assert money_in.balance == 20
    accounts = check_books(installed_checks()).accounts
    assert (accounts["usd", "disputes"], accounts["usd", "write_offs"]) == (0, 0)


def test_it_keeps_to_the_amount_that_was_taken(money_in: MoneyIn, sandbox: RunningSandbox, payment: str) -> None:
    """A bank may ask for less, and change it; what has left the wallet is what comes back."""
    dispute = stripe_gateway.retrieve_dispute(sandbox.open_dispute(payment, inquiry=True)["id"])
    apply_dispute(replace(dispute, amount_micros=20 * DOLLAR))
    apply_dispute(replace(dispute, amount_micros=12 * DOLLAR, status="needs_response", is_withdrawn=True))
    apply_dispute(replace(dispute, amount_micros=15 * DOLLAR, status="won", is_withdrawn=True, is_reinstated=True))

    assert money_in.moves() == [("top_up", 20), ("dispute", -12), ("dispute_won", 12)]


# ---------------------------------------------------------------- disputes in another currency
@pytest.fixture
def disputed_in_euros(money_in: MoneyIn, sandbox: RunningSandbox, payment: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a dispute that the payer's bank has opened in its own currency, as Stripe tells it from now on."""
    monkeypatch.setattr(stripe_gateway, "read_dispute", lambda document: read_dispute({**document, "currency": "eur", "amount": 1840}))
    dispute_id: str = sandbox.open_dispute(payment)["id"]
    return dispute_id


def test_it_keeps_a_dispute_of_another_currency(money_in: MoneyIn, disputed_in_euros: str, alerts: Alerts) -> None:
    """Neither dropped nor guessed: it stands open with its reason, every event of it is handled, and the operator is told again."""
    money_in.deliver()
    reconcile_since()

    dispute = Dispute.objects.get()
    assert (dispute.stripe_dispute_id, dispute.closed_at, dispute.amount_micros) == (disputed_in_euros, None, None)
    assert dispute.waits_because == "It is in EUR and the wallet in USD."
    assert money_in.moves() == [("top_up", 20)]
    assert set(WebhookEvent.objects.exclude(status="ignored").values_list("status", flat=True)) == {"handled"}
    assert alerts()[:2] == ["dispute_opened", "dispute_waits"]
    assert alerts()[-1] == "dispute_waits"


def test_it_keeps_a_dispute_of_a_currency_that_no_wallet_has(
    money_in: MoneyIn, sandbox: RunningSandbox, payment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_gateway, "read_dispute", lambda document: read_dispute({**document, "currency": "xaf"}))
    dispute = sandbox.open_dispute(payment)
    money_in.deliver()
    assert Dispute.objects.get().waits_because == "It is in XAF and the wallet in USD."

    book_dispute(dispute["id"], amount_micros=5 * DOLLAR)

    assert money_in.moves() == [("top_up", 20), ("dispute", -5)]


@pytest.mark.parametrize(("outcome", "moves"), [("win_dispute", ("dispute_won", 18.4)), ("lose_dispute", ("dispute_lost", -18.4))])
def test_it_books_a_dispute_of_another_currency_as_the_operator_says(
    money_in: MoneyIn, sandbox: RunningSandbox, disputed_in_euros: str, alerts: Alerts, outcome: str, moves: tuple[str, float]
) -> None:
    """By the command; what comes of it later follows by itself."""
    money_in.deliver()

    for _ in range(2):
        out = io.StringIO()
        call_command("book_dispute", disputed_in_euros, "18.40", stdout=out)
        assert out.getvalue() == f"The dispute {disputed_in_euros} is needs_response: $18.40 taken, $0.00 put back.\n"
    told = AuditEntry.objects.get(action="dispute.booked", is_staff_act=True)
    assert (told.target, told.before, told.after) == (disputed_in_euros, {"amount_micros": None}, {"amount_micros": 18_400_000})
    getattr(sandbox, outcome)(disputed_in_euros)
    money_in.deliver()

    assert money_in.moves() == [("top_up", 20), ("dispute", -18.4), moves]
    assert Dispute.objects.get().waits_because == ""
    assert alerts()[-1] == "dispute_waits", "and nothing since it was booked"


def test_it_waits_for_nothing_once_an_inquiry_has_ended(
    money_in: MoneyIn, sandbox: RunningSandbox, payment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_gateway, "read_dispute", lambda document: read_dispute({**document, "currency": "eur", "amount": 1840}))
    inquiry = sandbox.open_dispute(payment, inquiry=True)
    money_in.deliver()
    assert Dispute.objects.get().waits_because

    sandbox.win_dispute(inquiry["id"])
    money_in.deliver()

    assert (Dispute.objects.get().status, Dispute.objects.get().waits_because) == ("warning_closed", "")


def test_it_lists_the_disputes_that_wait(money_in: MoneyIn, disputed_in_euros: str) -> None:
    money_in.deliver()
    before, after, beside = io.StringIO(), io.StringIO(), io.StringIO()

    call_command("book_dispute", stdout=before)
    book_dispute(disputed_in_euros, amount_micros=DOLLAR)
    call_command("book_dispute", stdout=after, stderr=beside)

    receipt, workspace = TopUp.objects.get().receipt_number, money_in.wallet.workspace.public_id
    assert before.getvalue() == (
        f"{disputed_in_euros} needs_response · {workspace} · receipt {receipt} of $20.00 · It is in EUR and the wallet in USD.\n"
    )
    assert (after.getvalue(), beside.getvalue()) == ("", "No dispute waits for its amount.\n")


@pytest.mark.parametrize("amount", ["", "0", "-1", "20.01", "1.234", "1e1", "NaN", "x"])
def test_it_books_no_dispute_at_an_amount_that_cannot_be(money_in: MoneyIn, disputed_in_euros: str, amount: str) -> None:
    money_in.deliver()

    with pytest.raises(CommandError):
        call_command("book_dispute", disputed_in_euros, amount, stdout=io.StringIO())

    assert money_in.moves() == [("top_up", 20)]


def test_it_books_no_dispute_twice_or_of_the_wallets_own_currency(
    money_in: MoneyIn, disputed_in_euros: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    money_in.deliver()
    book_dispute(disputed_in_euros, amount_micros=18 * DOLLAR)
    with pytest.raises(AlreadyResolved):
        book_dispute(disputed_in_euros, amount_micros=19 * DOLLAR)

    monkeypatch.setattr(stripe_gateway, "read_dispute", read_dispute)
    Dispute.objects.update(withdrawn_micros=0)
    with pytest.raises(AlreadyResolved):
        book_dispute(disputed_in_euros, amount_micros=19 * DOLLAR)
    Dispute.objects.update(withdrawn_micros=18 * DOLLAR)

    with pytest.raises(CommandError):
        call_command("book_dispute", "du_nobodys", "1", stdout=io.StringIO())
    assert money_in.moves() == [("top_up", 20), ("dispute", -18)]

"""Faults of a top-up paid in hosted Checkout, from the click to the credit: rows A1 to A9 of the fault matrix."""

from datetime import timedelta

import pytest
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.payments import DOLLAR, Alerts, MoneyIn
from wallet.errors import GatewayRejected, GatewayUnavailable, IdempotencyConflict, LinkUnusable, OutcomeUnknown
from wallet.models import PaymentLink, TopUp, Wallet
from wallet.services.checkout import open_checkout, return_from_checkout, withdraw_payment_link
from wallet.services.payment_links import LinkState, link_state
from wallet.services.reconciliation import reconcile_since
from wallet.services.settlement import end_top_up

Status = TopUp.Status


def the_top_up() -> TopUp:
    return TopUp.objects.get()


def test_it_makes_one_link_and_one_session_of_a_double_click(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A1: double click, two tabs, Back."""
    first, second = (money_in.ask_for_link(request_id="form-1") for _ in range(2))
    addresses = {open_checkout(first), open_checkout(second), open_checkout(first)}

    assert first == second
    assert len(addresses) == 1
    assert TopUp.objects.count() == len(sandbox.state()["checkout_sessions"]) == 1


def test_it_refuses_a_form_sent_again_with_another_amount(money_in: MoneyIn) -> None:
    """A1: the same form is one wish."""
    money_in.ask_for_link(request_id="form-1")

    with pytest.raises(IdempotencyConflict):
        money_in.ask_for_link(request_id="form-1", dollars=50)


def test_it_waits_for_the_first_of_two_clicks(money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A1: the second click finds Stripe busy with the first one's key, and still leads to the one session."""
    monkeypatch.setattr("wallet.services.checkout.BUSY_WAIT_SECONDS", 0)
    link = money_in.ask_for_link()
    sandbox.fault("conflict", match="checkout.sessions.create", count=2)

    address = open_checkout(link)

    assert sandbox.open_page(address).status == 200
    assert len(sandbox.state()["checkout_sessions"]) == 1


def test_it_gives_up_where_stripe_stays_busy(money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.services.checkout.BUSY_WAIT_SECONDS", 0)
    link = money_in.ask_for_link()
    sandbox.fault("conflict", match="checkout.sessions.create", count=None)

    with pytest.raises(GatewayUnavailable):
        open_checkout(link)


def test_it_ends_an_attempt_that_never_reached_stripe(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A2: killed after the row, before Stripe."""
    link = money_in.ask_for_link()
    sandbox.fault("drop_before", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)
    assert the_top_up().status == Status.CREATED

    money_in.pass_time(hours=3)
    money_in.sweep()

    assert the_top_up().status == Status.EXPIRED
    assert money_in.balance == 0


@pytest.mark.parametrize("minutes", [1, 80, 100, 117])
def test_it_opens_the_link_again_after_an_attempt_that_never_reached_stripe(
    money_in: MoneyIn, sandbox: RunningSandbox, minutes: int
) -> None:
    """A2, A4: at no moment of the lost attempt's life is the link stuck, although Stripe takes no session of under 30 minutes."""
    link = money_in.ask_for_link()
    sandbox.fault("drop_before", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)

    money_in.pass_time(minutes=minutes)
    sandbox.pay_checkout(open_checkout(PaymentLink.objects.get()))
    money_in.deliver()

    assert money_in.balance == 20
    assert len(sandbox.state()["checkout_sessions"]) == 1


def test_it_finds_the_session_whose_id_was_never_stored(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A3, A4: the answer was lost. Asked again under the same key, Stripe gives the same session."""
    link = money_in.ask_for_link()
    sandbox.fault("reset_after", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)
    assert the_top_up().checkout_session_id is None

    sandbox.pay_checkout(open_checkout(link))
    money_in.deliver()

    assert len(sandbox.state()["checkout_sessions"]) == 1
    assert money_in.balance == 20


def test_it_credits_a_session_whose_id_was_never_stored(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A3: the webhook finds the attempt by the id in its metadata."""
    link = money_in.ask_for_link()
    sandbox.fault("reset_after", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)
    (session,) = sandbox.state()["checkout_sessions"]

    sandbox.pay_checkout(session["url"])
    money_in.deliver()

    assert money_in.balance == 20
    assert the_top_up().checkout_session_id == session["id"]


def test_it_ends_a_lost_session_before_another_may_be_paid(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A4: 100 minutes later Stripe would refuse to open it anew, so it is looked up and ended."""
    link = money_in.ask_for_link()
    sandbox.fault("reset_after", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)
    (lost,) = sandbox.state()["checkout_sessions"]

    money_in.pass_time(minutes=100)
    address = open_checkout(PaymentLink.objects.get())

    assert sandbox.pay_checkout(lost["url"]).status == 410
    sandbox.pay_checkout(address)
    money_in.deliver()
    assert money_in.charges() == 1
    assert money_in.balance == 20


def test_it_reuses_an_open_session(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A1, A4: whoever opens the link meets the same session, until it is nearly over."""
    link = money_in.ask_for_link()
    first = open_checkout(link)
    money_in.pass_time(minutes=90)
    assert open_checkout(link) == first

    money_in.pass_time(minutes=26)
    second = open_checkout(link)

    assert second != first
    assert sandbox.pay_checkout(first).status == 410
    assert [top_up.status for top_up in TopUp.objects.order_by("created_at")] == [Status.EXPIRED, Status.CREATED]


def test_it_never_leaves_two_sessions_to_pay_when_the_payer_changes_their_mind(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    first = open_checkout(link)

    second = open_checkout(link, saves_card=True)

    assert sandbox.pay_checkout(first).status == 410
    sandbox.pay_checkout(second)
    money_in.deliver()
    assert money_in.balance == 20
    assert money_in.wallet.cards.get().is_default


def test_it_credits_a_session_that_was_paid_while_it_was_being_replaced(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    sandbox.pay_checkout(open_checkout(link))

    with pytest.raises(LinkUnusable):
        open_checkout(link, saves_card=True)

    assert money_in.balance == 20
    assert link_state(PaymentLink.objects.get()) is LinkState.USED


def test_it_ends_whatever_else_of_a_paid_link_is_open(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A15: paid by a session that our row had given up, while another one was open."""
    link = money_in.ask_for_link()
    first = open_checkout(link)
    end_top_up(TopUp.objects.get().pk, status=Status.EXPIRED)
    second = open_checkout(PaymentLink.objects.get())
    sandbox.pay_checkout(first)
    money_in.deliver()
    assert money_in.balance == 20

    money_in.sweep()

    assert sandbox.pay_checkout(second).status == 410
    assert money_in.moves() == [("top_up", 20)]


def test_it_tells_the_operator_when_stripe_refuses_to_open_a_session(money_in: MoneyIn, alerts: Alerts) -> None:
    link = money_in.ask_for_link()
    Wallet.objects.update(stripe_customer_id="cus_of_another_account")

    with pytest.raises(GatewayRejected):
        open_checkout(PaymentLink.objects.get(pk=link.pk))

    assert alerts() == ["checkout_rejected"]


def test_it_credits_before_the_payer_is_back(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A5: the webhook was faster than the redirect."""
    link = money_in.ask_for_link()
    sandbox.pay_checkout(open_checkout(link))
    money_in.deliver()
    assert money_in.balance == 20

    assert return_from_checkout(link) is LinkState.USED

    assert money_in.moves() == [("top_up", 20)]


def test_it_credits_a_payer_who_is_back_before_the_webhook(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A6: Stripe is asked; nothing is taken from the address."""
    link = money_in.ask_for_link()
    sandbox.pay_checkout(open_checkout(link))

    assert return_from_checkout(link) is LinkState.USED
    assert money_in.balance == 20
    money_in.deliver()

    assert money_in.moves() == [("top_up", 20)]
    top_up = the_top_up()
    assert (top_up.status, top_up.paid_with) == (Status.SUCCEEDED, "Visa •••• 4242")
    assert top_up.receipt_number


def test_it_does_not_credit_a_payer_who_only_opened_the_return_address(money_in: MoneyIn) -> None:
    """A6, S22: the success address proves nothing."""
    link = money_in.ask_for_link()
    open_checkout(link)

    assert return_from_checkout(link) is LinkState.OPEN

    assert money_in.balance == 0


def test_it_credits_a_payer_who_never_returns(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A8, by the sweep: no redirect and no webhook."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))

    money_in.pass_time(minutes=3)
    money_in.sweep()

    assert money_in.moves() == [("top_up", 20)]


def test_it_credits_a_payment_whose_webhook_was_lost_for_good(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A9: the hourly list, although the row is not due for a look."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()))
    TopUp.objects.update(next_check_at=timezone.now() + timedelta(days=1))

    found = reconcile_since()

    assert (found.payments, found.credited, found.unmatched) == (1, 1, 0)
    assert money_in.moves() == [("top_up", 20)]
    assert reconcile_since().credited == 0
    assert money_in.moves() == [("top_up", 20)]


def test_it_ends_an_abandoned_session(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A8: nobody paid and nobody came back."""
    link = money_in.ask_for_link()
    open_checkout(link)
    (session,) = sandbox.state()["checkout_sessions"]
    sandbox.expire_session(session["id"])

    money_in.pass_time(minutes=121)
    money_in.sweep()

    assert the_top_up().status == Status.EXPIRED
    assert link_state(link) is LinkState.OPEN


def test_it_lets_a_declined_payer_try_another_card(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    address = open_checkout(link)
    assert "insufficient funds" in sandbox.pay_checkout(address, card="4000000000009995").error
    money_in.deliver()
    top_up = the_top_up()
    assert (top_up.status, top_up.decline_code) == (Status.CREATED, "insufficient_funds")

    sandbox.pay_checkout(address)
    money_in.deliver()

    top_up = the_top_up()
    assert (top_up.status, top_up.decline_code, top_up.failure_message) == (Status.SUCCEEDED, "", "")
    assert money_in.balance == 20


def test_it_follows_a_payer_through_the_banks_question(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    address = open_checkout(link)
    sandbox.pay_checkout(address, card="4000002500003155", answer="fail")
    money_in.deliver()
    assert the_top_up().status == Status.CREATED

    sandbox.pay_checkout(address, card="4000002500003155")
    money_in.deliver()

    assert money_in.moves() == [("top_up", 20)]


# ---------------------------------------------------------------- withdrawn while paid
def test_it_ends_the_session_of_a_withdrawn_link(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    address = open_checkout(link)

    assert withdraw_payment_link(link) is LinkState.WITHDRAWN

    assert sandbox.pay_checkout(address).status == 410
    with pytest.raises(LinkUnusable):
        open_checkout(link)


def test_it_lets_the_payment_win_over_a_withdrawal(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    sandbox.pay_checkout(open_checkout(link))

    assert withdraw_payment_link(link) is LinkState.USED

    assert money_in.moves() == [("top_up", 20)]


def test_it_ends_the_session_of_a_withdrawn_link_later_where_stripe_was_away(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """The withdrawal stands at once; the sweep ends the session although nobody asks for it again."""
    link = money_in.ask_for_link()
    address = open_checkout(link)
    sandbox.fault("drop_before", match="checkout.sessions.expire")
    with pytest.raises(OutcomeUnknown):
        withdraw_payment_link(link)
    assert link_state(link) is LinkState.WITHDRAWN

    money_in.sweep()

    assert sandbox.pay_checkout(address).status == 410
    assert the_top_up().status == Status.EXPIRED


def test_it_withdraws_a_link_whose_session_was_never_made(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    sandbox.fault("drop_before", match="checkout.sessions.create")
    with pytest.raises(OutcomeUnknown):
        open_checkout(link)
    money_in.pass_time(minutes=100)

    assert withdraw_payment_link(PaymentLink.objects.get()) is LinkState.WITHDRAWN

    assert the_top_up().status == Status.EXPIRED


# ---------------------------------------------------------------- nothing of one payer for the next
def test_it_shows_no_payer_the_mail_address_of_the_one_before(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """S30: Stripe keeps the first payer's address at the customer, and would show it to whoever holds the next link."""
    sandbox.pay_checkout(open_checkout(money_in.ask_for_link()), email="payer@example.com")
    assert sandbox.state()["customers"][0]["email"] == "payer@example.com"

    address = open_checkout(money_in.ask_for_link(dollars=30))

    assert "payer@example.com" not in sandbox.open_page(address).body
    assert not sandbox.state()["customers"][0]["email"]


def test_it_freezes_what_stripe_is_told(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """A4, B20: asked again much later, with other settings around it, the request is the same to the byte."""
    link = money_in.ask_for_link()
    open_checkout(link, saves_card=True)
    TopUp.objects.update(checkout_session_id=None, checkout_url="")
    money_in.wallet.workspace.name = "Renamed"
    money_in.wallet.workspace.save(update_fields=["name"])

    again = open_checkout(PaymentLink.objects.get(), saves_card=True)

    assert len(sandbox.state()["checkout_sessions"]) == 1
    assert sandbox.state()["checkout_sessions"][0]["url"] == again
    assert sandbox.state()["checkout_sessions"][0]["amount_total"] == 20 * DOLLAR // 10_000

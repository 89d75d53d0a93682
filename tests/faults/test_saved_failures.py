"""Row B5 for what is made before there is a charge: a customer or a session whose creation Stripe has saved as a 500."""

from typing import Any

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.payments import MoneyIn
from wallet import stripe_gateway
from wallet.errors import GatewayRejected, LinkUnusable, OutcomeUnknown
from wallet.models import CardSetup, PaymentLink, TopUp, Wallet
from wallet.services.checkout import _ask_for_session, open_checkout, withdraw_payment_link
from wallet.services.customers import stripe_customer
from wallet.services.payment_links import LinkState, mark_withdrawn
from wallet.services.renewed_keys import renew_key

CUSTOMER, SESSION = "customers.create", "checkout.sessions.create"


def keys_of(money_in: MoneyIn, operation: str) -> list[str]:
    """The keys that the operation was asked under, each once, in their order."""
    return list(dict.fromkeys(request["idempotency_key"] for request in money_in.requests(operation)))


def open_addresses(sandbox: RunningSandbox) -> list[str]:
    """Where somebody could pay at this moment."""
    return [session["url"] for session in sandbox.state()["checkout_sessions"] if session["status"] == "open"]


def fail(money_in: MoneyIn, link: PaymentLink, *, times: int = 1) -> None:
    """So many tries at opening the link, none of which leads anywhere."""
    for _ in range(times):
        with pytest.raises(OutcomeUnknown):
            open_checkout(PaymentLink.objects.get(pk=link.pk))


# ---------------------------------------------------------------- the customer
def test_it_makes_the_customer_under_another_key_once_nothing_came_of_the_first(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.fault("error_before", match=CUSTOMER)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            stripe_customer(money_in.wallet)
    assert len(keys_of(money_in, CUSTOMER)) == 1, "too early to be sure that nothing came of it"

    money_in.pass_time(seconds=61)
    customer_id = stripe_customer(Wallet.objects.get())

    first, second = keys_of(money_in, CUSTOMER)
    assert second == f"{first}-1"
    assert [customer["id"] for customer in sandbox.state()["customers"]] == [customer_id]


def test_it_takes_the_customer_that_came_of_a_500(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    sandbox.fault("error_after", match=CUSTOMER)
    with pytest.raises(OutcomeUnknown):
        stripe_customer(money_in.wallet)

    customer_id = stripe_customer(money_in.wallet)

    assert [customer["id"] for customer in sandbox.state()["customers"]] == [customer_id]
    assert len(keys_of(money_in, CUSTOMER)) == 1


def test_it_takes_no_customer_of_another_workspace(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    stripe_gateway.create_customer(name="Other", workspace="ws_other", idempotency_key="other")
    sandbox.fault("error_before", match=CUSTOMER)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            stripe_customer(money_in.wallet)


def test_it_renews_the_customers_key_as_often_as_it_needs_to(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    # The replay in the middle strikes as well.
    sandbox.fault("error_before", match=CUSTOMER, count=3)
    for seconds in (0, 61):
        money_in.pass_time(seconds=seconds)
        with pytest.raises(OutcomeUnknown):
            stripe_customer(Wallet.objects.get())

    money_in.pass_time(seconds=61)
    assert stripe_customer(Wallet.objects.get())

    assert [key[-2:] for key in keys_of(money_in, CUSTOMER)[1:]] == ["-1", "-2"]
    assert len(sandbox.state()["customers"]) == 1


def test_it_waits_anew_after_a_500_that_is_new(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """Stripe was down for hours and saved nothing: only its last answer starts the minute."""
    sandbox.fault("error_before", match=CUSTOMER, saved=False)
    sandbox.fault("error_before", match=CUSTOMER)
    for seconds in (0, 3600, 1):
        money_in.pass_time(seconds=seconds)
        with pytest.raises(OutcomeUnknown):
            stripe_customer(Wallet.objects.get())

    assert len(keys_of(money_in, CUSTOMER)) == 1


def test_it_asks_under_the_key_that_another_process_has_renewed(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """Two at once: whoever comes second renews nothing, and both get one customer."""
    sandbox.fault("error_before", match=CUSTOMER)
    with pytest.raises(OutcomeUnknown):
        stripe_customer(money_in.wallet)
    money_in.pass_time(seconds=120)
    first, second = Wallet.objects.get(), Wallet.objects.get()
    renew_key(first)
    Wallet.objects.update(stripe_unclear_at=second.stripe_unclear_at)

    assert stripe_customer(second) == stripe_customer(first)

    assert Wallet.objects.get().stripe_key_renewals == 1
    assert len(sandbox.state()["customers"]) == 1


# ---------------------------------------------------------------- the session
@pytest.mark.parametrize("dollars", [20, None], ids=["pay", "connect a card"])
def test_it_opens_the_session_under_another_key_once_nothing_came_of_the_first(
    money_in: MoneyIn, sandbox: RunningSandbox, dollars: int | None
) -> None:
    link = money_in.ask_for_link(dollars=dollars)
    sandbox.fault("error_before", match=SESSION)
    fail(money_in, link, times=2)
    assert len(keys_of(money_in, SESSION)) == 1, "too early to be sure that nothing came of it"

    money_in.pass_time(seconds=61)
    address = open_checkout(PaymentLink.objects.get())

    first, second = keys_of(money_in, SESSION)
    assert second == f"{first}-1"
    assert open_addresses(sandbox) == [address]
    assert TopUp.objects.count() + CardSetup.objects.count() == 1
    sandbox.pay_checkout(address)
    money_in.deliver()
    assert money_in.balance == (dollars or 0)
    assert money_in.wallet.cards.count() == (0 if dollars else 1)


@pytest.mark.parametrize("dollars", [20, None], ids=["pay", "connect a card"])
def test_it_takes_the_session_that_came_of_a_500(money_in: MoneyIn, sandbox: RunningSandbox, dollars: int | None) -> None:
    link = money_in.ask_for_link(dollars=dollars)
    sandbox.fault("error_after", match=SESSION)
    fail(money_in, link)

    address = open_checkout(PaymentLink.objects.get())

    assert open_addresses(sandbox) == [address]
    assert len(keys_of(money_in, SESSION)) == 1


def test_it_credits_the_session_of_a_500_that_was_paid_already(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    sandbox.fault("error_after", match=SESSION)
    fail(money_in, link)
    sandbox.pay_checkout(*open_addresses(sandbox))

    with pytest.raises(LinkUnusable):
        open_checkout(PaymentLink.objects.get())

    assert money_in.moves() == [("top_up", 20)]


def test_it_ends_what_a_saved_500_left_when_the_payer_changes_their_mind(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    sandbox.fault("error_before", match=SESSION)
    fail(money_in, link)
    money_in.pass_time(seconds=61)

    address = open_checkout(PaymentLink.objects.get(), saves_card=True)

    assert open_addresses(sandbox) == [address]
    assert [top_up.status for top_up in TopUp.objects.order_by("created_at")] == [TopUp.Status.EXPIRED, TopUp.Status.CREATED]


@pytest.mark.parametrize(("fault", "sessions"), [("error_before", 0), ("error_after", 1)])
def test_it_withdraws_a_link_whose_session_is_a_saved_500(money_in: MoneyIn, sandbox: RunningSandbox, fault: str, sessions: int) -> None:
    """Nobody can pay it, and no session is opened only to be ended."""
    link = money_in.ask_for_link()
    sandbox.fault(fault, match=SESSION)
    fail(money_in, link)
    mark_withdrawn(PaymentLink.objects.get(pk=link.pk))

    money_in.pass_time(seconds=61)
    money_in.sweep()

    assert TopUp.objects.get().status == TopUp.Status.EXPIRED
    assert len(sandbox.state()["checkout_sessions"]) == sessions
    assert open_addresses(sandbox) == []


def test_it_ends_an_attempt_without_a_customer_and_makes_none_for_it(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    link = money_in.ask_for_link()
    sandbox.fault("error_before", match=CUSTOMER)
    fail(money_in, link)

    assert withdraw_payment_link(PaymentLink.objects.get()) is LinkState.WITHDRAWN

    assert TopUp.objects.get().status == TopUp.Status.EXPIRED
    assert (len(money_in.requests(CUSTOMER)), money_in.requests(SESSION)) == (1, [])


def test_it_opens_the_session_although_a_release_changed_what_is_asked(money_in: MoneyIn, sandbox: RunningSandbox, settings: Any) -> None:
    """B20: the first request was lost, and the same key now asks for something else, which Stripe refuses for a day."""
    link = money_in.ask_for_link()
    sandbox.fault("error_before", match=SESSION)
    fail(money_in, link)
    settings.SITE_URL = "https://pay.example.com"
    with pytest.raises(GatewayRejected):
        open_checkout(PaymentLink.objects.get())

    money_in.pass_time(seconds=61)

    address = open_checkout(PaymentLink.objects.get())
    assert open_addresses(sandbox) == [address]


# ---------------------------------------------------------------- over while Stripe was asked
def meanwhile(monkeypatch: pytest.MonkeyPatch, what: Any) -> None:
    """`what` happens between Stripe's yes to a session and our writing it down."""
    opened = stripe_gateway.open_payment_checkout

    def open_and_wait(**wish: Any) -> Any:
        session = opened(**wish)
        what(session)
        return session

    monkeypatch.setattr(stripe_gateway, "open_payment_checkout", open_and_wait)


def test_it_ends_the_session_of_a_link_that_was_withdrawn_while_it_was_opened(
    money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The withdrawal saw no attempt yet, so it had no session to end."""
    link = money_in.ask_for_link()
    meanwhile(monkeypatch, lambda session: mark_withdrawn(PaymentLink.objects.get()))

    with pytest.raises(LinkUnusable):
        open_checkout(link)

    assert open_addresses(sandbox) == []


def test_it_keeps_one_session_where_two_were_opened(money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys of one attempt, each with its answer on the way: the first that is written down stays, the other is ended."""
    link = money_in.ask_for_link()
    seen: list[str] = []

    def open_another(session: Any) -> None:
        if not seen:
            seen.append(session.id)
            renew_key(TopUp.objects.get())
            seen.append(open_checkout(PaymentLink.objects.get()))

    meanwhile(monkeypatch, open_another)

    assert open_checkout(link) == seen[1]

    assert open_addresses(sandbox) == [seen[1]]


def test_it_ends_nothing_as_unopened_that_was_opened_meanwhile(
    money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Withdrawn, with nothing at Stripe, while a payer opens it under the next key: the withdrawal ends that session."""
    link = money_in.ask_for_link()
    sandbox.fault("error_before", match=SESSION)
    fail(money_in, link)
    money_in.pass_time(seconds=61)
    look_up = stripe_gateway.find_checkout

    def look_up_and_open(**wish: Any) -> str | None:
        found = look_up(**wish)
        payers = TopUp.objects.get()
        renew_key(payers)
        _ask_for_session(payers)
        return found

    monkeypatch.setattr(stripe_gateway, "find_checkout", look_up_and_open)

    assert withdraw_payment_link(PaymentLink.objects.get()) is LinkState.WITHDRAWN

    assert len(sandbox.state()["checkout_sessions"]) == 1
    assert open_addresses(sandbox) == []

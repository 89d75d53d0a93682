"""A closed wallet takes no more money: its links look withdrawn to everybody, and whoever had one open can pay it no more."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from stripe_sandbox.testing import RunningSandbox
from tests.payments import MoneyIn, make_wallet
from wallet.errors import LinkUnusable
from wallet.models import CardSetup, PaymentLink, TopUp, Wallet
from wallet.queries import open_payment_links
from wallet.services import checkout
from wallet.services.checkout import open_checkout, return_from_checkout
from wallet.services.payment_links import LinkState, email_payment_link, link_state, link_states, payment_link_token
from wallet.services.wallets import close_wallet
from workspaces.models import AuditEntry


def test_it_shows_its_links_as_withdrawn(money_in: MoneyIn) -> None:
    link = money_in.ask_for_link()
    assert link.wallet.closed_at is None, "the link carries a wallet from before"

    close_wallet(Wallet.objects.get())

    assert link_state(link) is LinkState.WITHDRAWN
    assert list(open_payment_links(money_in.wallet)) == []
    with pytest.raises(LinkUnusable):
        email_payment_link(link, recipient="finance@example.com")


def test_it_tells_links_of_a_closed_wallet_from_those_of_another(money_in: MoneyIn) -> None:
    link = money_in.ask_for_link()
    other, bob = make_wallet(name="Other", owner="bob@example.com")
    others = MoneyIn(sandbox=money_in.sandbox, wallet=other, alice=bob).ask_for_link()
    close_wallet(money_in.wallet)

    assert link_states([link, others]) == {link.pk: LinkState.WITHDRAWN, others.pk: LinkState.OPEN}


@pytest.mark.parametrize("dollars", [20, None], ids=["pay", "connect a card"])
def test_it_offers_no_button_and_takes_no_post(money_in: MoneyIn, sandbox: RunningSandbox, dollars: int | None) -> None:
    address = f"/pay/{payment_link_token(money_in.ask_for_link(dollars=dollars))}"
    assert b"<form" in Client().get(address).content
    close_wallet(money_in.wallet)

    for response in (Client().get(address), Client().post(address), Client().get(f"{address}/return", follow=True)):
        assert response.status_code == 404
        assert b"<form" not in response.content

    assert sandbox.state()["checkout_sessions"] == []


def test_it_ends_the_sessions_that_were_open(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    addresses = [open_checkout(money_in.ask_for_link(dollars=dollars)) for dollars in (20, None)]

    close_wallet(money_in.wallet)
    money_in.sweep()

    assert [sandbox.pay_checkout(address).status for address in addresses] == [410, 410]
    assert TopUp.objects.get().status == TopUp.Status.EXPIRED
    assert CardSetup.objects.get().status == CardSetup.Status.EXPIRED


def test_it_ends_a_session_that_was_being_opened(money_in: MoneyIn, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    link = money_in.ask_for_link()
    open_session = checkout._open_session

    def close_meanwhile(attempt: TopUp) -> None:
        open_session(attempt)
        close_wallet(Wallet.objects.get())

    monkeypatch.setattr(checkout, "_open_session", close_meanwhile)

    with pytest.raises(LinkUnusable):
        open_checkout(link)

    assert [session["status"] for session in sandbox.state()["checkout_sessions"]] == ["expired"]


def test_it_credits_what_was_paid_before(money_in: MoneyIn, sandbox: RunningSandbox) -> None:
    """The money arrived: whoever closed the wallet finds it in the book, and can give it back."""
    link = money_in.ask_for_link()
    sandbox.pay_checkout(open_checkout(link))
    close_wallet(money_in.wallet)

    assert return_from_checkout(PaymentLink.objects.get()) is LinkState.USED

    assert money_in.moves() == [("top_up", 20)]


def test_it_is_closed_by_a_command_once(money_in: MoneyIn) -> None:
    out, public_id = io.StringIO(), money_in.wallet.workspace.public_id

    call_command("close_wallet", public_id, stdout=out)
    closed_at = Wallet.objects.get().closed_at
    call_command("close_wallet", public_id, stdout=io.StringIO())
    assert AuditEntry.objects.filter(action="wallet.closed", is_staff_act=True, workspace=money_in.wallet.pk).count() == 1

    assert out.getvalue() == f"The wallet of {public_id} is closed. $0.0000 is left in it.\n"
    assert closed_at is not None
    assert Wallet.objects.get().closed_at == closed_at
    with pytest.raises(CommandError):
        call_command("close_wallet", "ws_of_nobody")

"""Payment links as their owner sees them: the panel that waits, mailing, withdrawing, connecting a card."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from billing.forms import new_request_id
from billing.tests.conftest import SignedIn, a_link
from stripe_sandbox.testing import RunningSandbox
from wallet.models import Card, CardSetup, Notice, PaymentLink, TopUp, Wallet
from wallet.services.checkout import open_checkout, return_from_checkout
from wallet.services.payment_links import LinkState, link_state, payment_link_url
from wallet.tests.builders import DOLLAR
from workspaces.models import User

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def address(page: str, pay_link: PaymentLink) -> str:
    return f"{page}/links/{pay_link.pk}"


def stamp_of(response: Any) -> str:
    found = re.search(r'"seen": "([^"]+)"', response.content.decode())
    assert found
    return found[1]


def test_it_shows_code_link_and_ways_to_pay(alices: Client, pay_link: PaymentLink, address: str) -> None:
    body = alices.get(address).content.decode()

    assert "Pay $20.00" in body
    assert payment_link_url(pay_link) in body
    assert 'class="qr-code"' in body
    assert "Waiting for payment" in body
    assert "Pay here" in body
    assert f"{address}/withdraw" in body


def test_it_answers_nothing_while_it_waits(alices: Client, address: str) -> None:
    stamp = stamp_of(alices.get(address, headers=HTMX))

    response = alices.get(address, {"seen": stamp}, headers=HTMX)

    assert response.status_code == 204
    assert response.content == b""


def test_it_turns_once_it_was_paid(alices: Client, wallet: Wallet, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    stamp = stamp_of(alices.get(address, headers=HTMX))
    sandbox.pay_checkout(open_checkout(pay_link))
    return_from_checkout(pay_link)

    response = alices.get(address, {"seen": stamp}, headers=HTMX)

    body = response.content.decode()
    assert "$20.00 added" in body
    assert "New balance" in body
    assert f"/receipts/{TopUp.objects.get().receipt_number}" in body
    assert "every 2s" not in body
    assert "wallet-changed" in response["HX-Trigger"]


def test_it_says_that_a_card_was_declined_and_not_why(alices: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    stamp = stamp_of(alices.get(address, headers=HTMX))
    sandbox.pay_checkout(open_checkout(pay_link), card="4000000000009995")
    return_from_checkout(pay_link)

    body = alices.get(address, {"seen": stamp}, headers=HTMX).content.decode()

    assert "A card was declined." in body
    assert "insufficient" not in body
    assert "not enough money" not in body
    assert "Waiting for payment" in body


def test_it_waits_for_a_bank_and_says_so(alices: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    sandbox.pay_checkout_by_bank(open_checkout(pay_link))
    return_from_checkout(pay_link)
    TopUp.objects.update(created_at=timezone.now() - timedelta(minutes=1))

    body = alices.get(address, headers=HTMX).content.decode()

    assert "Still processing — no need to pay again." in body


@pytest.mark.parametrize(("field", "said"), [("expires_at", "This link has expired"), ("withdrawn_at", "Cancelled")])
def test_it_says_when_it_is_over(alices: Client, pay_link: PaymentLink, address: str, field: str, said: str) -> None:
    PaymentLink.objects.filter(pk=pay_link.pk).update(**{field: timezone.now()})

    body = alices.get(address).content.decode()

    assert said in body
    assert "Nothing was charged" in body
    assert 'class="qr-code"' not in body


def test_it_withdraws_the_link(alices: Client, pay_link: PaymentLink, address: str) -> None:
    body = alices.post(f"{address}/withdraw", follow=True).content.decode()

    pay_link.refresh_from_db()
    assert link_state(pay_link) is LinkState.WITHDRAWN
    assert "Cancelled" in body


def test_it_goes_back_to_billing_when_withdrawn_from_there(alices: Client, address: str, page: str) -> None:
    response = alices.post(f"{address}/withdraw", {"then": "billing"}, follow=True)

    assert response.redirect_chain[-1][0] == page
    assert "The payment link was withdrawn." in response.content.decode()


def test_it_ends_the_payers_page_with_the_link(alices: Client, pay_link: PaymentLink, address: str, sandbox: RunningSandbox) -> None:
    open_checkout(pay_link)

    alices.post(f"{address}/withdraw")

    assert [session["status"] for session in sandbox.state()["checkout_sessions"]] == ["expired"]


def test_it_tells_of_the_payment_that_was_quicker(
    alices: Client, wallet: Wallet, pay_link: PaymentLink, address: str, sandbox: RunningSandbox
) -> None:
    sandbox.pay_checkout(open_checkout(pay_link))

    body = alices.post(f"{address}/withdraw", follow=True, headers=HTMX).content.decode()

    wallet.refresh_from_db()
    assert wallet.balance_micros == 20 * DOLLAR
    assert "$20.00 added" in body


def test_it_mails_the_link(alices: Client, pay_link: PaymentLink, address: str) -> None:
    body = alices.post(f"{address}/email", {"recipient": "finance@example.com"}, follow=True, headers=HTMX).content.decode()

    notice = Notice.objects.get()
    assert (notice.kind, notice.recipient, notice.reference) == (Notice.Kind.PAYMENT_LINK, "finance@example.com", str(pay_link.pk))
    assert "On its way to finance@example.com" in body


@pytest.mark.parametrize("recipient", ["", "finance", "a@b@c", "x@example.com\nBcc: y@example.com", "a" * 250 + "@example.com"])
def test_it_mails_to_no_address_that_is_none(alices: Client, address: str, recipient: str) -> None:
    assert alices.post(f"{address}/email", {"recipient": recipient}).status_code == 422
    assert not Notice.objects.exists()


def test_it_mails_no_link_that_is_over(alices: Client, pay_link: PaymentLink, address: str) -> None:
    PaymentLink.objects.filter(pk=pay_link.pk).update(withdrawn_at=timezone.now())

    assert alices.post(f"{address}/email", {"recipient": "finance@example.com"}).status_code == 422
    assert not Notice.objects.exists()


def test_it_stops_mailing_after_many(alices: Client, address: str, two_a_minute: Any) -> None:
    two_a_minute("MAILS_PER_WALLET")

    statuses = [alices.post(f"{address}/email", {"recipient": f"n{number}@example.com"}).status_code for number in range(3)]

    assert statuses == [302, 302, 429]
    assert Notice.objects.count() == 2


def test_it_is_alices_alone(
    bob: User, charlie: User, signed_in: SignedIn, elsewhere: Wallet, pay_link: PaymentLink, address: str, page: str
) -> None:
    foreign = page.replace(pay_link.wallet.workspace.public_id, elsewhere.workspace.public_id) + f"/links/{pay_link.pk}"
    for user, path, status in ((bob, address, 403), (charlie, address, 404), (charlie, foreign, 404)):
        client = signed_in(user)
        assert client.get(path).status_code == status
        assert client.post(f"{path}/withdraw").status_code == status
        assert client.post(f"{path}/email", {"recipient": "c@example.com"}).status_code == status
    pay_link.refresh_from_db()
    assert link_state(pay_link) is LinkState.OPEN
    assert not Notice.objects.exists()


def test_it_knows_no_link_that_is_not(alices: Client, page: str) -> None:
    assert alices.get(f"{page}/links/{uuid4()}").status_code == 404
    assert alices.get(f"{page}/links/1").status_code == 404


def test_it_connects_a_card_in_three_ways_by_one_link(alices: Client, wallet: Wallet, page: str) -> None:
    response = alices.post(f"{page}/connect-card", {"request_id": new_request_id()}, follow=True)

    body = response.content.decode()
    link = PaymentLink.objects.get()
    assert link.purpose == PaymentLink.Purpose.CONNECT_CARD
    for way in ("Enter card details", "Scan the QR code", "Share the link"):
        assert way in body
    assert payment_link_url(link) in body
    assert "Nothing is charged now" in body


def test_it_shows_the_open_link_again_instead_of_another(alices: Client, page: str) -> None:
    for _ in range(3):
        alices.post(f"{page}/connect-card", {"request_id": new_request_id()})

    assert PaymentLink.objects.count() == 1
    assert alices.get(f"{page}/connect-card").status_code == 302


def test_it_makes_no_link_by_being_looked_at(alices: Client, page: str) -> None:
    assert alices.get(f"{page}/connect-card").status_code == 200
    assert alices.post(f"{page}/connect-card").status_code == 200
    assert not PaymentLink.objects.exists()


def test_it_says_when_the_card_is_connected(alices: Client, alice: User, wallet: Wallet, page: str, sandbox: RunningSandbox) -> None:
    link = a_link(wallet, by=alice, dollars=None)
    sandbox.pay_checkout(open_checkout(link))
    return_from_checkout(link)

    body = alices.get(f"{page}/links/{link.pk}").content.decode()

    assert "Card connected" in body
    assert "Visa •••• 4242" in body
    assert CardSetup.objects.get().card == Card.objects.get()

"""The status bar when an automatic payment failed or waits for its owner: what is gravest, at the cost of one query."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.automatic_trouble import trouble_of
from billing.status import StatusBar, status_bar_for
from billing.tests.conftest import SignedIn, a_card
from wallet.errors import Decline
from wallet.ledger import lock_wallet, post
from wallet.models import AutomaticPayments, Origin, PaymentLink, TopUp, Wallet
from wallet.services.automatic_suspension import suspend
from wallet.services.payment_links import payment_link_url
from wallet.services.settlement import fail_top_up
from wallet.tests.builders import DOLLAR, adjustment, automatic_payments_of
from workspaces.models import User

pytestmark = pytest.mark.django_db
Suspension = AutomaticPayments.Suspension


@pytest.fixture
def active(wallet: Wallet, alice: User) -> Wallet:
    """8 dollars, and automatic payments on: below 10 charge 25 to a Visa."""
    a_card(wallet)
    a_card(wallet, brand="mastercard", last_four="4444")
    automatic_payments_of(wallet, consented_by=alice)
    post(wallet.pk, [adjustment(8 * DOLLAR)])
    return wallet


def decline(wallet: Wallet, code: str) -> None:
    top_up = TopUp.objects.create(
        wallet=wallet,
        origin=Origin.AUTOMATIC,
        amount_micros=25 * DOLLAR,
        card=wallet.cards.get(is_default=True),
        request_id=f"automatic:{timezone.now()}",
        status=TopUp.Status.SENDING,
    )
    fail_top_up(top_up.pk, decline=Decline(code=code))


def bar_of(wallet: Wallet, **changes: Any) -> StatusBar:
    Wallet.objects.filter(pk=wallet.pk).update(**changes or {"frozen_at": None})
    wallet.refresh_from_db()
    bar = status_bar_for(wallet, zone=wallet.workspace.zone)
    assert bar is not None
    return bar


def test_it_says_why_a_payment_failed_and_when_the_next_is_made(active: Wallet, alices: Client, page: str) -> None:
    decline(active, "insufficient_funds")

    bar = bar_of(active)

    assert (bar.title, bar.tone, bar.action.url_name) == ("Automatic payment failed", "danger", "billing:automatic_payments")
    assert bar.text == "Visa •••• 4242 was declined. There is not enough money on the card. It is tried again at"
    assert bar.until == AutomaticPayments.objects.get().next_try_at
    body = alices.get(page.replace("billing", "members")).content.decode()
    assert "Automatic payment failed" in body
    assert f'href="{page}/automatic-payments"' in body


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Suspension.CARD_REFUSED, "Visa •••• 4242 was declined. The card has expired. Nothing is charged until you try again"),
        (Suspension.DECLINED, "It was tried three times."),
        (Suspension.NOT_CONFIRMED, "The payment was not confirmed in time."),
        (Suspension.NO_CARD, "There is no card to charge. Connect one"),
        (Suspension.DISPUTED, "A disputed payment was taken back."),
    ],
)
def test_it_says_why_payments_are_suspended(active: Wallet, reason: AutomaticPayments.Suspension, words: str) -> None:
    decline(active, "expired_card")
    with transaction.atomic():
        suspend(lock_wallet(active.pk), AutomaticPayments.objects.get(), reason)

    bar = bar_of(active)

    assert (bar.title, bar.until) == ("Automatic payment failed", None)
    assert words in bar.text


def test_it_leads_to_the_page_where_the_bank_is_answered(active: Wallet, alices: Client, page: str) -> None:
    decline(active, "authentication_required")
    link = PaymentLink.objects.get()

    bar = bar_of(active)
    body = alices.get(page.replace("billing", "members")).content.decode()

    assert (bar.title, bar.tone, bar.until) == ("Confirm your payment", "warn", link.expires_at)
    assert "$25.00" in bar.text
    assert payment_link_url(link).removeprefix("http://testserver") == bar.action.path
    assert f'href="{bar.action.path}"' in body


def test_it_shows_a_member_what_is_the_matter_and_no_way_to_pay(active: Wallet, bob: User, signed_in: SignedIn, page: str) -> None:
    decline(active, "authentication_required")

    body = signed_in(bob).get(page.replace("billing", "members")).content.decode()

    assert "Confirm your payment" in body
    assert "Ask your account admin." in body
    assert "/pay/" not in body


def test_it_says_first_that_the_balance_is_used_up(active: Wallet) -> None:
    decline(active, "insufficient_funds")

    bar = bar_of(active, balance_micros=0, depleted_at=timezone.now())

    assert (bar.title, bar.action.label) == ("Balance used up", "Add Balance")


def test_it_lets_the_owner_confirm_when_the_balance_is_used_up(active: Wallet) -> None:
    decline(active, "authentication_required")

    bar = bar_of(active, balance_micros=0, depleted_at=timezone.now())

    assert (bar.title, bar.action.label) == ("Balance used up", "Confirm")
    assert "/pay/" in bar.action.path


def test_it_says_so_of_a_wallet_that_never_had_money(active: Wallet) -> None:
    """The very first charge, made when the rule was saved."""
    decline(active, "insufficient_funds")

    assert bar_of(active, last_seq=0, balance_micros=0).title == "Automatic payment failed"


def enough_money(wallet: Wallet) -> None:
    decline(wallet, "insufficient_funds")
    post(wallet.pk, [adjustment(50 * DOLLAR)])


def switched_off(wallet: Wallet) -> None:
    decline(wallet, "insufficient_funds")
    AutomaticPayments.objects.update(is_active=False)


def over(wallet: Wallet) -> None:
    decline(wallet, "authentication_required")
    PaymentLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def key_lost(wallet: Wallet) -> None:
    decline(wallet, "authentication_required")
    PaymentLink.objects.update(token_sha256="0" * 64)


@pytest.mark.parametrize("what", [lambda wallet: None, enough_money, switched_off, over, key_lost])
def test_it_says_nothing_where_nothing_waits_for_the_owner(active: Wallet, what: Any) -> None:
    what(active)
    active.refresh_from_db()

    assert trouble_of(active) is None


@pytest.mark.parametrize("code", ["", "insufficient_funds", "authentication_required", "expired_card"])
def test_it_costs_one_query(active: Wallet, code: str) -> None:
    if code:
        decline(active, code)
    active.refresh_from_db()

    with CaptureQueriesContext(connection) as queries:
        trouble_of(active)

    assert len(queries) == 1

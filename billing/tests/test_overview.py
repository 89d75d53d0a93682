"""Settings → Billing: who sees it, what stands on it, and how it brings itself up to date."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.tests.conftest import SignedIn, a_card, a_link
from usage.models import Meter, UsageDay
from wallet.ledger import post
from wallet.models import PaymentLink, Wallet
from wallet.tests.builders import DOLLAR, adjustment, charge, paid_top_up, promotion_of
from workspaces.models import User

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def text_of(response: Any) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<(?!small|/small)[^>]+>", " ", response.content.decode()).replace("<small>", "").replace("</small>", "")
    )


def credited(wallet: Wallet, dollars: int) -> None:
    post(wallet.pk, [adjustment(dollars * DOLLAR)])


def version_of(response: Any) -> str:
    found = re.search(r'"seen": "([0-9a-f]+)"', response.content.decode())
    assert found
    return found[1]


def test_it_shows_an_empty_wallet_honestly(alices: Client, page: str) -> None:
    response = alices.get(page)

    text = text_of(response)
    assert response.status_code == 200
    assert "$0.00" in text
    assert "Add balance to start calls, messages and AI tasks." in text
    assert "Every call, message, AI task and top-up will stand here as its own row." in text
    assert 'id="history-oldest"' in response.content.decode(), "what the page asks by, every few seconds, is there without rows too"
    assert "Nothing used in" in text
    assert "Not Active" in text
    assert "no-store" in response["Cache-Control"]


def test_it_tells_bob_who_manages_billing(bob: User, signed_in: SignedIn, page: str) -> None:
    response = signed_in(bob).get(page)

    assert response.status_code == 403
    assert "Alice Moreau" in response.content.decode()
    assert "Wallet Balance" not in response.content.decode()


@pytest.mark.parametrize("tail", ["", "/refresh"])
def test_it_is_not_there_for_charlie(charlie: User, signed_in: SignedIn, page: str, tail: str) -> None:
    assert signed_in(charlie).get(page + tail).status_code == 404


def test_it_asks_who_is_there(page: str) -> None:
    response = Client().get(page)

    assert response.status_code == 302
    assert "/accounts/login/" in response["Location"]


def test_it_shows_balance_given_credit_and_pace(alices: Client, wallet: Wallet, page: str) -> None:
    credited(wallet, 20)
    promotion_of(wallet, 3 * DOLLAR)
    charge(wallet, 7 * DOLLAR)
    meter = Meter.objects.create(key="call_out", name="Outbound calls", unit="second", kind="call_out")
    for days_ago in range(1, 8):
        day = timezone.localtime(timezone=wallet.workspace.zone).date() - timedelta(days=days_ago)
        UsageDay.objects.create(wallet=wallet, day=day, meter=meter, events=1, quantity=1, billed_quantity=1, amount_micros=DOLLAR)
    Wallet.objects.filter(pk=wallet.pk).update(held_micros=1 * DOLLAR)

    text = text_of(alices.get(page))

    assert "$16.00" in text
    assert "Available $15.00" in text
    assert "Held for calls and tasks $1.00" in text
    assert "Lasts about 15 days" in text


def test_it_lists_cards_links_and_how_to_get_help(alices: Client, alice: User, wallet: Wallet, page: str, settings: Any) -> None:
    settings.SUPPORT_EMAIL = "help@example.com"
    a_card(wallet)
    a_card(wallet, brand="mastercard", last_four="4444", expiry_month=1, expiry_year=2020)
    a_link(wallet, by=alice, dollars=35)

    text = text_of(alices.get(page))

    assert "Visa •••• 4242" in text
    assert "Default" in text
    assert "Mastercard •••• 4444" in text
    assert "Expired 01/20" in text
    assert "$35.00" in text
    assert "help@example.com" in text
    assert wallet.workspace.public_id in text


def test_it_lists_no_link_that_is_over(alices: Client, alice: User, wallet: Wallet, page: str) -> None:
    link = a_link(wallet, by=alice, dollars=35)
    PaymentLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert "$35.00" not in text_of(alices.get(page))


def test_it_answers_nothing_while_nothing_has_changed(alices: Client, wallet: Wallet, page: str) -> None:
    seen = version_of(alices.get(page))

    assert alices.get(f"{page}/refresh", {"seen": seen}, headers=HTMX).status_code == 204

    credited(wallet, 20)
    response = alices.get(f"{page}/refresh", {"seen": seen}, headers=HTMX)
    assert response.status_code == 200
    assert "$20" in text_of(response)
    for part in ("status-bar", "balance", "automatic", "usage", "history", "cards", "links", "live"):
        assert re.search(rf'id="{part}"[^>]*hx-swap-oob="true"', response.content.decode()), part


def test_it_asks_for_news_only_while_something_is_awaited(alices: Client, alice: User, wallet: Wallet, page: str) -> None:
    assert "every 5s" not in alices.get(page).content.decode()

    a_link(wallet, by=alice)

    assert "every 5s" in alices.get(page).content.decode()


def test_it_brings_the_status_bar_alone_to_other_pages(alices: Client, page: str) -> None:
    response = alices.get(f"{page}/refresh?bar", headers=HTMX)

    assert 'id="status-bar"' in response.content.decode()
    assert 'id="balance"' not in response.content.decode()


def test_it_keeps_as_many_rows_as_were_open(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [adjustment(DOLLAR, key=f"k{number}") for number in range(60)])

    response = alices.get(f"{page}/refresh", {"oldest": "11"}, headers=HTMX)

    assert response.content.decode().count('class="transfer"') == 50


def test_it_leads_to_the_receipt_of_a_top_up(alices: Client, wallet: Wallet, page: str) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id="cus_1")
    wallet.refresh_from_db()
    top_up = paid_top_up(wallet, 20 * DOLLAR)

    assert f'href="{page}/receipts/{top_up.receipt_number}"' in alices.get(page).content.decode()


def test_it_writes_hostile_words_as_words(alices: Client, wallet: Wallet, page: str) -> None:
    wallet.workspace.name = '"><script>alert(1)</script>{{7*7}}'
    wallet.workspace.save(update_fields=["name"])
    charge(wallet, DOLLAR, description='Outbound call · <img src=x onerror="alert(1)">')

    body = alices.get(page).content.decode()

    assert "<script>alert" not in body
    assert "<img src=x" not in body
    assert "49" not in re.findall(r"<title>(.*?)</title>", body)[0]

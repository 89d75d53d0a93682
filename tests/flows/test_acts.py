"""Finance helps a customer: part of a payment back, a correction that two agree on, a wallet frozen and opened again."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.flows.conftest import Northside, SignedInPage, expect_balance
from tests.payments import MoneyIn
from tests.stack import RunningStack
from wallet import stripe_gateway
from wallet.errors import WalletFrozen
from wallet.models import RefundRequest, TopUp, Transfer
from wallet.services.holds import place_hold
from wallet.services.top_ups import charge_top_up
from wallet.tests.staff import staff
from workspaces.models import User


@pytest.fixture
def frances(northside: Northside) -> User:
    return staff("frances")


@pytest.fixture
def felix(northside: Northside) -> User:
    return staff("felix")


@pytest.fixture
def paid(northside: Northside, stack: RunningStack, settings: Any) -> TopUp:
    """Twenty dollars, charged to a card at the sandbox."""
    settings.STRIPE_API_BASE = stack.sandbox.api_url
    stripe_gateway._client.cache_clear()
    money = MoneyIn(stack.sandbox, northside.wallet, northside.alice)
    top_up = charge_top_up(money.ask_for_top_up(money.connect_card()).pk)
    stripe_gateway._client.cache_clear()
    assert top_up.receipt_number
    return top_up


def acts_of(northside: Northside) -> str:
    return f"/admin/wallets/{northside.workspace.public_id}/acts/"


def fill(page: Page, **fields: str) -> None:
    """By the labels that a person reads."""
    for label, text in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(text)


def a_call(northside: Northside) -> None:
    place_hold(northside.wallet.pk, amount_micros=1, reference="call", idempotency_key=uuid4().hex, lifetime=timedelta(hours=1))


def test_it_refunds_a_part(northside: Northside, paid: TopUp, frances: User, as_user: SignedInPage, stack: RunningStack) -> None:
    page = as_user(frances, acts_of(northside))
    page.get_by_role("link", name="Refund a top-up").click()
    page.get_by_role("link", name=f"Refund {paid.receipt_number}").click()
    expect(page.get_by_label("Amount in USD")).to_have_value("20")

    # More than there is, and then a part of it.
    fill(page, Amount_in_USD="20.01", Reason="Moved to another plan")
    page.get_by_role("button", name="Refund", exact=True).click()
    expect(page.get_by_text("No more than $20.00 of this top-up can still go back.")).to_be_visible()
    fill(page, Amount_in_USD="7.50")
    page.get_by_role("button", name="Refund", exact=True).dblclick()

    expect(page.get_by_text("Refunded", exact=True)).to_be_visible()
    expect(page.get_by_text("succeeded")).to_be_visible()
    assert [(refund["amount"], refund["status"]) for refund in stack.sandbox.state()["refunds"]] == [(750, "succeeded")]
    assert RefundRequest.objects.count() == 1
    assert northside.balance == 12.5
    page.goto(f"/admin/wallets/{northside.wallet.pk}/")
    expect(page.get_by_text(f"Refund of {paid.receipt_number}").first).to_be_visible()


def test_it_books_a_large_adjustment_once_a_second_one_agrees(
    northside: Northside, frances: User, felix: User, as_user: SignedInPage
) -> None:
    page = as_user(frances, acts_of(northside))
    page.get_by_role("link", name="Adjust").click()
    page.get_by_label("Puts money into the wallet").check()
    fill(page, Amount_in_USD="150", Words_for_the_customer="Credit for the outage in May", Reason="Ticket 4711")
    page.get_by_role("button", name="Adjust").click()
    expect(page.get_by_text("waits for a second one of finance")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert northside.balance == 0

    felixs = as_user(felix, "/admin/approvals/")
    felixs.get_by_role("link", name="Adjustment of +$150.00").click()
    expect(felixs.get_by_text("Ticket 4711")).to_be_visible()
    felixs.get_by_role("button", name="Reject").click()
    expect(felixs.get_by_text("Say why you reject it.").first).to_be_visible()
    felixs.get_by_role("button", name="Approve").click()
    expect(felixs.get_by_text("Done", exact=True)).to_be_visible()

    assert northside.balance == 150
    assert Transfer.objects.get().description == "Credit for the outage in May"


def test_it_freezes_and_opens_again(northside: Northside, paid: TopUp, frances: User, as_user: SignedInPage) -> None:
    page = as_user(frances, acts_of(northside))
    page.get_by_role("link", name="Freeze").click()
    fill(page, Reason="Looks like fraud")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_text("The wallet is frozen")).to_be_visible()
    with pytest.raises(WalletFrozen):
        a_call(northside)

    customers = as_user(northside.dana, northside.billing)
    expect(customers.get_by_text("This wallet is frozen")).to_be_visible()
    expect(customers.get_by_role("link", name="Write to support")).to_be_visible()

    page.get_by_role("link", name="Unfreeze").click()
    fill(page, Reason="It was their own call centre")
    page.get_by_role("button", name="Unfreeze").click()
    expect(page.get_by_text("The wallet is open again.")).to_be_visible()
    a_call(northside)
    customers.reload()
    expect(customers.get_by_text("This wallet is frozen")).to_be_hidden()
    expect_balance(customers, "$20.00")

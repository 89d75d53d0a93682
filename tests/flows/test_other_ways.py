"""Everything that is not the straight way: someone else pays, a card is declined, a link is over, two tabs, no rights."""

import re
import time
from datetime import timedelta
from email.message import EmailMessage

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser import Pages
from tests.flows.conftest import (
    TURNS_WITHIN_MS,
    Northside,
    SignedInPage,
    ask_for,
    expect_balance,
    expect_no_reload,
    mark,
    pay,
    read_code,
)
from tests.flows.history import fill_history
from tests.stack import RunningStack
from wallet.models import Card, PaymentLink, TopUp, Transfer

DECLINED_WHEN_CHARGED = "4000000000000341"
INSUFFICIENT_FUNDS = "4000000000009995"
NEEDS_AUTHENTICATION = "4000002500003155"
MAIL_WITHIN_SECONDS = 20


def connect_card(page: Page, *, card: str) -> None:
    """Enter card details on this very page, and come back."""
    page.locator("#cards").get_by_role("button", name="Connect a card").click()
    page.get_by_role("button", name="Enter card details").click()
    page.get_by_role("button", name="Connect card").or_(page.locator("#submit")).first.wait_for()
    pay(page, card=card)
    answer_the_bank(page)
    page.get_by_role("link", name="Back to Billing").click()


def mail_to(stack: RunningStack, recipient: str) -> EmailMessage:
    """The mail that the worker sends, as soon as it is there."""
    for _ in range(MAIL_WITHIN_SECONDS * 10):
        for mail in stack.mails():
            if mail["To"] == recipient:
                return mail
        time.sleep(0.1)
    raise AssertionError(f"no mail to {recipient}")


def answer_the_bank(page: Page) -> None:
    """Where the bank asks whether it is really you: it is."""
    page.wait_for_load_state()
    if "/authenticate/" in page.url:
        page.get_by_role("button", name="Complete authentication").click()


def test_it_is_paid_by_someone_who_got_a_mail(pages: Pages, danas: Page, northside: Northside, stack: RunningStack) -> None:
    ask_for(danas, "35")
    danas.get_by_label("E-mail address to send it to").fill("finance@example.com")
    danas.get_by_role("button", name="E-mail").click()
    expect(danas.get_by_text("On its way to finance@example.com")).to_be_visible()
    danas.get_by_role("button", name="Close").click()
    mark(danas)
    expect(danas.locator("#links")).to_contain_text("$35.00", timeout=TURNS_WITHIN_MS)

    mail = mail_to(stack, "finance@example.com")
    body = mail.get_body(("plain",))
    assert body
    address = re.search(rf"{re.escape(stack.site_url)}/pay/\S+", body.get_content())
    assert address
    payer = pages.open(address[0], phone=True)
    payer.get_by_role("button", name="Pay $35.00").click()
    pay(payer)
    expect(payer.get_by_role("heading", name="Paid")).to_be_visible(timeout=TURNS_WITHIN_MS)

    # The page behind turns too, although its dialog is closed; the card was not kept, as nobody said so.
    expect_balance(danas, "$35.00")
    expect_no_reload(danas)
    expect(danas.locator("#links")).not_to_contain_text("$35.00")
    assert not Card.objects.exists()
    payer.goto(address[0])
    expect(payer.get_by_role("heading", name="Already paid")).to_be_visible()


def test_it_is_paid_here(danas: Page, northside: Northside) -> None:
    ask_for(danas, "20")
    danas.get_by_role("button", name="Pay here").click()
    pay(danas)
    danas.get_by_role("link", name="Back to Billing").click()

    expect_balance(danas, "$20.00")


def test_it_takes_another_card_after_a_decline_on_the_payment_page(pages: Pages, danas: Page, northside: Northside) -> None:
    ask_for(danas, "20")
    payer = pages.open(read_code(danas), phone=True)
    payer.get_by_role("button", name="Pay $20.00").click()
    pay(payer, card=INSUFFICIENT_FUNDS)
    expect(payer.locator("#payment-error")).to_contain_text("insufficient funds")
    expect(danas.get_by_text("A card was declined.")).to_be_visible(timeout=TURNS_WITHIN_MS)

    pay(payer)

    expect(danas.get_by_role("heading", name="$20.00 added")).to_be_visible(timeout=TURNS_WITHIN_MS)
    assert northside.balance == 20


def test_it_offers_another_way_when_the_saved_card_is_declined(pages: Pages, danas: Page, northside: Northside) -> None:
    connect_card(danas, card=DECLINED_WHEN_CHARGED)
    ask_for(danas, "20")
    expect(danas.get_by_role("heading", name="Declined")).to_be_visible(timeout=TURNS_WITHIN_MS)
    expect(danas.get_by_text("Nothing was charged to Visa •••• 0341.")).to_be_visible()

    danas.get_by_role("button", name="Pay another way").click()
    payer = pages.open(read_code(danas), phone=True)
    payer.get_by_role("button", name="Pay $20.00").click()
    pay(payer)

    expect(danas.get_by_role("heading", name="$20.00 added")).to_be_visible(timeout=TURNS_WITHIN_MS)
    assert northside.balance == 20


def test_it_leads_to_the_bank_when_the_bank_asks(danas: Page, northside: Northside) -> None:
    connect_card(danas, card=NEEDS_AUTHENTICATION)
    ask_for(danas, "20")
    expect(danas.get_by_role("heading", name="Your bank asks you to confirm")).to_be_visible(timeout=TURNS_WITHIN_MS)
    danas.get_by_role("button", name="Pay on the secure page").click()
    danas.get_by_role("button", name="Pay here").click()
    pay(danas, card=NEEDS_AUTHENTICATION)
    answer_the_bank(danas)
    danas.get_by_role("link", name="Back to Billing").click()

    expect_balance(danas, "$20.00")
    assert TopUp.objects.filter(status=TopUp.Status.SUCCEEDED).count() == 1


def test_it_connects_a_card_by_its_qr_code(pages: Pages, danas: Page, northside: Northside) -> None:
    mark(danas)
    danas.locator("#cards").get_by_role("button", name="Connect a card").click()
    for way in ("Enter card details", "Scan the QR code", "Share the link"):
        expect(danas.get_by_role("heading", name=way)).to_be_visible()
    phone = pages.open(read_code(danas), phone=True)
    expect(phone.get_by_text("By connecting the card you allow")).to_be_visible()
    phone.get_by_role("button", name="Connect card").click()
    pay(phone)
    expect(phone.get_by_role("heading", name="Card connected")).to_be_visible(timeout=TURNS_WITHIN_MS)

    expect(danas.get_by_role("heading", name="Card connected")).to_be_visible(timeout=TURNS_WITHIN_MS)
    expect(danas.locator("#cards").get_by_text("Visa •••• 4242")).to_be_visible()
    expect(danas.get_by_text("Connect your wallet")).to_be_hidden()
    expect_no_reload(danas)
    assert northside.balance == 0
    assert Card.objects.get().is_default


def test_it_says_that_the_link_has_expired(pages: Pages, danas: Page, northside: Northside) -> None:
    ask_for(danas, "20")
    address = read_code(danas)
    PaymentLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    expect(danas.get_by_role("heading", name="This link has expired")).to_be_visible(timeout=TURNS_WITHIN_MS)
    phone = pages.open(address, phone=True)
    expect(phone.get_by_role("heading", name="This payment link doesn’t work any more")).to_be_visible()
    assert not Transfer.objects.exists()


def test_it_cancels(pages: Pages, danas: Page, northside: Northside) -> None:
    ask_for(danas, "20")
    address = read_code(danas)
    danas.get_by_role("button", name="Cancel").click()
    expect(danas.get_by_role("heading", name="Cancelled")).to_be_visible()

    phone = pages.open(address, phone=True)

    expect(phone.get_by_role("heading", name="This payment link doesn’t work any more")).to_be_visible()


def test_it_is_one_payment_from_two_tabs(danas: Page, northside: Northside) -> None:
    connect_card(danas, card="4242424242424242")
    danas.goto(f"{northside.billing}/add-balance")
    other = danas.context.new_page()
    other.goto(danas.url)

    for tab in (danas, other):
        tab.get_by_role("button", name="Top Up Wallet Balance").click()
        expect(tab.get_by_role("heading", name="$20.00 added")).to_be_visible(timeout=TURNS_WITHIN_MS)

    assert northside.balance == 20
    assert TopUp.objects.count() == 1


def test_it_is_one_payment_by_a_double_click(danas: Page, northside: Northside) -> None:
    connect_card(danas, card="4242424242424242")
    danas.get_by_role("link", name="Add Balance").click()
    danas.get_by_role("button", name="Top Up Wallet Balance").dblclick()

    expect(danas.get_by_role("heading", name="$20.00 added")).to_be_visible(timeout=TURNS_WITHIN_MS)
    assert northside.balance == 20


def test_it_names_what_is_wrong_with_an_amount(danas: Page, northside: Northside) -> None:
    ask_for(danas, "2.50")

    expect(danas.get_by_text("Choose an amount from $5.00 to $2,000.00.")).to_be_visible()
    expect(danas.get_by_label("Amount in US dollars")).to_be_focused()


def test_it_removes_a_card_after_asking(danas: Page, northside: Northside) -> None:
    connect_card(danas, card="4242424242424242")
    danas.locator("#cards").get_by_label("Change Visa •••• 4242").click()
    danas.get_by_role("link", name="Remove…").click()
    danas.get_by_role("button", name="Remove card").click()

    expect(danas.get_by_text("Visa •••• 4242 was removed.")).to_be_visible()
    expect(danas.locator("#cards")).to_contain_text("With a card connected")


def test_it_refuses_bob_and_does_not_exist_for_charlie(as_user: SignedInPage, northside: Northside) -> None:
    bobs = as_user(northside.bob, f"/w/{northside.workspace.public_id}/settings/workspace")
    expect(bobs.get_by_text("Ask your account admin.")).to_be_visible()
    expect(bobs.get_by_role("link", name="Billing")).to_have_count(0)
    bobs.goto(northside.billing)
    expect(bobs.get_by_role("heading", name="Your account admin manages billing")).to_be_visible()
    expect(bobs.get_by_text("Alice Moreau")).to_be_visible()
    expect(bobs.get_by_text("Wallet Balance")).to_have_count(0)

    charlies = as_user(northside.charlie, "/accounts/")
    response = charlies.goto(northside.billing)
    assert response
    assert response.status == 404
    assert "Northside" not in charlies.content()


@pytest.mark.parametrize("show", ["Calls", "Top-ups"])
def test_it_filters_the_history_and_keeps_its_place(danas: Page, northside: Northside, show: str) -> None:

    fill_history(northside.wallet, calls=60)
    danas.reload()
    mark(danas)

    danas.get_by_role("button", name="Load more").or_(danas.get_by_role("link", name="Load more")).click()
    expect(danas.locator("#history tr.transfer")).to_have_count(50)
    danas.locator("#history").get_by_role("link", name=show, exact=True).click()
    expect(danas.locator("#history .chip[aria-current]")).to_have_text(show)
    expect(danas.locator("#history tr.transfer")).to_have_count({"Calls": 25, "Top-ups": 1}[show])
    expect_no_reload(danas)
    assert f"show={show.lower()}" in danas.url

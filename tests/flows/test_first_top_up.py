"""From signing in to the second top-up: the way of someone who has just heard of the product."""

import re

from playwright.sync_api import Page, expect

from tests.browser import Pages
from tests.flows.conftest import PASSWORD, TURNS_WITHIN_MS, Northside, expect_balance, expect_no_reload, mark, pay, read_code
from tests.stack import RunningStack
from wallet.models import TopUp, Transfer


def sign_in(page: Page, *, email: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def choose_twenty(page: Page) -> None:
    """Slider, box and quick amounts say the same, and the new balance is told before anything is pressed."""
    expect(page.get_by_text("From $5.00 to $2,000.00")).to_be_visible()
    page.get_by_role("button", name="$50").click()
    expect(page.get_by_label("Amount in US dollars")).to_have_value("50")
    page.get_by_role("slider", name="Amount").press("Home")
    expect(page.get_by_label("Amount in US dollars")).to_have_value("5")
    page.get_by_label("Amount in US dollars").fill("20")
    expect(page.get_by_role("slider", name="Amount")).to_have_attribute("aria-valuetext", "$20.00")
    expect(page.get_by_role("button", name="$20")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("New balance $20.00")).to_be_visible()


def pay_by_phone(phone: Page, *, checkout_url: str) -> None:
    """Its owner has no login, and lets the card be saved."""
    expect(phone.get_by_text("Northside Realty", exact=True)).to_be_visible()
    phone.get_by_role("checkbox", name="Save this card").check()
    phone.get_by_role("button", name="Pay $20.00").click()
    expect(phone).to_have_url(re.compile(re.escape(checkout_url)))
    pay(phone)
    expect(phone.get_by_role("heading", name="Paid")).to_be_visible(timeout=TURNS_WITHIN_MS)


def expect_row_with_receipt(page: Page, *, receipt_number: str) -> None:
    """The newest row of the history, and the receipt behind it, as a page and as a file."""
    row = page.locator("#history tr.transfer").first
    expect(row).to_contain_text("+$20.0000")
    row.locator("summary").click()
    row.get_by_role("link", name=receipt_number).click()
    expect(page.get_by_role("heading", name=f"Receipt {receipt_number}")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PDF").click()
    assert download.value.suggested_filename == f"receipt-{receipt_number}.pdf"
    page.go_back()


def test_it_fills_a_wallet_by_qr_code_and_then_by_one_click(pages: Pages, northside: Northside, stack: RunningStack) -> None:
    # Dana signs in, and the page says what is missing.
    page = pages.open("/accounts/login/")
    sign_in(page, email="dana@northside.example")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Billing").click()
    expect(page.get_by_text("Connect your wallet")).to_be_visible()
    expect_balance(page, "$0.00")
    mark(page)

    # A phone reads the code off the screen.
    page.get_by_role("link", name="Add Balance").click()
    choose_twenty(page)
    page.get_by_role("button", name="Top Up Wallet Balance").click()
    expect(page.get_by_text("Waiting for payment")).to_be_visible()
    address = read_code(page)
    assert address.startswith(f"{stack.site_url}/pay/")
    pay_by_phone(pages.open(address, phone=True), checkout_url=stack.sandbox.checkout_url)

    # Dana's page turns by itself.
    expect(page.get_by_role("heading", name="$20.00 added")).to_be_visible(timeout=TURNS_WITHIN_MS)
    expect(page.locator("#panel").get_by_text("New balance $20.00")).to_be_visible()
    expect_balance(page, "$20.00")
    expect(page.get_by_text("Connect your wallet")).to_be_hidden()
    expect(page.locator("#cards").get_by_text("Visa •••• 4242")).to_be_visible()
    receipt_number = TopUp.objects.get().receipt_number
    assert receipt_number
    expect(page.locator("#history").get_by_text(receipt_number).first).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect_no_reload(page)
    expect_row_with_receipt(page, receipt_number=receipt_number)

    # The second top-up is one click on the saved card.
    mark(page)
    page.get_by_role("link", name="Add Balance").click()
    expect(page.get_by_role("radio", name="Visa •••• 4242")).to_be_checked()
    page.get_by_role("button", name="Top Up Wallet Balance").click()
    expect(page.get_by_role("heading", name="$20.00 added")).to_be_visible(timeout=TURNS_WITHIN_MS)
    expect_balance(page, "$40.00")
    expect_no_reload(page)
    assert northside.balance == 40
    assert Transfer.objects.count() == 2


def test_it_works_without_javascript(pages: Pages, northside: Northside) -> None:
    page = pages.open("/accounts/login/", java_script_enabled=False)
    sign_in(page, email="dana@northside.example")
    page.goto(northside.billing)
    page.get_by_role("link", name="Add Balance").click()
    page.get_by_role("link", name="$50").click()
    expect(page.get_by_label("Amount in US dollars")).to_have_value("50")
    page.get_by_role("button", name="Top Up Wallet Balance").click()
    expect(page.get_by_text("Waiting for payment")).to_be_visible()
    panel = page.url

    address = page.get_by_role("textbox", name="Payment link").input_value()
    assert read_code(page) == address
    payer = pages.open(address, phone=True, java_script_enabled=False)
    payer.get_by_role("checkbox", name="Save this card").check()
    payer.get_by_role("button", name="Pay $50.00").click()
    pay(payer)
    expect(payer.get_by_role("heading", name="Paid")).to_be_visible(timeout=TURNS_WITHIN_MS)

    page.get_by_role("link", name="Check again").click()
    expect(page.get_by_role("heading", name="$50.00 added")).to_be_visible()
    assert page.url == panel
    page.get_by_role("link", name="Done").click()
    expect_balance(page, "$50.00")

    # One click on the saved card, its outcome, and back: still one payment.
    page.get_by_role("link", name="Add Balance").click()
    page.get_by_role("button", name="Top Up Wallet Balance").click()
    expect(page.get_by_role("heading", name="$20.00 added")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="$20.00 added")).to_be_visible()
    assert northside.balance == 70

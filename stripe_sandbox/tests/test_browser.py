"""The hosted pages in Chromium: on a phone, in the dark, by keyboard, and to a checker of accessibility."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from stripe_sandbox.testing import RunningSandbox
from stripe_sandbox.tests.conftest import new_session, new_setup_session, wait_for
from tests.browser import Pages

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(browser: Browser, sandbox: RunningSandbox) -> Iterator[Callable[..., Page]]:
    """A page of the sandbox. A script that throws, or anything that the content security policy stops, fails the test."""
    opened = Pages(browser=browser, base_url=sandbox.checkout_url)

    yield opened.open

    opened.close(name="sandbox", failed=False)
    assert opened.faults == []


def _violations(page: Page) -> list[str]:
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{violation['id']}: {[node['html'] for node in violation['nodes']]}" for violation in found]


def test_it_takes_a_payment_on_a_phone(open_page: Callable[..., Page], client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    back = f"{sandbox.checkout_url}/c/pay/back?session={{CHECKOUT_SESSION_ID}}"
    session = new_session(client, success_url=back, payment_intent_data={"setup_future_usage": "off_session"})
    page = open_page(session.url, phone=True)

    page.get_by_label("Email").fill("finance@example.com")
    page.get_by_label("Card number").press_sequentially("4242424242424242")
    page.get_by_label("Expiration").press_sequentially("1234")
    page.get_by_label("Security code").fill("123")
    page.get_by_label("Name on card").fill("Finn Ance")
    assert page.get_by_label("Card number").input_value() == "4242 4242 4242 4242"
    assert page.get_by_label("Expiration").input_value() == "12 / 34"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("Name on card").press("Enter")

    page.wait_for_url(back.replace("{CHECKOUT_SESSION_ID}", session.id))
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_it_says_in_red_why_a_card_was_declined(open_page: Callable[..., Page], client: stripe.StripeClient) -> None:
    page = open_page(new_session(client).url)
    page.get_by_label("Email").fill("finance@example.com")
    page.get_by_text("Test cards").click()
    page.get_by_role("button", name="Insufficient funds").click()
    page.get_by_label("Name on card").fill("Finn Ance")

    page.get_by_role("button", name="Pay $20.00").click()

    assert page.get_by_role("alert").inner_text() == "Your card has insufficient funds."
    assert page.get_by_label("Email").input_value() == "finance@example.com"


def test_it_asks_the_payer_for_authentication(open_page: Callable[..., Page], client: stripe.StripeClient) -> None:
    session = new_setup_session(client)
    page = open_page(session.url, phone=True, dark=True)
    page.get_by_label("Email").fill("finance@example.com")
    page.get_by_text("Test cards").click()
    page.get_by_role("button", name="Asks for authentication").click()
    page.get_by_label("Cardholder name").fill("Finn Ance")
    page.get_by_role("button", name="Save card").click()
    page.get_by_role("button", name="Fail authentication").click()
    assert "unable to authenticate" in page.get_by_role("alert").inner_text()

    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_it_shows_the_fields_of_the_chosen_method(open_page: Callable[..., Page], client: stripe.StripeClient) -> None:
    page = open_page(new_session(client).url, java_script_enabled=False)
    assert page.get_by_label("Card number").is_visible()
    assert not page.get_by_label("Routing number").is_visible()

    page.get_by_label("Bank account", exact=True).first.check()

    assert not page.get_by_label("Card number").is_visible()
    assert page.get_by_label("Routing number").is_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_accessible(open_page: Callable[..., Page], client: stripe.StripeClient, sandbox: RunningSandbox, dark: bool) -> None:
    session = new_session(client)
    asked = sandbox.pay_checkout(new_session(client).url or "", card="4000002500003155", answer="").location
    paid = new_session(client)
    sandbox.pay_checkout(paid.url or "")
    receipt = wait_for(lambda: client.v1.charges.list().data)[0].receipt_url

    for address in (session.url, asked, paid.url, receipt):
        page = open_page(address, dark=dark)
        assert _violations(page) == [], address
    page = open_page(session.url, dark=dark, phone=True)
    page.get_by_text("Test cards").click()
    page.get_by_role("button", name="Pay $20.00").click()
    page.get_by_role("alert").wait_for()
    assert _violations(page) == []

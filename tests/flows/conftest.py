"""Alice owns Northside, Dana is its admin, Bob a member and Charlie a stranger; and hands for what they do in a browser."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect

from tests.browser import Pages
from tests.stack import RunningStack
from wallet.models import Wallet
from wallet.services.wallets import open_wallet
from workspaces import services
from workspaces.models import Membership, Role, User, Workspace

PASSWORD = "correct horse battery"
TURNS_WITHIN_MS = 20_000
PICTURES_MAX, PICTURE_EVERY_MS = 20, 250
"""A dialog fades in; a person holds the phone still until the camera has it."""


@pytest.hookimpl(tryfirst=True)  # Before pytest-xdist looks for groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them share one stack and one Chromium, so they stay in one process."""
    for item in items:
        if "tests/flows/" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.browser)


@dataclass
class Northside:
    """The workspace and everyone around it."""

    workspace: Workspace
    wallet: Wallet
    alice: User
    dana: User
    bob: User
    charlie: User

    @property
    def billing(self) -> str:
        """The address of its Settings → Billing."""
        return f"/w/{self.workspace.public_id}/settings/billing"

    @property
    def balance(self) -> float:
        """In dollars, as the database has it now."""
        self.wallet.refresh_from_db()
        return self.wallet.balance_micros / 1_000_000


@pytest.fixture
def northside(stack: RunningStack) -> Iterator[Northside]:
    """An empty wallet in dollars. At the end the books must be in order, whatever was done."""
    alice = services.add_user("alice@northside.example", password=PASSWORD, name="Alice Moreau")
    workspace = services.create_workspace(alice, name="Northside Realty", time_zone="America/New_York")
    dana = services.add_user("dana@northside.example", password=PASSWORD, name="Dana O'Neill")
    bob = services.add_user("bob@northside.example", password=PASSWORD, name="Bob Tanaka")
    Membership.objects.create(workspace=workspace, user=dana, role=Role.ADMIN)
    Membership.objects.create(workspace=workspace, user=bob, role=Role.MEMBER)
    charlie = services.add_user("charlie@elsewhere.example", password=PASSWORD)
    wallet = open_wallet(workspace, currency="usd")

    yield Northside(workspace, wallet, alice, dana, bob, charlie)

    call_command("check_books")


SignedInPage = Callable[..., Page]


@pytest.fixture
def as_user(pages: Pages, session_cookie: Callable[[Any], list[dict[str, Any]]]) -> SignedInPage:
    """A function from a user and an address to a page on which they are signed in."""

    def open_page(user: User, address: str, **options: Any) -> Page:
        return pages.open(address, cookies=session_cookie(user), **options)

    return open_page


@pytest.fixture
def danas(as_user: SignedInPage, northside: Northside) -> Page:
    """Dana's browser, on Billing."""
    return as_user(northside.dana, northside.billing)


def picture(page: Page) -> "np.ndarray[Any, Any]":
    """What the page looks like. The caret stays as it is: hiding it would write inline styles, which the page's policy reports."""
    image = cv2.imdecode(np.frombuffer(page.screenshot(caret="initial"), dtype=np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def read_code(page: Page) -> str:
    """The address in the QR code, read off a picture of the page by OpenCV."""
    page.locator(".qr-code").scroll_into_view_if_needed()
    # OpenCV's other detector misses one clean code in thirty, and the same one every time; this one was not seen to miss any.
    reader = cv2.QRCodeDetectorAruco()
    for _ in range(PICTURES_MAX):
        text, _, _ = reader.detectAndDecode(picture(page))
        if text:
            return text
        page.wait_for_timeout(PICTURE_EVERY_MS)
    pytest.fail("no QR code can be read off the page")


def ask_for(page: Page, amount: str, *, another_way: bool = False) -> None:
    """Add Balance → amount → Top Up Wallet Balance."""
    page.get_by_role("link", name="Add Balance").click()
    page.get_by_label("Amount in US dollars").fill(amount)
    if another_way:
        page.get_by_role("radio", name="Another way").check()
    page.get_by_role("button", name="Top Up Wallet Balance").click()


def pay(page: Page, *, card: str = "4242424242424242", email: str = "payer@example.com") -> None:
    """Fill in the hosted page and press its button."""
    if page.get_by_label("Email").is_editable():
        page.get_by_label("Email").fill(email)
    page.locator("[name=cardNumber]").fill(card)
    page.locator("[name=cardExpiry]").fill("12 / 34")
    page.locator("[name=cardCvc]").fill("123")
    page.locator("[name=billingName]").fill("Pat Payer")
    page.locator("[name=billingPostalCode]").fill("10001")
    page.locator("#submit").click()


def mark(page: Page) -> None:
    """Leaves a mark that a reload would wipe away."""
    page.evaluate("window.stillTheSamePage = true")


def expect_no_reload(page: Page) -> None:
    assert page.evaluate("window.stillTheSamePage === true"), "the page was reloaded"


def expect_balance(page: Page, figure: str) -> None:
    """The figure on Wallet Balance, without waiting for a person to do anything."""
    expect(page.locator("#balance .figure")).to_have_text(re.compile(rf"^\s*{re.escape(figure)}\s*$"), timeout=TURNS_WITHIN_MS)

"""An owner makes an API key in Chromium, copies it, uses it and revokes it; the same without JavaScript."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Pages
from tests.stack import RunningStack
from wallet.services.wallets import open_wallet
from workspaces import services
from workspaces.models import User, Workspace

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

Cookies = Callable[[User], list[dict[str, Any]]]


@pytest.fixture
def alice(stack: RunningStack) -> User:
    return services.add_user("alice@northside.example", name="Alice Moreau")


@pytest.fixture
def workspace(alice: User) -> Workspace:
    workspace = services.create_workspace(alice, name="Northside Realty", time_zone="America/New_York")
    open_wallet(workspace, currency="usd")
    return workspace


def fill_in(page: Page) -> None:
    page.get_by_label("Name").fill("Call server")
    page.get_by_label("Read the wallet").check()
    page.get_by_role("button", name="Make the key").click()


def status_with(page: Page, secret: str, workspace: Workspace) -> int:
    """What the API answers whoever sends that key."""
    return page.request.get(f"/api/v1/wallets/{workspace.public_id}", headers={"Authorization": f"Bearer {secret}"}).status


def test_it_makes_copies_and_revokes_a_key(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", cookies=session_cookie(alice))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="Make a key").click()

    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("Choose at least one.").first).to_be_visible()
    fill_in(page)
    expect(page.get_by_role("heading", name="Copy your key now")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    secret = page.evaluate("navigator.clipboard.readText()")
    assert status_with(page, secret, workspace) == 200

    # The list behind the dialog knows of the key already.
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name="API keys 1")).to_be_visible()
    page.reload()
    expect(page.get_by_text(secret)).to_have_count(0)
    expect(page.get_by_text("Used")).to_be_visible()

    page.get_by_role("link", name="Revoke Call server").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("The key Call server was revoked.")).to_be_visible()
    assert status_with(page, secret, workspace) == 401


def test_it_answers_in_the_page_when_opened_as_a_page(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    """In a tab of its own: no dialog with the same form over it."""
    page = pages.open(f"/w/{workspace.public_id}/settings/api-keys/new", cookies=session_cookie(alice))

    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("Choose at least one.").first).to_be_visible()
    expect(page.get_by_label("Name")).to_have_count(1)
    fill_in(page)

    expect(page.get_by_role("main").get_by_role("heading", name="Copy your key now")).to_be_visible()


def test_it_works_without_javascript_on_a_phone(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/api-keys", phone=True, cookies=session_cookie(alice), java_script_enabled=False)
    page.get_by_role("link", name="Make a key").click()

    fill_in(page)
    secret = page.locator("#new-api-key").inner_text()
    assert status_with(page, secret, workspace) == 200
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Revoke Call server").click()
    page.get_by_role("button", name="Revoke key").click()

    expect(page.get_by_text("No keys yet")).to_be_visible()
    assert status_with(page, secret, workspace) == 401

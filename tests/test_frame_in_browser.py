"""The frame as people meet it: keyboard, phone, without JavaScript, and what a screen reader is told."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.axe import faults_in_every_look
from tests.browser import Pages
from tests.stack import RunningStack
from wallet.services.wallets import open_wallet
from workspaces import services
from workspaces.models import Membership, Role, Scope, User, Workspace

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

Cookies = Callable[[User], list[dict[str, Any]]]
PASSWORD = "correct horse battery"
# Everything that is pressed or filled in, in the frame and on the pages of workspaces.
TARGETS = ".btn, .pill, .chip, .tabs a, .nav, summary:not(.link), .field input:not([type=radio], [type=checkbox]), .field select, .option"


@pytest.fixture
def alice(stack: RunningStack) -> User:
    return services.add_user("alice@northside.example", password=PASSWORD, name="Alice Moreau")


@pytest.fixture
def workspace(alice: User) -> Workspace:
    workspace = services.create_workspace(alice, name="Northside Realty", time_zone="America/New_York")
    open_wallet(workspace, currency="usd")
    bob = services.add_user("bob@northside.example", name="Bob Tanaka")
    Membership.objects.create(workspace=workspace, user=bob, role=Role.MEMBER)
    owner = Membership.objects.get(workspace=workspace, user=alice)
    services.invite_member(workspace, by=owner, email="a-rather-long-address@northside.example", role=Role.ADMIN)
    services.create_api_key(workspace, name="Call server", scopes=[Scope.WALLET_READ], expires_at=None, created_by=alice)
    return workspace


def _addresses(workspace: Workspace) -> list[str]:
    base = f"/w/{workspace.public_id}/settings"
    member = workspace.memberships.get(role=Role.MEMBER).pk
    return [
        *(
            f"{base}/{page}"
            for page in ("workspace", "workspace/leave", "members", "members/invite", f"members/{member}", f"members/{member}/remove")
        ),
        *(f"{base}/{page}" for page in ("api-keys", "api-keys/new", f"api-keys/{workspace.api_keys.get().pk}/revoke")),
        *(
            "/accounts/",
            "/accounts/email/",
            "/accounts/password/change/",
            "/accounts/2fa/",
            "/accounts/logout/",
            "/accounts/reauthenticate/",
        ),
        *("/workspaces/new", f"/invitations/{services.invitation_token(workspace.invitations.get())}", "/nothing-here"),
    ]


OPEN_TO_ALL = [
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/confirm-email/",
    "/accounts/inactive/",
    "/docs/api",
]


def test_it_has_no_fault_that_axe_finds(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    visitor = pages.open("/accounts/login/")
    owner = pages.open("/", cookies=session_cookie(alice))

    faults = {address: _axe(visitor, address) for address in OPEN_TO_ALL} | {
        address: _axe(owner, address) for address in _addresses(workspace)
    }

    assert {address: found for address, found in faults.items() if found} == {}


def test_it_gives_a_finger_room(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open("/", phone=True, cookies=session_cookie(alice))

    for address in _addresses(workspace):
        page.goto(address)
        heights = page.locator(TARGETS).evaluate_all(
            "all => all.filter(e => e.checkVisibility()).map(e => [e.getBoundingClientRect().height, e.outerHTML.slice(0, 120)])"
        )
        assert [(height, html) for height, html in heights if height < 44] == [], address


def test_it_opens_the_menu_by_keyboard_and_gives_the_focus_back(
    pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies
) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", phone=True, cookies=session_cookie(alice))
    menu = page.get_by_role("button", name="Menu")

    menu.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("link", name="Close menu")).to_be_focused()
    expect(menu).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")

    expect(menu).to_be_focused()
    expect(page.get_by_role("link", name="Settings")).to_be_hidden()


def test_it_opens_the_menu_without_javascript(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", phone=True, cookies=session_cookie(alice), java_script_enabled=False)
    expect(page.get_by_role("link", name="Settings")).to_be_hidden()

    page.get_by_role("link", name="Menu").click()
    page.locator(".switcher summary").click()
    page.get_by_role("link", name="Create a workspace").click()

    expect(page.get_by_role("heading", name="Create a workspace")).to_be_visible()


def test_it_closes_a_popover_with_escape(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", cookies=session_cookie(alice))
    summary = page.locator(".usermenu summary")

    summary.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()


def test_it_skips_to_the_content(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", cookies=session_cookie(alice))

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_it_invites_from_a_dialog_and_the_mail_leads_in(
    pages: Pages, stack: RunningStack, alice: User, workspace: Workspace, session_cookie: Cookies
) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", cookies=session_cookie(alice))
    page.get_by_role("link", name="Invite").click()
    dialog = page.get_by_role("dialog", name="Invite someone")
    dialog.get_by_label("E-mail address").fill("bob@northside.example")
    dialog.get_by_role("button", name="Send invitation").click()
    expect(dialog.get_by_role("alert")).to_contain_text("already a member")

    dialog.get_by_label("E-mail address").fill("erin@northside.example")
    dialog.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text("An invitation is on its way to erin@northside.example.")).to_be_visible()

    erin = pages.open(_link_to(stack, page, "erin@northside.example"), phone=True)
    erin.get_by_role("link", name="Create an account").click()
    erin.get_by_label("Your name").fill("Erin Walsh")
    erin.get_by_label("Password").fill(PASSWORD)
    erin.get_by_role("button", name="Create account").click()
    erin.get_by_role("button", name="Join as erin@northside.example").click()
    expect(erin.get_by_text("Welcome to Northside Realty.")).to_be_visible()

    page.reload()
    expect(page.get_by_text("Erin Walsh")).to_be_visible()


def test_it_invites_without_javascript(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open(f"/w/{workspace.public_id}/settings/members", cookies=session_cookie(alice), java_script_enabled=False)

    page.get_by_role("link", name="Invite").click()
    page.get_by_label("E-mail address").fill("erin@northside.example")
    page.get_by_role("button", name="Send invitation").click()

    expect(page.get_by_text("An invitation is on its way")).to_be_visible()


def test_it_guesses_the_time_zone(pages: Pages, stack: RunningStack, session_cookie: Cookies) -> None:
    newcomer = services.add_user("new@example.com")
    page = pages.open("/", cookies=session_cookie(newcomer), timezone_id="Asia/Tokyo")

    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    # What a person chooses stays, also when something else has to be mended first.
    page.get_by_label("Time zone").select_option("UTC")
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_label("Workspace name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Time zone")).to_have_value("UTC")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_label("Workspace name").fill("Kyoto Dental")
    page.get_by_label("Currency").select_option("jpy")
    page.get_by_role("button", name="Create workspace").click()

    expect(page.get_by_text("Kyoto Dental is ready.")).to_be_visible()
    assert Workspace.objects.get().time_zone == "Asia/Tokyo"


def test_it_sends_a_form_once_however_often_it_is_pressed(pages: Pages, alice: User, workspace: Workspace, session_cookie: Cookies) -> None:
    page = pages.open("/accounts/", cookies=session_cookie(alice))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    page.get_by_label("Your name").fill("Alice M.")
    page.get_by_role("button", name="Save").dblclick()

    expect(page.get_by_text("Saved.")).to_be_visible()
    assert len(sent) == 1


def _axe(page: Page, address: str) -> list[str]:
    page.goto(address)
    return faults_in_every_look(page)


def _link_to(stack: RunningStack, page: Page, address: str) -> str:
    """The path of the invitation's link, once the worker has sent the mail."""
    for _ in range(100):
        for message in stack.mails():
            body = message.get_body(("plain",))
            if message["To"] == address and body is not None and (found := re.search(r"/invitations/\S+", body.get_content())):
                return found[0]
        page.wait_for_timeout(100)
    pytest.fail(f"no mail to {address}")

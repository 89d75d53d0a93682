"""The Lab in a browser: a live call that counts the money, what happens at zero, and that trying costs nothing."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from tests.axe import faults_in_every_look
from tests.flows.conftest import Northside, SignedInPage
from tests.stack import RunningStack
from usage.models import LabRun
from wallet.ledger import post
from wallet.models import Transfer, Wallet
from wallet.tests.builders import DOLLAR, adjustment

MINUTE_MICROS = 14_000
"""What a minute to the number that the page suggests costs in the default price list."""


@pytest.fixture
def lab(northside: Northside, stack: RunningStack) -> str:
    """The address of Northside's Lab, with the default prices in force."""
    stack.manage("seed_prices")
    return f"/w/{northside.workspace.public_id}/lab"


def _fund(wallet: Wallet, amount_micros: int) -> None:
    post(wallet.pk, [adjustment(amount_micros, description="Credit")])


def _running(page: Page, *, seconds_ago: int = 0) -> None:
    """As if the call that is open had been answered so many seconds ago: nobody waits for it to ring."""
    expect(page.locator(".call-live")).to_be_visible()
    run = LabRun.objects.get(kind=LabRun.Kind.VOICE, ended_at=None)
    LabRun.objects.filter(pk=run.pk).update(answered_at=timezone.now() - timedelta(seconds=seconds_ago))
    expect(page.locator(".call-state")).to_have_text("On the call")


def _seconds(clock: str) -> int:
    minutes, seconds = clock.split(":")
    return int(minutes) * 60 + int(seconds)


def test_it_counts_the_money_of_a_live_call_and_stops_at_zero(northside: Northside, lab: str, as_user: SignedInPage) -> None:
    # A wallet with the money for two minutes: the clock starts when somebody answers, and counts them down.
    _fund(northside.wallet, 2 * MINUTE_MICROS)
    page = as_user(northside.dana, lab)
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_text("this spends your money")).to_be_visible()
    page.get_by_role("button", name="Start live call").dblclick()
    expect(page.locator("#time-left")).to_have_text("2:00")
    _running(page, seconds_ago=30)
    expect(page.locator("#time-left")).to_have_text(re.compile(r"1:[0-2]\d"), timeout=20_000)
    talked, left = page.evaluate("[...document.querySelectorAll('[data-ticks]')].map(clock => clock.textContent)")
    assert 119 <= _seconds(talked) + _seconds(left) <= 121
    expect(page.get_by_text("Ah yes, at half past ten.")).to_be_visible()
    expect(page.get_by_text("What is said on the call stands here.")).to_be_hidden()

    # The call outlives a reload, and is charged once when it is hung up.
    page.reload()
    expect(page.locator(".call-state")).to_have_text("On the call")
    page.get_by_role("button", name="Hang up").dblclick()
    expect(page.locator("#call-outcome")).to_contain_text("charged")
    charge = Transfer.objects.get(kind="call_out")
    assert 30 * MINUTE_MICROS // 60 <= charge.amount_micros < 2 * MINUTE_MICROS

    # The row stands in Transaction History.
    page.get_by_role("link", name="Transaction History").click()
    expect(page.locator("#history").get_by_text("Outbound call", exact=True)).to_be_visible()
    expect(page.locator("#history").locator("tr.transfer", has_text="Outbound call").first).to_contain_text("Reception")

    # What is left buys one more call, which ends by itself when it is used up.
    page.goto(f"{lab}?mode=live")
    page.get_by_role("button", name="Start live call").click()
    northside.wallet.refresh_from_db()
    _running(page, seconds_ago=northside.wallet.balance_micros * 60 // MINUTE_MICROS - 10)
    expect(page.locator("#call-outcome")).to_contain_text("The money for this call was used up", timeout=30_000)
    northside.wallet.refresh_from_db()
    assert 0 <= northside.wallet.balance_micros < MINUTE_MICROS // 10


def test_it_refuses_calls_at_zero_until_money_is_added(northside: Northside, lab: str, as_user: SignedInPage) -> None:
    # Outbound calls at once, with the reason and the way out, while inbound rings.
    _fund(northside.wallet, MINUTE_MICROS // 10 - 1)
    page = as_user(northside.dana, f"{lab}?mode=live")
    page.get_by_role("button", name="Start live call").click()
    expect(page.get_by_role("alert")).to_contain_text("too little available")
    expect(page.get_by_role("alert").get_by_role("link", name="Add Balance")).to_be_visible()
    page.get_by_role("radio", name="Inbound").check()
    page.get_by_role("button", name="Start live call").click()
    _running(page, seconds_ago=10)
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#call-outcome")).to_contain_text("charged")

    # When the grace time is over, inbound calls pause too.
    northside.wallet.refresh_from_db()
    assert northside.wallet.depleted_at is not None
    over = timezone.now() - timedelta(minutes=northside.wallet.grace_minutes, seconds=1)
    Wallet.objects.filter(pk=northside.wallet.pk).update(depleted_at=over)
    page.goto(f"{lab}?mode=live")
    page.get_by_role("radio", name="Inbound").check()
    page.get_by_role("button", name="Start live call").click()
    expect(page.get_by_role("alert")).to_contain_text("all calls are paused")

    # Free runs go on; and a top-up restores everything at once.
    page.goto(lab)
    page.get_by_role("button", name="Start call").click()
    _running(page)
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#call-outcome")).to_contain_text("would have cost")
    _fund(northside.wallet, 5 * DOLLAR)
    page.goto(f"{lab}?mode=live")
    page.get_by_role("radio", name="Inbound").check()
    page.get_by_role("button", name="Start live call").click()
    expect(page.locator(".call-state")).to_have_text("Ringing…")
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#call-outcome")).to_contain_text("Nothing charged")


def test_it_hangs_up_while_the_page_asks_how_the_call_stands(northside: Northside, lab: str, as_user: SignedInPage) -> None:
    page = as_user(northside.bob, lab)
    asking: list[Route] = []

    def keep_waiting(route: Route) -> None:
        asking.append(route)

    page.route("**/pulse", keep_waiting)
    with page.expect_request("**/pulse"):
        page.get_by_role("button", name="Start call").click()

    page.get_by_role("button", name="Hang up").click()

    expect(page.locator("#call-outcome")).to_be_visible()
    # Its answer would come to a page where the call it is about does not stand any more.
    assert [one.request.failure for one in asking] == ["net::ERR_ABORTED"]


def test_it_chats_with_an_agent_for_nothing(northside: Northside, lab: str, as_user: SignedInPage) -> None:
    page = as_user(northside.bob, lab)
    page.get_by_role("radio", name="Support").check()
    page.get_by_role("button", name="Start chat").click()
    page.get_by_role("button", name="where is my order").click()
    conversation = page.get_by_role("log", name="Conversation")
    expect(conversation).to_contain_text("What is the order number?")
    expect(page.get_by_label("Message")).to_be_focused()

    page.keyboard.type("A-10042")
    page.keyboard.press("Enter")

    expect(conversation.get_by_text("Order A-10042 left the warehouse yesterday")).to_be_in_viewport()
    expect(page.get_by_label("Message")).to_have_value("")
    expect(page.locator("#chat-cost")).to_contain_text("would have cost $0.1000 live")
    assert not Transfer.objects.exists()


def test_it_calls_and_chats_without_javascript(northside: Northside, lab: str, as_user: SignedInPage) -> None:
    page = as_user(northside.bob, lab, java_script_enabled=False)
    page.get_by_role("button", name="Start chat").click()
    page.get_by_label("Message").fill("opening hours")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("We are open Monday to Friday")).to_be_visible()

    page.goto(lab)
    page.get_by_role("button", name="Start call").click()
    # The page comes again by itself.
    expect(page.locator(".call-state")).to_have_text("On the call", timeout=20_000)
    page.get_by_role("button", name="Hang up").click()

    expect(page.get_by_text("Call ended")).to_be_visible()


def test_it_has_no_fault_that_axe_finds(northside: Northside, lab: str, as_user: Callable[..., Page]) -> None:
    page = as_user(northside.alice, lab)
    found = {"free": faults_in_every_look(page)}
    page.get_by_role("button", name="Start chat").click()
    page.get_by_label("Message").fill("book a visit")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Which day suits you?")).to_be_visible()
    found["chat"] = faults_in_every_look(page)
    page.goto(lab)
    page.get_by_role("button", name="Start call").click()
    _running(page, seconds_ago=1)
    expect(page.get_by_text("Hello?")).to_be_visible()
    found["call"] = faults_in_every_look(page)
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#call-outcome")).to_be_visible()
    found["ended"] = faults_in_every_look(page)
    page.goto(f"{lab}?mode=live")
    page.get_by_role("button", name="Start live call").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found["refused"] = faults_in_every_look(page)
    _fund(northside.wallet, MINUTE_MICROS)
    page.goto(f"{lab}?mode=live")
    page.get_by_role("button", name="Start live call").click()
    _running(page, seconds_ago=20)
    expect(page.locator(".low")).to_be_visible()
    found["running low"] = faults_in_every_look(page)

    assert {state: faults for state, faults in found.items() if faults} == {}
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

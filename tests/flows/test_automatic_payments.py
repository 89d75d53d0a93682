"""Automatic payments as their owner lives with them: switched on from a phone, refilled by use, declined, mended, confirmed."""

import json
import re
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from billing.tests.automatic_states import STATES, Stage
from tests.axe import faults_in_every_look
from tests.browser import Pages
from tests.flows.conftest import TURNS_WITHIN_MS, Northside, SignedInPage, expect_balance, expect_no_reload, mark, pay, read_code
from tests.flows.test_other_ways import DECLINED_WHEN_CHARGED, NEEDS_AUTHENTICATION, answer_the_bank, mail_to
from tests.stack import RunningStack
from usage.cloud_events import SINGLE
from usage.tests.stage import new_event, seed_prices
from wallet.ledger import post
from wallet.models import AutomaticPayments, TopUp
from wallet.services.cards import save_card
from wallet.tests.builders import DOLLAR, adjustment, card_details
from workspaces.tests.api_caller import caller


@pytest.fixture
def funded(northside: Northside) -> Northside:
    """30 dollars, and calls at a cent a second."""
    seed_prices()
    post(northside.wallet.pk, [adjustment(30 * DOLLAR, description="Credit")])
    return northside


def report_call(stack: RunningStack, northside: Northside, *, dollars: int) -> None:
    """The platform reports a call that cost so much: whole minutes, as they are billed, for multiples of 3."""
    event = new_event(subject=northside.workspace.public_id, data={"duration_seconds": dollars * 100})
    request = urllib.request.Request(  # noqa: S310 -- the stack's own address
        f"{stack.site_url}/api/v1/events",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {caller(None).secret}", "Content-Type": SINGLE},
    )
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 -- as above
        assert response.status == 204, response.status


def connect_by_phone(pages: Pages, page: Page, *, card: str = "4242424242424242") -> None:
    """Somebody holds a phone before the open panel, and types the card's number into it."""
    for way in ("Enter card details", "Scan the QR code", "Share the link"):
        expect(page.get_by_role("heading", name=way)).to_be_visible()
    phone = pages.open(read_code(page), phone=True)
    phone.get_by_role("button", name="Connect card").click()
    pay(phone, card=card)
    answer_the_bank(phone)
    expect(phone.get_by_role("heading", name="Card connected")).to_be_visible(timeout=TURNS_WITHIN_MS)


def save_rule(page: Page) -> None:
    """The form that the panel has turned to, as it is proposed."""
    expect(page.locator("#panel").get_by_text("By saving I allow")).to_be_visible(timeout=TURNS_WITHIN_MS)
    page.get_by_role("button", name="Save").click()


def test_it_refills_the_wallet_by_itself(pages: Pages, danas: Page, funded: Northside, stack: RunningStack) -> None:
    # Not Active leads to the three ways; a phone connects the card, and the panel turns to the rule.
    mark(danas)
    danas.get_by_role("button", name="Automatic Payments: Not Active").click()
    connect_by_phone(pages, danas)
    expect(danas.get_by_label("When available drops below")).to_have_value("10", timeout=TURNS_WITHIN_MS)
    expect(danas.get_by_text("Nothing is charged right now: $30.00 is available.")).to_be_visible()
    expect_no_reload(danas)

    # The numbers are typed, and what they mean is said at once.
    danas.get_by_label("When available drops below").fill("40")
    expect(danas.get_by_text("Saving charges $25.00 to Visa •••• 4242 right now")).to_be_visible()
    danas.get_by_label("When available drops below").fill("10")
    expect(danas.get_by_text("whenever less than $10.00 is available")).to_be_visible()
    save_rule(danas)
    expect(danas.get_by_text("Automatic payments are active.")).to_be_visible()
    card = danas.locator("#automatic")
    expect(card).to_contain_text("When available drops below $10.00, charge $25.00 to Visa •••• 4242.")
    rule = AutomaticPayments.objects.get()
    assert rule.consented_by == funded.dana
    assert "whenever less than $10.00 is available" in rule.consent_text

    # A call takes it below: the card is charged once, and the open page turns.
    mark(danas)
    report_call(stack, funded, dollars=21)
    expect_balance(danas, "$34.00")
    expect(card).to_contain_text("$25.00 of $100.00")
    expect(danas.locator("#history tr.transfer", has_text="Automatic payment")).to_contain_text("+$25.00")
    expect_no_reload(danas)
    assert [(top_up.origin, top_up.status) for top_up in TopUp.objects.all()] == [("automatic", "succeeded")]


def test_it_is_mended_by_another_card_when_the_bank_declines(pages: Pages, danas: Page, funded: Northside, stack: RunningStack) -> None:
    danas.get_by_role("button", name="Automatic Payments: Not Active").click()
    connect_by_phone(pages, danas, card=DECLINED_WHEN_CHARGED)
    save_rule(danas)
    expect(danas.get_by_text("Automatic payments are active.")).to_be_visible()

    mark(danas)
    report_call(stack, funded, dollars=24)
    card = danas.locator("#automatic")
    expect(card).to_contain_text("Visa •••• 0341 was declined.", timeout=TURNS_WITHIN_MS)
    expect(card).to_contain_text("It is tried again on")
    expect(danas.locator("#status-bar")).to_contain_text("Automatic payment failed", timeout=TURNS_WITHIN_MS)
    expect_no_reload(danas)
    assert "automatic payment" in str(mail_to(stack, funded.dana.email)["Subject"]).lower()

    # Use another card: connected by phone again, and charged as soon as it is saved.
    card.get_by_role("button", name="Use another card").click()
    connect_by_phone(pages, danas)
    expect(danas.get_by_role("radio", name="Visa •••• 4242")).to_be_checked(timeout=TURNS_WITHIN_MS)
    expect(danas.get_by_text("Saving charges $25.00 to Visa •••• 4242 right now")).to_be_visible()
    save_rule(danas)
    expect_balance(danas, "$31.00")
    expect(card.get_by_role("link", name="Automatic Payments: Active")).to_be_visible(timeout=TURNS_WITHIN_MS)
    assert sorted(TopUp.objects.values_list("status", flat=True)) == ["failed", "succeeded"]


def test_it_is_confirmed_by_the_owner_when_the_bank_asks(pages: Pages, danas: Page, funded: Northside, stack: RunningStack) -> None:
    danas.get_by_role("button", name="Automatic Payments: Not Active").click()
    connect_by_phone(pages, danas, card=NEEDS_AUTHENTICATION)
    save_rule(danas)
    expect(danas.get_by_text("Automatic payments are active.")).to_be_visible()

    report_call(stack, funded, dollars=24)
    card = danas.locator("#automatic")
    expect(card).to_contain_text("Your bank asks you to confirm $25.00.", timeout=TURNS_WITHIN_MS)
    mail = mail_to(stack, funded.alice.email).get_body(("plain",))
    assert mail
    address = re.search(rf"{re.escape(stack.site_url)}/pay/\S+", mail.get_content())
    assert address

    # The owner opens the link of the mail; the card is kept for the next time without being asked.
    owner = pages.open(address[0], phone=True)
    expect(owner.get_by_text("Your bank asks you to confirm")).to_be_visible()
    expect(owner.get_by_role("checkbox", name="Save this card")).to_be_checked()
    owner.get_by_role("button", name="Pay $25.00").click()
    pay(owner, card=NEEDS_AUTHENTICATION)
    answer_the_bank(owner)
    expect(owner.get_by_role("heading", name="Paid")).to_be_visible(timeout=TURNS_WITHIN_MS)

    expect_balance(danas, "$31.00")
    expect(card.get_by_role("link", name="Automatic Payments: Active")).to_be_visible(timeout=TURNS_WITHIN_MS)
    assert TopUp.objects.filter(status=TopUp.Status.SUCCEEDED).count() == 1


def test_it_is_switched_on_and_off_without_javascript(as_user: SignedInPage, funded: Northside) -> None:
    save_card(funded.wallet.pk, card_details("1"), connected_by=funded.alice)
    page = as_user(funded.alice, funded.billing, java_script_enabled=False)
    page.get_by_role("link", name="Switch on", exact=True).click()
    page.get_by_label("When available drops below").fill("20")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Press Save once more to agree.")).to_be_visible()
    expect(page.get_by_text("whenever less than $20.00 is available")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Automatic payments are active.")).to_be_visible()

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("Automatic payments are off. Nothing more is charged.")).to_be_visible()
    assert not AutomaticPayments.objects.get().is_active


def test_it_can_all_be_done_by_keyboard(as_user: SignedInPage, funded: Northside) -> None:
    save_card(funded.wallet.pk, card_details("1"), connected_by=funded.alice)
    page = as_user(funded.alice, funded.billing)
    page.locator("#automatic-pill").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("By saving I allow")).to_be_visible()
    expect(page.locator("#dialog-title")).to_be_focused()
    while page.evaluate("document.activeElement.name") != "threshold":
        page.keyboard.press("Tab")
    page.keyboard.type("15")
    # What is typed stays where it was typed, while the sentence below it is written anew.
    expect(page.get_by_text("Choose an amount")).to_be_hidden()
    expect(page.get_by_text("whenever less than $15.00 is available")).to_be_visible()
    expect(page.locator("[name=threshold]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Automatic payments are active.")).to_be_visible()
    assert AutomaticPayments.objects.get().threshold_micros == 15 * DOLLAR


def test_it_has_no_faults_in_any_state(as_user: SignedInPage, northside: Northside) -> None:
    card = save_card(northside.wallet.pk, card_details("1"), connected_by=northside.alice)
    stage = Stage(northside.wallet, northside.alice, card)
    page = as_user(northside.alice, northside.billing)
    places = {"#automatic": northside.billing, "#panel": f"{northside.billing}/automatic-payments"}
    found: dict[str, list[str]] = {}
    for state in STATES:
        stage.put_into(state)
        for name, address in places.items():
            page.goto(address)
            found[f"{state} {name}"] = faults_in_every_look(page, within=name)
    stage.clear()

    assert {name: faults for name, faults in found.items() if faults} == {}

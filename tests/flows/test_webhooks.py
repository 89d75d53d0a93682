"""An owner adds an endpoint in Chromium, tests it, sees in the log what became of it and sends it again; a real receiver verifies."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.axe import faults_of
from tests.flows.conftest import Northside, SignedInPage
from wallet.tests.receiver import Receiver, running_receiver

DELIVERED_WITHIN_MS = 15_000
LOOKED_AGAIN_MS = 500


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


def at_rest(page: Page) -> None:
    """Nothing that axe has to say against the page as it stands."""
    assert faults_of(page) == []


def delivered(page: Page) -> Locator:
    """What the log says of a message that was taken."""
    return page.locator("#log").get_by_text("Delivered", exact=True)


def reload_until(page: Page, shown: Locator) -> None:
    """Loads the page again, as a person does, until what they wait for stands on it."""
    for _ in range(DELIVERED_WITHIN_MS // LOOKED_AGAIN_MS):
        if shown.is_visible():
            break
        page.wait_for_timeout(LOOKED_AGAIN_MS)
        page.reload()
    expect(shown).to_be_visible()


def test_it_adds_tests_and_sends_again(northside: Northside, as_user: SignedInPage, receiver: Receiver) -> None:
    page = as_user(northside.alice, f"/w/{northside.workspace.public_id}/settings/members")
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_role("link", name="Add endpoint")).to_be_visible()
    at_rest(page)
    page.get_by_role("link", name="Add endpoint").click()
    page.get_by_label("Address").fill("http://127.0.0.1:99999/")
    page.get_by_role("dialog").get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_text("This is no address").first).to_be_visible()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("Balance used up").check()
    at_rest(page)
    page.get_by_role("dialog").get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_role("heading", name="Copy the signing secret")).to_be_visible()
    at_rest(page)
    secret = page.locator("#signing-secret").inner_text()
    page.get_by_role("link", name="Go to the endpoint").click()

    # Tested: the row turns by itself.
    receiver.statuses = [500]
    page.get_by_role("button", name="Send a test").click()
    expect(delivered(page)).to_be_visible(timeout=2 * DELIVERED_WITHIN_MS)
    at_rest(page)
    page.get_by_role("link", name="Test", exact=True).click()
    expect(page.get_by_text("It answered 500.")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_text("200", exact=True)).to_be_visible()
    at_rest(page)

    # Again, by hand.
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(page.get_by_text("The message is on its way again.")).to_be_visible()
    expect(delivered(page)).to_be_visible(timeout=DELIVERED_WITHIN_MS)
    assert len(receiver.received) == 3
    assert len({received.verified(secret)["timestamp"] for received in receiver.received}) == 1

    # Found by its state, and not by another.
    page.get_by_role("navigation", name="What became of it").get_by_role("link", name="Failed").click()
    expect(page.get_by_text("No such message")).to_be_visible()
    page.get_by_role("navigation", name="What became of it").get_by_role("link", name="All").click()
    # The picker goes on from the state that stands there: it is picked from once that is all of them.
    expect(delivered(page)).to_be_visible()
    page.get_by_label("Event").select_option("test.ping")
    expect(page).to_have_url(re.compile("event=test.ping"))
    expect(page.get_by_role("link", name="Test", exact=True)).to_be_visible()

    # The secret, when it is asked for; and a new one.
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#signing-secret")).to_have_text(secret)
    page.get_by_role("dialog").get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Make a new one").click()
    expect(page.get_by_role("button", name="Make a new secret")).to_be_visible()
    at_rest(page)
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_text("The old secret signs beside it until")).to_be_visible()
    assert page.locator("#signing-secret").inner_text() != secret


def test_it_works_without_javascript_on_a_phone(northside: Northside, as_user: SignedInPage, receiver: Receiver) -> None:
    page = as_user(
        northside.alice, f"/w/{northside.workspace.public_id}/settings/webhooks", phone=True, dark=True, java_script_enabled=False
    )
    page.get_by_role("link", name="Add endpoint").click()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Add endpoint").click()
    page.get_by_role("link", name="Go to the endpoint").click()
    page.get_by_role("button", name="Send a test").click()
    # Without JavaScript the row turns when the person looks again.
    reload_until(page, delivered(page))
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("Nothing is sent to it.")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove endpoint").click()

    expect(page.get_by_text("No endpoints yet")).to_be_visible()
    assert len(receiver.received) == 1

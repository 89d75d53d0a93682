"""Billing while it brings itself up to date: what a person has chosen, opened or begun to type on it stays as it is."""

import re
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from tests.flows.conftest import Northside, expect_balance, expect_no_reload, mark
from tests.flows.history import fill_history
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment


def news(page: Page, northside: Northside) -> None:
    """Money comes, and the page hears that something has."""
    post(northside.wallet.pk, [adjustment(DOLLAR, description="Credit")])
    page.evaluate("document.body.dispatchEvent(new Event('wallet-changed'))")
    expect_balance(page, f"${northside.balance:,.2f}")


def hear_late(page: Page, northside: Northside) -> list[Route]:
    """Money comes, and the page asks for news as it stands now. The request is kept here and not sent on."""
    kept: list[Route] = []

    def keep(route: Route) -> None:
        kept.append(route)

    post(northside.wallet.pk, [adjustment(DOLLAR, description="Credit")])
    page.route(re.compile("/refresh"), keep, times=1)
    with page.expect_request(re.compile("/refresh")):
        page.evaluate("document.body.dispatchEvent(new Event('wallet-changed'))")
    return kept


def chip(page: Page, name: str) -> None:
    page.locator("#history .chips").get_by_role("link", name=name, exact=True).click()


def test_it_keeps_what_was_chosen_and_typed_when_news_comes(danas: Page, northside: Northside) -> None:
    Wallet.objects.filter(pk=northside.wallet.pk).update(created_at=timezone.now() - timedelta(days=100))
    fill_history(northside.wallet, calls=5)
    danas.reload()
    mark(danas)
    chip(danas, "Top-ups")
    expect(danas.locator("#history tr.transfer")).to_have_count(1)
    danas.get_by_role("link", name="The month before").click()
    expect(danas.get_by_role("link", name="The month after")).to_be_visible()
    month = danas.get_by_label("Month", exact=True).input_value()
    danas.get_by_label("Search transactions").press_sequentially("+1212")

    news(danas, northside)

    expect(danas.locator("#history .chip[aria-current]")).to_have_text("Top-ups")
    expect(danas.locator("#history tr.transfer")).to_have_count(1)
    expect(danas.get_by_label("Month", exact=True)).to_have_value(month)
    expect(danas.get_by_label("Search transactions")).to_have_value("+1212")
    expect(danas.get_by_label("Search transactions")).to_be_focused()
    expect_no_reload(danas)


def test_it_keeps_a_row_open_and_the_keyboard_on_it_when_news_comes(danas: Page, northside: Northside) -> None:
    fill_history(northside.wallet, calls=5)
    danas.reload()
    row = danas.locator("#history tr.transfer", has_text="Top-up")
    row.locator("summary").press("Enter")
    expect(row.locator(".explained dt").first).to_be_visible()

    news(danas, northside)

    expect(danas.locator("#history tr.transfer").first).to_contain_text("Credit")
    expect(row.locator(".explained dt").first).to_be_visible()
    expect(row.locator("summary")).to_be_focused()


def test_it_shows_the_last_of_two_that_were_chosen(danas: Page, northside: Northside) -> None:
    fill_history(northside.wallet, calls=5)
    danas.reload()
    waiting: list[Route] = []

    def keep_waiting(route: Route) -> None:
        waiting.append(route)

    danas.route(re.compile("show=calls"), keep_waiting)
    with danas.expect_request(re.compile("show=calls")):
        chip(danas, "Calls")
    chip(danas, "Top-ups")
    expect(danas.locator("#history .chip[aria-current]")).to_have_text("Top-ups")

    # The answer that came too late was not waited for.
    assert [one.request.failure for one in waiting] == ["net::ERR_ABORTED"]
    expect(danas.locator("#history tr.transfer")).to_have_count(1)
    assert danas.url.endswith("?show=top-ups")


def test_it_leaves_what_was_chosen_and_opened_while_news_was_on_its_way(danas: Page, northside: Northside) -> None:
    fill_history(northside.wallet, calls=5)
    danas.reload()
    late = hear_late(danas, northside)
    chip(danas, "Top-ups")
    expect(danas.locator("#history .chip[aria-current]")).to_have_text("Top-ups")
    row = danas.locator("#history tr.transfer", has_text="Top-up")
    row.locator("summary").press("Enter")
    expect(row.locator(".explained dt").first).to_be_visible()

    late[0].continue_()

    expect_balance(danas, f"${northside.balance:,.2f}")
    expect(danas.locator("#history tr.transfer")).to_have_count(1)
    expect(row.locator(".explained dt").first).to_be_visible()


def test_it_leaves_what_was_loaded_while_news_was_on_its_way(danas: Page, northside: Northside) -> None:
    post(northside.wallet.pk, [adjustment(DOLLAR, description=f"Credit {number}") for number in range(30)])
    danas.reload()
    rows = danas.locator("#history tr.transfer")
    late = hear_late(danas, northside)
    danas.get_by_role("link", name="Load more").click()
    expect(rows).to_have_count(30)

    late[0].continue_()

    expect_balance(danas, f"${northside.balance:,.2f}")
    expect(rows).to_have_count(30)
    news(danas, northside)
    expect(rows).to_have_count(32)


def test_it_asks_again_for_what_it_left_out(danas: Page, northside: Northside) -> None:
    fill_history(northside.wallet, calls=5)
    danas.reload()
    before_the_news = danas.request.get(f"{danas.url}?show=other", headers={"HX-Request": "true", "HX-Target": "history"})

    def answer(route: Route) -> None:
        route.fulfill(response=before_the_news)

    danas.route(re.compile(r"/billing\?show=other"), answer)
    late = hear_late(danas, northside)
    chip(danas, "Other")
    expect(danas.locator("#history .empty")).to_be_visible()
    late[0].continue_()
    expect_balance(danas, f"${northside.balance:,.2f}")
    expect(danas.locator("#live.htmx-added")).to_have_count(0)

    danas.evaluate("document.body.dispatchEvent(new Event('wallet-changed'))")

    expect(danas.locator("#history tr.transfer")).to_have_text(re.compile("Credit"))
    expect(danas.locator("#history .chip[aria-current]")).to_have_text("Other")

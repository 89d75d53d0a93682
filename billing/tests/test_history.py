"""Transaction History: filters, periods in the workspace's zone, paging without losing place."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.history import KIND_FILTERS, ROWS_PER_PAGE
from usage.kinds import UsageKind
from wallet.ledger import post
from wallet.models import Kind, Transfer, Wallet
from wallet.tests.builders import DOLLAR, adjustment, entry

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows_of(response: Any) -> list[int]:
    return [int(seq) for seq in re.findall(r'id="transfer-(\d+)"', response.content.decode())]


def book(wallet: Wallet, *kinds: str, begin: datetime = BEGIN, step: timedelta = timedelta(hours=1)) -> None:
    """One row of each kind, an hour apart."""
    post(wallet.pk, [entry(1_000, kind=kind, posted_at=begin + number * step) for number, kind in enumerate(kinds)])


def test_it_has_every_kind_under_one_chip() -> None:
    under_chips = [kind for known in KIND_FILTERS for kind in known.kinds]

    assert sorted(under_chips) == sorted([*UsageKind, *Kind])


@pytest.mark.parametrize(
    ("show", "expected"),
    [("", [6, 5, 4, 3, 2, 1]), ("calls", [2, 1]), ("messages", [3]), ("ai-tasks", [4]), ("top-ups", [5]), ("other", [6])],
)
def test_it_filters_by_kind(alices: Client, wallet: Wallet, page: str, show: str, expected: list[int]) -> None:
    book(wallet, "call_out", "call_in", "message_out", "ai_task", "top_up", "refund")

    assert rows_of(alices.get(page, {"show": show})) == expected


def test_it_counts_days_in_the_workspaces_zone(alices: Client, wallet: Wallet, page: str) -> None:
    # New York is five hours behind: the first is still February there.
    book(wallet, "call_out", "call_out", begin=datetime(2026, 3, 1, 4, 59, tzinfo=UTC), step=timedelta(minutes=2))

    assert rows_of(alices.get(page, {"until": "2026-02-28"})) == [1]
    assert rows_of(alices.get(page, {"from": "2026-03-01", "until": "2026-03-01"})) == [2]


@pytest.mark.parametrize("day", ["2026-02-30", "0001-01-01", "9999-12-31", "today", "١٢-٠٣-٢٠٢٦", "2026-03-01T00:00", "' OR 1=1"])
def test_it_leaves_out_a_day_that_is_none(alices: Client, wallet: Wallet, page: str, day: str) -> None:
    book(wallet, "call_out")

    assert rows_of(alices.get(page, {"from": day, "until": day})) == [1]


@pytest.mark.parametrize("before", ["-1", "1.5", "x", "٣", "9" * 40, "1e3"])
def test_it_leaves_out_a_place_that_is_none(alices: Client, wallet: Wallet, page: str, before: str) -> None:
    book(wallet, "call_out")

    assert rows_of(alices.get(page, {"before": before})) == [1]


def test_it_gives_a_column_the_decimals_that_it_needs(alices: Client, wallet: Wallet, page: str) -> None:
    book(wallet, *["call_out"] * (ROWS_PER_PAGE + 1))

    assert 'class="pad"' not in alices.get(page).content.decode()


def test_it_keeps_the_points_in_line_when_more_is_loaded(alices: Client, wallet: Wallet, page: str) -> None:
    # Only the newest row has a sixth decimal; the page after it follows.
    book(wallet, *["call_out"] * (2 * ROWS_PER_PAGE))
    post(wallet.pk, [entry(1, kind="ai_task")])
    (more,) = re.findall(r'id="load-more" href="([^"#]+)', alices.get(page).content.decode())

    rows = alices.get(more.replace("&amp;", "&"), headers={"HX-Request": "true", "HX-Target": "history-more"})

    assert rows.content.decode().count('<span class="pad" aria-hidden="true">00</span>') == 3 * ROWS_PER_PAGE


def test_it_pages_through_everything_once(alices: Client, wallet: Wallet, page: str) -> None:
    total = 2 * ROWS_PER_PAGE + 3
    book(wallet, *["call_out"] * total)
    seen, address = [], page
    while address:
        response = alices.get(address)
        seen += rows_of(response)
        more = re.search(r'id="load-more" href="([^"#]+)', response.content.decode())
        address = more[1].replace("&amp;", "&") if more else ""

    assert seen == list(range(total, 0, -1))


def test_it_keeps_the_search_while_it_loads_more(alices: Client, wallet: Wallet, page: str) -> None:
    book(wallet, *["call_out", "ai_task"] * 40, step=timedelta(minutes=1))

    response = alices.get(page, {"show": "calls", "from": "2026-03-01"})

    more = re.search(r'id="load-more" href="([^"#]+)', response.content.decode())
    assert more
    next_rows = alices.get(more[1].replace("&amp;", "&"), headers={"HX-Request": "true", "HX-Target": "history-more"})
    assert rows_of(next_rows) == [seq for seq in range(80 - 2 * ROWS_PER_PAGE, 0, -1) if seq % 2]
    assert "<html" not in next_rows.content.decode()


def test_it_names_a_day_once_over_two_pages(alices: Client, wallet: Wallet, page: str) -> None:
    book(wallet, *["call_out"] * (ROWS_PER_PAGE + 1), step=timedelta(minutes=1))
    first = alices.get(page).content.decode()
    more = re.search(r'id="load-more" href="([^"#]+)', first)
    assert more

    second = alices.get(more[1].replace("&amp;", "&"), headers={"HX-Request": "true", "HX-Target": "history-more"}).content.decode()

    assert first.count('class="day"') == 1
    assert second.count('class="day"') == 0


def test_it_shows_the_balance_after_each_row(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [adjustment(10 * DOLLAR, key="in"), entry(123_456, key="out")])

    body = alices.get(page).content.decode()

    assert "−$0.123456" in body
    assert "$9.876544" in body
    assert "+$10.0000" in body


def test_it_answers_a_chip_with_the_history_alone(alices: Client, wallet: Wallet, page: str) -> None:
    book(wallet, "call_out", "ai_task")

    response = alices.get(page, {"show": "calls"}, headers={"HX-Request": "true", "HX-Target": "history"})

    assert response.content.decode().strip().startswith('<section class="card wide" id="history"')
    assert rows_of(response) == [1]


def test_it_says_when_nothing_fits(alices: Client, wallet: Wallet, page: str) -> None:
    book(wallet, "call_out")

    assert "No transaction fits what you chose: Messages, Any time." in alices.get(page, {"show": "messages"}).content.decode()


def test_it_shows_nobody_elses_rows(alices: Client, wallet: Wallet, elsewhere: Wallet, page: str) -> None:
    post(elsewhere.pk, [entry(1_000, description="Outbound call · secret")])
    assert Transfer.objects.count() == 1

    assert "secret" not in alices.get(page).content.decode()


def test_it_calls_today_today(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [entry(1_000, posted_at=timezone.now())])

    assert ">Today</time>" in alices.get(page).content.decode()

"""The status bar: on every page of the app, with the way out for those who may take it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from billing.pace import burn_per_day, lasts_about
from billing.status import StatusBar, status_bar_for
from billing.tests.conftest import SignedIn, a_card
from usage.models import Meter, UsageDay
from wallet.ledger import post
from wallet.models import Wallet
from wallet.tests.builders import DOLLAR, adjustment
from workspaces.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(page: str) -> list[str]:
    """A page of the workspace, and one that belongs to no workspace."""
    return [page.replace("billing", "members"), "/accounts/"]


def test_it_asks_alice_to_connect_the_wallet(alices: Client, page: str, pages: list[str]) -> None:
    for path in (page, *pages):
        body = alices.get(path).content.decode()
        assert "Connect your wallet" in body, path
        assert f'action="{page}/connect-card"' in body, path


def test_it_tells_bob_whom_to_ask(bob: User, signed_in: SignedIn, page: str, pages: list[str]) -> None:
    for path in (page, *pages):
        body = signed_in(bob).get(path).content.decode()
        assert "Connect your wallet" in body, path
        assert "Ask your account admin." in body, path
        assert "connect-card" not in body, path


def test_it_says_nothing_once_there_is_a_card(alices: Client, wallet: Wallet, page: str) -> None:
    a_card(wallet)

    body = alices.get(page).content.decode()

    assert "Connect your wallet" not in body
    assert 'id="status-bar"' in body


def test_it_says_nothing_once_there_is_money(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [adjustment(DOLLAR)])

    assert "Connect your wallet" not in alices.get(page).content.decode()


def test_it_is_not_for_someone_without_a_workspace(charlie: User, signed_in: SignedIn) -> None:
    assert "Connect your wallet" not in signed_in(charlie).get("/accounts/").content.decode()


NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 21, 17, tzinfo=UTC)
TODAY = date(2026, 11, 21)


def spend(wallet: Wallet, dollars: dict[int, int], *, cents: bool = False) -> None:
    """What days before today cost: {1: 5} is five dollars yesterday."""
    meter, _ = Meter.objects.get_or_create(key="call_out", name="Outbound calls", unit="second", kind="call_out")
    for days_ago, amount in dollars.items():
        micros = amount * (DOLLAR // 100 if cents else DOLLAR)
        UsageDay.objects.create(
            wallet=wallet, day=TODAY - timedelta(days=days_ago), meter=meter, events=1, quantity=1, billed_quantity=1, amount_micros=micros
        )


def standing(wallet: Wallet, *, dollars: int, at: datetime = NOON, **changes: Any) -> StatusBar | None:
    """The bar of a wallet that has had money and has so much now."""
    Wallet.objects.filter(pk=wallet.pk).update(**{"balance_micros": dollars * DOLLAR, "last_seq": 9, **changes})
    wallet.refresh_from_db()
    with patch("django.utils.timezone.now", return_value=at):
        return status_bar_for(wallet, zone=NEW_YORK)


@pytest.mark.parametrize(
    ("spent", "dollars", "title", "text"),
    [
        ({1: 7, 2: 7, 3: 7, 4: 7, 5: 7, 6: 7, 7: 7}, 13, "Low balance", "$13.00 left, about 1 day at the recent pace."),
        ({1: 7, 2: 7, 3: 7, 4: 7, 5: 7, 6: 7, 7: 7}, 14, "", ""),
        ({1: 7, 2: 7, 3: 7, 4: 7, 5: 7, 6: 7, 7: 7}, 6, "Low balance", "$6.00 left: less than a day at the recent pace."),
        ({1: 1, 8: 1, 2: 2}, 4, "Low balance", "$4.00 left, about 9 days at the recent pace."),
        ({}, 4, "Low balance", "$4.00 left."),
        ({}, 5, "", ""),
        # A day that runs away does not hide behind a quiet week.
        ({0: 90, 1: 1, 2: 1}, 100, "Low balance", "$100.00 left, about 1 day at the recent pace."),
    ],
)
def test_it_warns_before_the_money_runs_out(wallet: Wallet, spent: dict[int, int], dollars: int, title: str, text: str) -> None:
    spend(wallet, spent)

    bar = standing(wallet, dollars=dollars)

    assert (bar and (bar.title, bar.tone, bar.text)) == ((title, "warn", text) if title else None)


@pytest.mark.parametrize(
    ("level", "dollars", "is_low"), [(None, 4, True), (None, 5, False), (20, 19, True), (20, 20, False), (2, 4, False)]
)
def test_it_warns_below_the_level_however_long_the_money_lasts(wallet: Wallet, level: int | None, dollars: int, is_low: bool) -> None:
    """As the e-mail does."""
    spend(wallet, {1: 10, 2: 10, 9: 10}, cents=True)

    bar = standing(wallet, dollars=dollars, low_balance_micros=level and level * DOLLAR)

    assert (bar is not None and bar.title == "Low balance") == is_low


def test_it_says_until_when_inbound_calls_go_on(wallet: Wallet) -> None:
    bar = standing(wallet, dollars=-1, depleted_at=NOON - timedelta(hours=1), grace_minutes=240)

    assert bar
    assert (bar.title, bar.tone) == ("Balance used up", "danger")
    assert bar.until == NOON + timedelta(hours=3)
    assert bar.until_style == "time"


def test_it_names_the_day_where_the_grace_time_ends_tomorrow(wallet: Wallet) -> None:
    bar = standing(wallet, dollars=0, at=datetime(2026, 11, 22, 4, 30, tzinfo=UTC), depleted_at=datetime(2026, 11, 22, 4, tzinfo=UTC))

    assert bar
    assert bar.until_style == "full"


@pytest.mark.parametrize(
    "changes",
    [
        {"depleted_at": NOON - timedelta(hours=4), "grace_minutes": 240},
        {"depleted_at": NOON, "overdraft_micros": 1 * DOLLAR},
    ],
    ids=["the grace time is over", "the overdraft is used up"],
)
def test_it_says_that_all_calls_are_paused(wallet: Wallet, changes: dict[str, Any]) -> None:
    bar = standing(wallet, dollars=-1, **changes)

    assert bar
    assert bar.title == "All calls are paused"
    assert bar.until is None


def test_it_tells_money_set_aside_from_money_gone(wallet: Wallet) -> None:
    bar = standing(wallet, dollars=3, held_micros=3 * DOLLAR)

    assert bar
    assert (bar.title, bar.tone) == ("Low balance", "warn")
    assert "set aside" in bar.text


def test_it_writes_the_time_in_the_workspaces_zone(alices: Client, wallet: Wallet, pages: list[str]) -> None:
    depleted_at = timezone.now() - timedelta(minutes=1)
    until = timezone.localtime(depleted_at + timedelta(minutes=240), NEW_YORK)
    standing(wallet, dollars=-1, depleted_at=depleted_at)

    for path in pages:
        body = alices.get(path).content.decode()
        assert f'<time datetime="{until.isoformat(timespec="seconds")}">' in body, path
        assert until.strftime("%H:%M") in body, path
        assert "Add Balance" in body, path


def test_it_tells_bob_that_calls_stopped(bob: User, signed_in: SignedIn, wallet: Wallet, pages: list[str]) -> None:
    standing(wallet, dollars=-1, depleted_at=timezone.now())

    body = signed_in(bob).get(pages[0]).content.decode()

    assert "Balance used up" in body
    assert "Ask your account admin." in body
    assert "add-balance" not in body


@pytest.mark.parametrize(
    ("spent", "dollars", "said"),
    [
        (dict.fromkeys(range(1, 15), 1), 10, "10 days"),
        ({1: 1, 2: 1}, 10, "10 days"),  # new: the days before its first use do not count
        ({1: 1, 2: 1, 14: 1}, 10, "35 days"),
        ({2: 1, 3: 1}, 10, "15 days"),
        ({1: 7}, 10, ""),  # one day tells nothing
        ({9: 7, 10: 7}, 10, ""),
        ({}, 10, ""),
        (dict.fromkeys(range(1, 8), 20), 10, "less than a day"),
        (dict.fromkeys(range(1, 8), 9), 10, "1 day"),
        ({1: 1, 2: 1}, 900, "over a year"),
        ({1: 1, 2: 1}, -1, ""),
    ],
)
def test_it_says_how_long_the_money_lasts(wallet: Wallet, spent: dict[int, int], dollars: int, said: str) -> None:
    spend(wallet, spent)

    burn = burn_per_day(wallet, zone=NEW_YORK, now=NOON)

    assert lasts_about(dollars * DOLLAR, burn_micros=burn) == said


def test_it_says_when_too_little_was_used_to_say(alices: Client, wallet: Wallet, page: str) -> None:
    post(wallet.pk, [adjustment(20 * DOLLAR)])

    assert "Too little use yet to say" in alices.get(page).content.decode()


@pytest.mark.parametrize(
    ("column", "title"), [("frozen_at", "This wallet is frozen"), ("closed_at", "This wallet is closed")], ids=["frozen", "closed"]
)
def test_it_says_that_the_operator_has_stopped_it(alices: Client, wallet: Wallet, column: str, title: str) -> None:
    """Before all else: adding balance would change nothing."""
    Wallet.objects.update(**{column: timezone.now()})

    page = alices.get(f"/w/{wallet.workspace.public_id}/settings/billing").content.decode()

    assert title in page
    assert f'href="mailto:{settings.SUPPORT_EMAIL}">Write to support</a>' in page

"""Whether a long history makes anything slow: the same pages and reports for a wallet of ten thousand transfers and one of ten million.

Both are in one database and are asked in turn, so that whatever disturbs this machine disturbs both alike.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from django.conf import settings
from django.test import Client as Browser

from bench.book import SOURCE, Say, long_book
from bench.load import Client, Request
from bench.machine import Machine
from bench.stage import batch
from wallet.models import Wallet
from workspaces.models import Membership, Role, User

SHORT_ROWS = 10_000
LONG_ROWS = int(os.environ.get("BENCH_ROWS", "10000000"))
PAGE_ROUNDS, PAGE_WARM_UP = 40, 5
"""How often each view is asked of each wallet."""
COLD_BATCHES, WARM_UP_BATCHES, BATCHES = 10, 60, 40
"""Batches into each wallet right after a checkpoint; then into the long one alone; then those that count."""

MakeClient = Callable[[], Client]
Figures = dict[str, object]


@dataclass(frozen=True)
class Pair:
    """Seconds that the same took with the short book and with the long one, one right after the other."""

    short: float
    long: float


def measure_growth(machine: Machine, make_client: MakeClient, say: Say) -> Figures:
    """Seconds with the long book over seconds with the short one; 1 is no difference."""
    short = long_book("Short book", rows=SHORT_ROWS, say=say)
    cookies = _signed_in(short)
    machine.tidy_up()
    alone = _page_alone(short, _browser(make_client, cookies))
    long = long_book("Long book", rows=LONG_ROWS, say=say)
    Membership.objects.create(user=User.objects.get(email=EMAIL), workspace_id=long.pk, role=Role.OWNER)
    say("    Tidying up, as autovacuum and the checkpointer would")
    machine.tidy_up()
    say("    Asking for pages of either in turn")
    pages = {name: list(_page_pairs(short, long, view, _browser(make_client, cookies))) for name, view in views().items()}
    say("    Reporting uses to either in turn")
    return {"growth_rows": LONG_ROWS, **_page_figures(pages, alone=alone), **_ingest_figures(short, long, make_client(), machine)}


# ---------------------------------------------------------------- pages
EMAIL = "bench@example.com"


def views() -> dict[str, str]:
    """What a person looks at: both books show the same number of rows for each."""
    now = datetime.now(UTC)
    days = f"from={now - timedelta(days=40):%Y-%m-%d}&until={now - timedelta(days=20):%Y-%m-%d}"
    return {
        "first page": "",
        "last month": f"?month={now - timedelta(days=31):%Y-%m}",
        "calls": "?show=calls",
        "top-ups, of which there are none": "?show=top-ups",
        "a period": f"?{days}",
        "an agent": "?q=Night+desk",
        "a number": "?q=%2B12000015838",
        "an event's id, the oldest": "?q=grown-2",
        "a source and id": f"?q={SOURCE}+grown-2",
        "far down the list": "?before=2000",
        "one charge explained": "/transactions/1000",
    }


def _page_pairs(short: Wallet, long: Wallet, view: str, client: Client) -> Iterator[Pair]:
    requests = [Request(f"/w/{wallet.workspace.public_id}/settings/billing{view}", method="GET") for wallet in (short, long)]
    rows = {client.send(request)[1].count(b'id="transfer-') for request in requests}
    if len(rows) > 1:
        raise RuntimeError(f"{view or 'The page'} shows {rows} rows: only equal pages can be compared.")
    yield from _in_turn(lambda: client.timed(requests[0]), lambda: client.timed(requests[1]), rounds=PAGE_ROUNDS, warm_up=PAGE_WARM_UP)


def _page_alone(short: Wallet, client: Client) -> float:
    """The short book's page while it is all that there is."""
    request = Request(f"/w/{short.workspace.public_id}/settings/billing", method="GET")
    return median([client.timed(request) for _ in range(PAGE_WARM_UP + PAGE_ROUNDS)][PAGE_WARM_UP:])


def _page_figures(pages: dict[str, list[Pair]], *, alone: float) -> Figures:
    ratios = {name: _ratio(pairs) for name, pairs in pages.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    return {
        "page_growth_ratio": _ratio([pair for pairs in pages.values() for pair in pairs]),
        "page_growth_worst_ratio": ratios[worst],
        "page_growth_worst_view": worst,
        "page_ms": median(pair.long for pair in pages["first page"]) * 1_000,
        "page_of_short_book_ms": median(pair.short for pair in pages["first page"]) * 1_000,
        "page_before_growth_ms": alone * 1_000,
    }


# ---------------------------------------------------------------- reports
def _ingest_figures(short: Wallet, long: Wallet, client: Client, machine: Machine) -> Figures:
    """After a checkpoint PostgreSQL writes every page that it touches for the first time as a whole: what that costs is told apart.

    The short book grows by what it is reported, from ten thousand rows to some sixty thousand.
    """

    def pairs(count: int) -> list[Pair]:
        return list(_in_turn(lambda: client.timed(_report(short)), lambda: client.timed(_report(long)), rounds=count, warm_up=0))

    pairs(2)
    machine.checkpoint()
    cold = pairs(COLD_BATCHES)
    for _ in range(WARM_UP_BATCHES):
        client.send(_report(long))
    warm = pairs(BATCHES)
    return {
        "ingest_growth_ratio": _ratio(warm),
        "ingest_growth_after_checkpoint_ratio": _ratio(cold),
        "ingest_batch_ms": median(pair.long for pair in warm) * 1_000,
    }


def _report(wallet: Wallet) -> Request:
    return batch([wallet.workspace.public_id])


# ---------------------------------------------------------------- asking and comparing
def _ratio(pairs: list[Pair]) -> float:
    """Of each pair, as the two of it were disturbed alike; the middle one, as some were not."""
    return median(pair.long / pair.short for pair in pairs)


def _in_turn(short: Callable[[], float], long: Callable[[], float], *, rounds: int, warm_up: int) -> Iterator[Pair]:
    """Either is first every other time, so that neither always comes after what the other left behind."""
    for number in range(-warm_up, rounds):
        if number % 2:
            of_long = long()
            pair = Pair(short(), of_long)
        else:
            pair = Pair(short(), long())
        if number >= 0:
            yield pair


def _browser(make_client: MakeClient, cookies: str) -> Client:
    client = make_client()
    client.keep_header("Cookie", cookies)
    return client


def _signed_in(wallet: Wallet) -> str:
    user = User.objects.create_user(EMAIL)
    Membership.objects.create(user=user, workspace_id=wallet.pk, role=Role.OWNER)
    browser = Browser()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"

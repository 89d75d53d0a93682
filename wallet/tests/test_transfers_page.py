"""Pages of a book: by kind, by period, from any place, in few steps however long the book is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from wallet import queries
from wallet.ledger import post
from wallet.models import Account, Transfer, Wallet
from wallet.queries import transfers_in_book_order, transfers_page
from wallet.tests.builders import DOLLAR, adjustment, charge, entry, make_wallet
from wallet.tests.own_database import own_database

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = ("call_out", "call_in", "ai_task")
ROWS = 60


@pytest.fixture
def book(db: None) -> Wallet:
    """Sixty rows, one an hour in three kinds; every seventh is none of the customer's."""
    wallet = make_wallet()
    lost = {"debit": Account.DISPUTES, "credit": Account.WRITE_OFFS}
    post(
        wallet.pk,
        [
            entry(number + 1, kind=KINDS[number % 3], posted_at=MIDNIGHT + number * HOUR, **(lost if number % 7 == 6 else {}))
            for number in range(ROWS)
        ],
    )
    return wallet


def shown(wallet: Wallet, **search: Any) -> list[int]:
    """The seq of every row that the search finds, page by page."""
    found: list[int] = []
    before_seq = None
    while True:
        page = transfers_page(wallet, before_seq=before_seq, limit=7, **search)
        found += [transfer.seq for transfer in page.transfers]
        before_seq = page.next_before_seq
        if before_seq is None:
            return found


def expected(wallet: Wallet, *, kinds: tuple[str, ...] = (), since: datetime | None = None, until: datetime | None = None) -> list[int]:
    """The same, by looking at every row."""
    return [
        row.seq
        for row in Transfer.objects.filter(wallet=wallet).order_by("-seq")
        if Account.WALLET in (row.debit, row.credit)
        and (not kinds or row.kind in kinds)
        and (since is None or row.posted_at >= since)
        and (until is None or row.posted_at < until)
    ]


PERIODS = {
    "any time": (None, None),
    "since a row": (MIDNIGHT + 10 * HOUR, None),
    "until a row": (None, MIDNIGHT + 10 * HOUR),
    "between rows": (MIDNIGHT + 3.5 * HOUR, MIDNIGHT + 40.5 * HOUR),
    "one row": (MIDNIGHT + 4 * HOUR, MIDNIGHT + 5 * HOUR),
    "from before the first to after the last": (MIDNIGHT - HOUR, MIDNIGHT + 100 * HOUR),
    "before the first": (None, MIDNIGHT),
    "after the last": (MIDNIGHT + 100 * HOUR, None),
    "nothing between": (MIDNIGHT + 4.2 * HOUR, MIDNIGHT + 4.8 * HOUR),
    "turned round": (MIDNIGHT + 40 * HOUR, MIDNIGHT + 3 * HOUR),
}


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("kinds", [(), ("call_in",), ("call_in", "ai_task"), KINDS, ("promotion",), ("call_out", "promotion")])
def test_it_finds_each_row_once_on_pages_newest_first(book: Wallet, period: str, kinds: tuple[str, ...]) -> None:
    since, until = PERIODS[period]

    assert shown(book, kinds=kinds, since=since, until=until) == expected(book, kinds=kinds, since=since, until=until)


def test_it_exports_the_same_rows_oldest_first(book: Wallet) -> None:
    since, until = PERIODS["between rows"]

    exported = [row.seq for row in transfers_in_book_order(book, since=since, until=until)]

    assert exported == expected(book, since=since, until=until)[::-1]


def test_it_keeps_its_place_while_rows_are_added(book: Wallet) -> None:
    first = transfers_page(book, limit=10)

    charge(book, DOLLAR)
    second = transfers_page(book, before_seq=first.next_before_seq, limit=10)

    assert [row.seq for row in (*first.transfers, *second.transfers)] == expected(book)[1:21]


def test_it_says_where_the_end_is(book: Wallet) -> None:
    count = len(expected(book))

    assert transfers_page(book, limit=count).next_before_seq is None
    assert transfers_page(book, limit=count - 1).next_before_seq == expected(book)[-2]
    assert transfers_page(make_wallet()).transfers == []


def test_it_finds_every_row_of_a_batch_that_was_booked_in_one_moment(db: None) -> None:
    wallet = make_wallet()
    (first, *_, last) = post(wallet.pk, [entry(1) for _ in range(20)])
    assert first.posted_at == last.posted_at

    assert shown(wallet, since=first.posted_at) == list(range(20, 0, -1))
    assert shown(wallet, until=first.posted_at) == []


def test_it_shows_nobody_elses_rows(book: Wallet) -> None:
    charlies = make_wallet()
    post(charlies.pk, [adjustment(DOLLAR)])

    assert shown(charlies) == [1]
    assert shown(book) == expected(book)


def test_it_shows_no_more_than_a_page_may(book: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE_ROWS_MAX", 5)

    assert len(transfers_page(book, limit=10_000).transfers) == 5


# ---------------------------------------------------------------- a long book

LONG = 40_000
LIMIT = 50


@pytest.fixture(scope="module")
def long_book(django_db_setup: None, django_db_blocker: Any) -> Iterator[Wallet]:
    """One book of forty thousand rows between others, in batches of twenty, with a top-up in a thousand rows."""
    with own_database(django_db_blocker, suffix="long") as owner_dsn:
        wallets = [make_wallet() for _ in range(3)]
        owner = psycopg2.connect(owner_dsn)
        owner.autocommit = True
        with owner.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind,
                    reference, description, happened_at, posted_at, idempotency_key)
                SELECT id, seq, 'wallet', 'usage_revenue', 1, 0, -seq, CASE WHEN seq %% 1000 = 0 THEN 'top_up' ELSE 'call_out' END,
                    seq, 'Outbound call', now(), now() + (seq / 20) * interval '1 s', seq
                FROM generate_series(1, %s) AS seq, unnest(%s) AS id
                ORDER BY seq, id
                """,
                [LONG, [wallet.pk for wallet in wallets]],
            )
            cursor.execute("ANALYZE wallet_transfer")
        owner.close()
        yield wallets[1]


def rows_touched(sql: str) -> int:
    """How many rows of the book the statement reads, by PostgreSQL's own count."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        (answer,) = cursor.fetchone()
    plans = answer if isinstance(answer, list) else json.loads(answer)
    return sum(_scanned(plan["Plan"]) for plan in plans)


def _scanned(node: dict[str, Any]) -> int:
    below = sum(_scanned(child) for child in node.get("Plans", []))
    if node.get("Relation Name") != "wallet_transfer":
        return below
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return below + int(read * node["Actual Loops"])


def times_of(wallet: Wallet) -> tuple[datetime, datetime]:
    """When row 20,000 and row 30,000 were booked."""
    rows = Transfer.objects.filter(wallet=wallet)
    return rows.get(seq=20_000).posted_at, rows.get(seq=30_000).posted_at


SEARCHES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "far down": {"before_seq": 500},
    "a common kind": {"kinds": ("call_out",)},
    "a rare kind": {"kinds": ("top_up",)},
    "a kind that there is not": {"kinds": ("refund",)},
    "several kinds far down": {"kinds": ("call_out", "top_up", "refund"), "before_seq": 700},
}


@pytest.mark.parametrize("within_a_period", [False, True], ids=["", "in a period"])
@pytest.mark.parametrize("search", SEARCHES)
def test_it_reads_little_more_than_it_shows(long_book: Wallet, search: str, within_a_period: bool) -> None:
    asked = dict(SEARCHES[search])
    if within_a_period:
        asked["since"], asked["until"] = times_of(long_book)

    with CaptureQueriesContext(connection) as captured:
        transfers_page(long_book, limit=LIMIT, **asked)

    kinds = len(asked.get("kinds", ())) or 1
    for query in captured.captured_queries:
        # A page of each kind, and the rows that were booked in the same moment as the first and last of the period.
        assert rows_touched(query["sql"]) <= kinds * (LIMIT + 1) + 2 * 20, query["sql"]


def test_it_would_notice_a_search_through_the_whole_book(long_book: Wallet) -> None:
    assert rows_touched(str(Transfer.objects.filter(wallet=long_book, seq__gt=0).values("reference").query)) >= LONG

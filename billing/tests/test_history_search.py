"""The search box: finds each thing by whatever is known of it, never another workspace's, and always along an index."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.history_search import Search, found_page
from billing.tests.uses import event, newest, report, set_prices
from usage import event_queries
from usage.models import Event
from wallet.ledger import post
from wallet.models import Transfer, Wallet
from wallet.tests.builders import DOLLAR, adjustment, paid_top_up, promotion_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _prices(db: None) -> None:
    set_prices(prefix="")


def found(wallet: Wallet, text: str, *, kinds: tuple[str, ...] = (), before: int | None = None, limit: int = 25) -> list[int]:
    wallet.refresh_from_db()
    return [transfer.seq for transfer in found_page(wallet, Search(kinds=kinds, text=text), before_seq=before, limit=limit).transfers]


@pytest.fixture
def uses(wallet: Wallet) -> Wallet:
    """1: Sales agent to California. 2: to London. 3: Reception, from Seattle to the workspace's own. 4: a task of the salesman's."""
    report(
        event(wallet, agent="Sales agent", event_id="evt-1", from_="+12125550100"),
        event(wallet, agent="Sales agent", to="+442079460018", event_id="evt-2"),
        event(wallet, "call_in", agent="Reception", from_="+12065550199", to="+12125550100", event_id="evt-3"),
        event(wallet, "ai_task", agent="salesman", event_id="evt-4", source="/agents"),
    )
    return wallet


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+14155550142", [1]),
        ("+1 (415) 555-0142", [1]),
        ("1.415.555.0142", [1]),
        ("415-555-0142", [1]),
        ("0044 20 7946 0018", [2]),
        ("+12125550100", [3, 1]),
        ("5550100", [3, 1]),
        ("Sales agent", [2, 1]),
        ("sales", [4, 2, 1]),
        ("RECEPTION", [3]),
        ("evt-4", [4]),
        ("/agents evt-4", [4]),
        ("/calls/eu-1 evt-4", []),
        ("#3", [3]),
        ("nobody", []),
        ("%", []),
        ("' OR 1=1 --", []),
    ],
)
def test_it_finds_by_what_was_typed(uses: Wallet, text: str, expected: list[int]) -> None:
    assert found(uses, text) == expected


@pytest.mark.parametrize("text", ["\x00", "x" * 1000, "٣٤٥", "#99999999999999999999", " "])
def test_it_takes_any_text(alices: Client, uses: Wallet, page: str, text: str) -> None:
    assert alices.get(page, {"q": text}).status_code == 200


def test_it_finds_an_event_by_its_reference(uses: Wallet) -> None:
    reference = Transfer.objects.get(wallet=uses, seq=2).reference

    assert found(uses, reference) == [2]


def test_it_finds_a_top_up_by_receipt_and_reference(wallet: Wallet) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(stripe_customer_id="cus_1")
    wallet.refresh_from_db()
    top_up = paid_top_up(wallet, 20 * DOLLAR)
    assert top_up.receipt_number

    assert found(wallet, top_up.receipt_number.lower()) == [1]
    assert found(wallet, str(top_up.pk)) == [1]


def test_it_finds_given_credit_by_its_reference(wallet: Wallet) -> None:
    promotion = promotion_of(wallet, DOLLAR)

    assert found(wallet, str(promotion.pk)) == [1]


def test_it_never_finds_what_is_anothers(uses: Wallet, elsewhere: Wallet) -> None:
    reference = Transfer.objects.get(wallet=uses, seq=2).reference
    report(event(elsewhere, event_id="evt-9", agent="Mine"))

    for text in ("+14155550142 ", "Sales agent", "evt-1", "/calls/eu-1 evt-1", reference, "+12125550100"):
        assert found(elsewhere, text.strip()) in ([], [1] if text.startswith("+1415") else [])


def test_it_narrows_by_kind_and_text(uses: Wallet) -> None:
    assert found(uses, "sales", kinds=("ai_task",)) == [4]
    assert found(uses, "sales", kinds=("call_out", "call_in")) == [2, 1]
    assert found(uses, "sales", kinds=("top_up",)) == []
    assert found(uses, "evt-4", kinds=("call_out",)) == []


def test_it_pages_through_everything_once(wallet: Wallet) -> None:
    report(*(event(wallet, agent=("Sales agent", "Sales desk", "Other")[number % 3]) for number in range(30)))
    wallet.refresh_from_db()
    seen, before = [], None
    while True:
        page = found_page(wallet, Search(text="sales"), before_seq=before, limit=4)
        seen += [transfer.seq for transfer in page.transfers]
        before = page.next_before_seq
        if before is None:
            break

    assert seen == [seq for seq in range(30, 0, -1) if seq % 3]


def test_it_looks_at_so_many_uses_at_a_time(wallet: Wallet, monkeypatch: pytest.MonkeyPatch, alices: Client, page: str) -> None:
    monkeypatch.setattr(event_queries, "SCANNED_MAX", 10)
    report(event(wallet, "ai_task", agent="Sales agent"), *(event(wallet, agent="Sales agent") for _ in range(15)))
    wallet.refresh_from_db()

    first = found_page(wallet, Search(kinds=("ai_task",), text="sales"), before_seq=None, limit=25)
    second = found_page(wallet, Search(kinds=("ai_task",), text="sales"), before_seq=first.next_before_seq, limit=25)

    assert (first.transfers, first.next_before_seq) == ([], 7)
    assert ([transfer.seq for transfer in second.transfers], second.next_before_seq) == ([1], None)
    assert "Look further back" in alices.get(page, {"show": "ai-tasks", "q": "sales"}).content.decode()


def test_it_keeps_what_was_typed(alices: Client, uses: Wallet, page: str) -> None:
    body = alices.get(page, {"q": "sales", "show": "calls"}).content.decode()

    assert 'name="q" value="sales"' in body
    assert "show=messages&amp;q=sales" in body
    assert "transactions.csv?show=calls&amp;q=sales" in body
    assert re.findall(r'id="transfer-(\d+)"', body) == ["2", "1"]


def test_it_offers_agents_and_own_numbers(alices: Client, uses: Wallet, page: str) -> None:
    body = alices.get(page).content.decode()

    assert re.findall(r'href="[^"]*q=([^"&#]*)#history"', body) == ["Reception", "Sales+agent", "salesman", "%2B12125550100"]


def test_it_asks_as_often_however_many_rows_there_are(wallet: Wallet) -> None:
    report(event(wallet, agent="Sales agent"))
    with CaptureQueriesContext(connection) as of_one:
        found(wallet, "sales")
    report(*(event(wallet, agent="Sales agent") for _ in range(60)))

    with CaptureQueriesContext(connection) as of_many:
        found(wallet, "sales")

    assert len(of_one) == len(of_many)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"show": "calls"},
        {"show": "other"},
        {"from": "2026-01-01", "until": "2030-01-01"},
        {"q": "sales"},
        {"q": "+14155550142"},
        {"q": "evt-17"},
        {"q": "W-000001"},
        {"q": "sales", "show": "ai-tasks", "from": "2026-01-01"},
        {"q": "6f1b0f7e-4b1c-4d0f-9d0a-0d5a3b0c1e2f"},
    ],
    ids=str,
)
def test_it_scans_neither_events_nor_transfers(alices: Client, wallet: Wallet, elsewhere: Wallet, page: str, asked: dict[str, Any]) -> None:
    for number in range(3):
        report(*(event(one, agent=f"Sales agent {number}", from_="+12125550100") for one in (wallet, elsewhere) for _ in range(150)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE usage_event")
        cursor.execute("ANALYZE wallet_transfer")
    with CaptureQueriesContext(connection) as queries:
        assert alices.get(page, asked).status_code == 200

    reads = [query["sql"] for query in queries if re.search(r'FROM "?(usage_event|wallet_transfer)\b', query["sql"])]

    assert reads
    for sql in reads:
        plan = plan_of(sql)
        assert not re.search(r"Seq Scan on (usage_event|wallet_transfer)\b", plan), (sql, plan)


def plan_of(sql: str) -> str:
    """The plan with every index for the taking: in a table of some hundred rows PostgreSQL would rightly read them all."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on")
    return plan


def test_it_walks_a_trail_along_its_own_index(wallet: Wallet) -> None:
    report(*(event(wallet, agent="Sales agent") for _ in range(3)))
    post(wallet.pk, [adjustment(DOLLAR)])
    assert Event.objects.filter(wallet=wallet).count() == 3
    with CaptureQueriesContext(connection) as queries:
        found(wallet, "Sales agent")

    (walk,) = [query["sql"] for query in queries if "\"agent\" = 'Sales agent'" in query["sql"]]

    assert "event_by_agent" in plan_of(walk)
    assert "Sort" not in plan_of(walk)
    assert newest(wallet).kind == "adjustment"

"""Finding uses of any age in a wallet's history: by an event's id, and by a number, stretch by stretch of the book."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from usage import event_queries
from usage.event_queries import Trail, seqs_of_event_id, trail_page
from usage.models import Event
from usage.tests.stage import US, Metering, make_metering
from wallet.models import Wallet

pytestmark = pytest.mark.django_db

RARE = "+12065550199"


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows each, so that a few uses are a long book."""
    monkeypatch.setattr(event_queries, "STRETCH_BITS", 2)


def seqs_of(wallet: Wallet, number: str, *, after: int = 0, before: int | None = None, limit: int = 500) -> list[int]:
    return trail_page(wallet, [Trail("number", number)], kinds=(), after_seq=after, before_seq=before, limit=limit).seqs


def test_it_finds_an_event_by_its_id_alone_however_old_it_is(metering: Metering) -> None:
    metering.report(metering.event(id="call-1", source="/first/of/all"))
    first = metering.fresh.last_seq

    metering.report(*(metering.event(type="ai_task") for _ in range(600)))

    assert seqs_of_event_id(metering.fresh, "call-1") == [first]
    assert seqs_of_event_id(metering.fresh, "/first/of/all call-1") == [first]
    assert seqs_of_event_id(metering.fresh, "call-2") == []


def test_it_finds_one_id_under_every_source(metering: Metering, short_stretches: None) -> None:
    metering.report(*(metering.event(id="1", source=f"/host-{number}") for number in range(20)))

    assert seqs_of_event_id(metering.fresh, "1") == list(range(21, 1, -1))


def test_it_finds_no_event_of_another_wallets(metering: Metering) -> None:
    charlie = make_metering(name="Charlie's Garage")
    charlie.report(charlie.event(id="his"))

    assert seqs_of_event_id(metering.fresh, "his") == []


@pytest.mark.parametrize(("after", "before", "limit"), [(0, None, 500), (0, None, 3), (5, 30, 500), (8, 17, 2), (40, 41, 5), (90, None, 5)])
def test_it_finds_a_number_in_every_stretch(metering: Metering, short_stretches: None, after: int, before: int | None, limit: int) -> None:
    metering.report(*(metering.event(data={"to": US if number % 7 else RARE}) for number in range(60)))
    wallet, top = metering.fresh, before or 1_000

    for number in (US, RARE, "+442079460018"):
        rows = Event.objects.filter(wallet=wallet, number=number, transfer_seq__gt=after, transfer_seq__lt=top)
        expected = list(rows.order_by("-transfer_seq").values_list("transfer_seq", flat=True)[:limit])
        assert seqs_of(wallet, number, after=after, before=before, limit=limit) == expected


def test_it_asks_seldom_however_long_the_book_is(metering: Metering, short_stretches: None) -> None:
    """Sixteen stretches in three statements; what is common is found by the first."""
    metering.report(*(metering.event() for _ in range(62)))
    wallet = metering.fresh

    with CaptureQueriesContext(connection) as for_nothing:
        assert seqs_of(wallet, RARE) == []
    with CaptureQueriesContext(connection) as for_the_newest:
        assert seqs_of(wallet, US, limit=1) == [wallet.last_seq]

    assert (len(for_nothing), len(for_the_newest)) == (3, 1)


@pytest.mark.parametrize(("text", "index"), [(RARE, "event_by_number_in_stretch"), ("call-1", "event_by_id_in_stretch")])
def test_it_looks_into_the_index_of_stretches(metering: Metering, text: str, index: str) -> None:
    # With a page or two, any index is as good as another.
    metering.report(*(metering.event() for _ in range(500)))
    wallet = metering.fresh
    with CaptureQueriesContext(connection) as queries:
        seqs_of(wallet, text) if text == RARE else seqs_of_event_id(wallet, text)

    (asked,) = [query["sql"] for query in queries if "LATERAL" in query["sql"]]

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {asked}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan

"""Seals: what was booked can't be changed or taken away unnoticed, not even by the database's owner."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from wallet import seal_queries
from wallet.ledger import post
from wallet.models import DaySeal, Seal, Wallet
from wallet.services.books import CHECKS, check_books, find_faults
from wallet.services.seals import first_broken_day, seal_day, seal_days
from wallet.tests.builders import DOLLAR, adjustment, entry, make_wallet
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 8)
NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
SEALS = [check for check in CHECKS if check.name == "seals"]


@pytest.fixture
def other_wallet(db: None) -> Wallet:
    return make_wallet(name="Bob's Garage")


def book(wallet: Wallet, rows: int, *, at: datetime = NOON) -> None:
    post(wallet.pk, [adjustment(10 * DOLLAR, posted_at=at), *(entry(1_000, posted_at=at) for _ in range(rows - 1))])


def tamper(owner: Any, statement: str) -> None:
    """As the owner of the tables could, with triggers off."""
    with owner.cursor() as cursor:
        for table in ("wallet_transfer", "wallet_seal", "wallet_dayseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement)


def found() -> list[str]:
    return [fault.words for fault in find_faults(SEALS)]


def test_it_seals_each_book_and_the_day(wallet: Wallet, other_wallet: Wallet) -> None:
    book(wallet, 5)
    book(other_wallet, 3)

    day = seal_day(DAY)

    assert (day.seals, day.transfers) == (2, 8)
    assert [(seal.wallet_id, seal.after_seq, seal.through_seq) for seal in Seal.objects.order_by("wallet_id")] == [
        (wallet.pk, 0, 5),
        (other_wallet.pk, 0, 3),
    ]
    assert (found(), first_broken_day()) == ([], None)


def test_it_seals_twice_to_the_same_end(wallet: Wallet) -> None:
    book(wallet, 5)

    assert bytes(seal_day(DAY).chain_sha256) == bytes(seal_day(DAY).chain_sha256)
    assert Seal.objects.count() == DaySeal.objects.count() == 1


def test_it_leaves_what_was_booked_after_the_day_to_the_next(wallet: Wallet, other_wallet: Wallet) -> None:
    book(wallet, 2)
    book(wallet, 2, at=NOON + timedelta(days=1))
    book(other_wallet, 2, at=NOON + timedelta(days=1))

    days = [seal_day(DAY), seal_day(DAY + timedelta(days=1)), seal_day(DAY + timedelta(days=2))]

    assert [day.transfers for day in days] == [2, 4, 0]
    assert len({bytes(day.chain_sha256) for day in days}) == 3


def test_it_reaches_wallets_behind_many_that_have_nothing_to_seal(
    wallet: Wallet, other_wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.services.seals.WALLETS_AT_ONCE", 1)
    first, second = sorted((wallet, other_wallet), key=lambda one: one.pk)
    book(first, 2, at=NOON + timedelta(days=1))
    book(second, 2)

    assert seal_day(DAY).transfers == 2


def test_it_seals_a_long_day_in_stretches(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter = seal_queries.SEAL_STRETCHES.replace(f"+ {seal_queries.STRETCH_ROWS_MAX}", "+ 2")
    monkeypatch.setattr(seal_queries, "SEAL_STRETCHES", shorter)
    book(wallet, 5)

    seal_day(DAY)

    assert list(Seal.objects.order_by("number").values_list("after_seq", "through_seq")) == [(0, 2), (2, 4), (4, 5)]
    assert found() == []


def test_it_adds_nothing_to_a_day_that_has_its_digest(wallet: Wallet, other_wallet: Wallet) -> None:
    """Rows of a day that was sealed may be committed late, and whoever seals late must not make the day's digest wrong for ever."""
    book(wallet, 2)
    seal_day(DAY)
    book(other_wallet, 2)

    days = [seal_day(DAY), seal_day(DAY + timedelta(days=1))]

    assert [day.transfers for day in days] == [2, 2]
    assert (found(), first_broken_day()) == ([], None)


@pytest.mark.django_db(transaction=True)
def test_it_seals_a_day_whole_however_many_seal_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.services.seals.WALLETS_AT_ONCE", 1)
    for number in range(6):
        book(make_wallet(name=f"Customer {number}"), 2)

    outcomes = at_once([lambda: seal_day(DAY)] * 4)

    assert errors(outcomes) == []
    assert (DaySeal.objects.get().transfers, first_broken_day()) == (12, None)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE wallet_transfer SET description = 'Another call' WHERE seq = 3", "rows from 1 to 5 that are not what they were"),
        ("UPDATE wallet_transfer SET happened_at = happened_at + interval '1 microsecond' WHERE seq = 2", "rows from 1 to 5"),
        ("DELETE FROM wallet_transfer WHERE seq = 5", "rows from 1 to 5"),
        ("DELETE FROM wallet_transfer", "rows from 1 to 5"),
        ("UPDATE wallet_seal SET rows_sha256 = sha256('')", "has the seal 1 of 2026-03-08, which is not what it was"),
        ("UPDATE wallet_seal SET number = 2", "should have the seal 1"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_it_finds_what_was_changed_or_taken_away(owner_connection: Any, wallet: Wallet, statement: str, words: str) -> None:
    book(wallet, 5)
    seal_day(DAY)

    tamper(owner_connection, statement)

    assert words in found()[0]


@pytest.mark.django_db(transaction=True)
def test_it_finds_a_chain_that_was_made_anew(owner_connection: Any, wallet: Wallet) -> None:
    """Whoever rewrites a book and its seals must rewrite every day since, and the digests that were kept elsewhere."""
    book(wallet, 5)
    seal_day(DAY)
    seal_day(DAY + timedelta(days=1))

    tamper(owner_connection, "UPDATE wallet_seal SET rows_sha256 = sha256('x'), chain_sha256 = sha256(sha256('x'))")

    assert first_broken_day() == DAY


@pytest.mark.django_db(transaction=True)
def test_it_looks_at_every_day_in_stretches_of_any_length(owner_connection: Any, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.services.seals.DAYS_AT_ONCE", 2)
    days = [DAY + timedelta(days=number) for number in range(5)]
    for day in days:
        seal_day(day)
    told: list[tuple[int, int]] = []
    assert first_broken_day(progress=lambda done, total: told.append((done, total))) is None
    assert told == [(2, 5), (4, 5), (5, 5)]

    tamper(owner_connection, "UPDATE wallet_dayseal SET chain_sha256 = sha256('x') WHERE day = '2026-03-10'")

    assert first_broken_day() == days[2]


@pytest.mark.parametrize("statement", ["UPDATE wallet_seal SET day = day", "DELETE FROM wallet_dayseal", "TRUNCATE wallet_seal"])
def test_it_refuses_to_change_a_seal(wallet: Wallet, statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_seals_from_yesterday_on_where_nothing_was_sealed(wallet: Wallet) -> None:
    book(wallet, 2)

    (yesterday,) = seal_days()

    assert yesterday.transfers == 2
    assert seal_days() == []


@pytest.mark.django_db(transaction=True)
def test_check_books_tells(wallet: Wallet) -> None:
    book(wallet, 5)
    seal_day(DAY)

    assert check_books(CHECKS).faults == []

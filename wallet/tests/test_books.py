"""The proof of the books finds what is right right, looks at all of it, and disturbs nobody. What is wrong: test_corruptions.py."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from wallet import ledger
from wallet.models import Transfer
from wallet.services import books
from wallet.services.books import Check, check_books, find_faults, installed_checks
from wallet.tests.builders import DOLLAR, charge, entry, make_wallet, paid_top_up, promotion_of, refund_of
from wallet.tests.full_book import ROWS, make_book_elsewhere, make_full_book


@pytest.mark.django_db
def test_it_finds_nothing_wrong_with_books_to_which_everything_has_happened() -> None:
    make_full_book()
    make_book_elsewhere()

    assert find_faults(installed_checks()) == []


@pytest.mark.django_db(transaction=True)
def test_it_counts_what_it_looked_at() -> None:
    make_full_book()
    make_book_elsewhere()
    make_wallet()

    outcome = check_books(installed_checks())

    assert (outcome.wallets, outcome.transfers, outcome.faults) == (3, ROWS + 1, [])
    assert outcome.accounts["jpy", "stripe"] == -3_000 * DOLLAR
    assert outcome.accounts["usd", "disputes"] == 0
    assert outcome.accounts["usd", "write_offs"] == 20 * DOLLAR


@pytest.mark.django_db(transaction=True)
def test_it_looks_at_one_wallet_alone() -> None:
    wallet = make_full_book()
    make_book_elsewhere()

    outcome = check_books(installed_checks(), only=wallet)

    assert (outcome.wallets, outcome.transfers) == (1, ROWS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("batch_wallets", "batch_rows"), [(1, 1_000), (3, 1_000), (7, 1_000), (100, 2)])
def test_it_looks_at_every_wallet_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch, batch_wallets: int, batch_rows: int) -> None:
    monkeypatch.setattr(books, "BATCH_WALLETS", batch_wallets)
    monkeypatch.setattr(books, "BATCH_ROWS", batch_rows)
    for wallet in [make_wallet() for _ in range(7)]:
        charge(wallet, DOLLAR)

    outcome = check_books(installed_checks())

    assert (outcome.wallets, outcome.transfers) == (7, 7)


@pytest.mark.django_db(transaction=True)
def test_it_tells_how_far_it_is() -> None:
    make_full_book()
    told: list[tuple[int, int]] = []

    check_books(installed_checks(), progress=lambda done, total: told.append((done, total)))

    assert told == sorted(told)
    assert told[-1] == (ROWS, ROWS)


@pytest.mark.django_db(transaction=True)
def test_it_cannot_write_while_it_looks() -> None:
    make_wallet()
    writing = Check(name="writing", proves="nothing", statement="UPDATE wallet_wallet SET balance_micros = 1", words={})

    with pytest.raises(Exception, match="read-only transaction"):
        check_books([writing])


@pytest.mark.django_db(transaction=True)
def test_it_may_take_longer_than_a_request_may() -> None:
    wallet = make_wallet()
    asking = Check(
        name="asking",
        proves="nothing",
        statement=f"SELECT {wallet.pk} AS wallet_id, NULL AS seq, 'asked' AS fault, current_setting('statement_timeout') AS allowed",
        words={"asked": "{allowed}"},
    )

    (fault,) = check_books([asking]).faults

    assert fault.words == "0"


def test_it_finds_the_checks_of_every_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    services = tmp_path / "parking" / "services"
    services.mkdir(parents=True)
    (services.parent / "__init__.py").touch()
    (services / "__init__.py").touch()
    (services / "books.py").write_text("CHECKS = ['a check of parking']\n")
    monkeypatch.syspath_prepend(tmp_path)

    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "parking"]

    found: list[object] = [*installed_checks()]
    assert found[-1] == "a check of parking"
    assert all(check in found for check in books.CHECKS)


# ---------------------------------------------------------------- while the system runs

LOOKS_MAX = 200


def keep_running(acts: list[Callable[[int], object]], *, until: threading.Event) -> list[threading.Thread]:
    """One thread for each act, which it does over and over, with a number that rises."""

    def run(act: Callable[[int], object]) -> None:
        number = 0
        while not until.is_set():
            act(number)
            number += 1
        connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    return threads


def faults_while(acts: list[Callable[[int], object]], *, enough: Callable[[int, list[str]], bool]) -> list[str]:
    """What check_books finds, looking again and again while the acts go on; `enough` is asked with how often, and what was found."""
    done = threading.Event()
    threads = keep_running(acts, until=done)
    faults: list[str] = []
    looks = 0
    try:
        while not enough(looks, faults):
            faults += [str(fault) for fault in check_books(installed_checks(), faults_max=10).faults]
            looks += 1
    finally:
        done.set()
        for thread in threads:
            thread.join()
    return faults


@pytest.mark.django_db(transaction=True)
def test_it_raises_no_false_alarm_while_money_moves() -> None:
    busy, calm = make_wallet(), make_wallet()

    def refunded_top_up(number: int) -> None:
        refund_of(paid_top_up(calm, 20 * DOLLAR), DOLLAR, status="failed" if number % 2 else "succeeded")

    faults = faults_while(
        [
            lambda number: charge(busy, DOLLAR),
            lambda number: paid_top_up(busy, 2 * DOLLAR),
            lambda number: promotion_of(busy, DOLLAR),
            refunded_top_up,
        ],
        enough=lambda looks, faults: looks >= 15 and Transfer.objects.count() >= 60,
    )

    assert faults == []


@pytest.mark.django_db(transaction=True)
def test_it_does_raise_the_alarm_when_a_row_and_its_sums_are_not_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the test above: a ledger that commits in two steps is caught in between."""
    wallet = make_wallet()
    save_sums = ledger._save_sums
    monkeypatch.setattr(ledger, "_save_sums", lambda wallets: None)

    def charge_in_two_steps(number: int) -> None:
        with transaction.atomic():
            locked = ledger.lock_wallet(wallet.pk)
            ledger.post_new({wallet.pk: locked}, {wallet.pk: [entry(DOLLAR)]})
        time.sleep(0.002)
        save_sums([locked])

    faults = faults_while([charge_in_two_steps], enough=lambda looks, faults: bool(faults) or looks >= LOOKS_MAX)

    assert any("says that its newest row is" in fault for fault in faults)

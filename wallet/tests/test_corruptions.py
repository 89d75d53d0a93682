"""Every kind of corruption, planted by the owner in a copy of the books, is found and named in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from wallet.models import Wallet
from wallet.services import books
from wallet.services.books import Fault, check_books, installed_checks
from wallet.tests.corruptions import CORRUPTIONS
from wallet.tests.full_book import make_book_elsewhere, make_full_book
from wallet.tests.own_database import own_database

ORPHAN = """
DO $$
DECLARE
    foreign_key text := (SELECT conname FROM pg_constraint WHERE conrelid = 'wallet_transfer'::regclass AND contype = 'f');
BEGIN
    EXECUTE format('ALTER TABLE wallet_transfer DROP CONSTRAINT %I', foreign_key);
END $$;
INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference,
    description, happened_at, idempotency_key)
VALUES (999999, 1, 'wallet', 'usage_revenue', 1, 0, -1, 'call_out', 'x', 'x', now(), 'x')
"""


@pytest.fixture(scope="module")
def copy_of_the_books(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The address of its owner."""
    with own_database(django_db_blocker, suffix="books") as owner_dsn:
        yield owner_dsn


@dataclass(frozen=True)
class Found:
    """What is said of a copy with one corrupted book of each kind, and what the words of each may name."""

    faults: list[Fault]
    wallets: dict[str, Wallet]
    elsewhere: Wallet

    def of(self, kind: str) -> list[Fault]:
        return [fault for fault in self.faults if fault.wallet == self.wallets[kind].workspace.public_id]

    def words(self, kind: str) -> str:
        return CORRUPTIONS[kind].words.format(w=self.wallets[kind].pk, elsewhere=self.elsewhere.workspace.public_id)


@pytest.fixture(scope="module")
def found(copy_of_the_books: str) -> Found:
    """Each corruption has a full book of its own."""
    elsewhere = make_book_elsewhere()
    corrupted = {kind: make_full_book() for kind in CORRUPTIONS}
    assert check_books(installed_checks(), faults_max=books.FAULTS_MAX).faults == [], "They are right before they are corrupted."

    _plant(copy_of_the_books, corrupted, elsewhere=elsewhere)

    with pytest.MonkeyPatch.context() as patch:
        # One wallet at a time, so that the faults of each come in the order in which a person would be told of them.
        patch.setattr(books, "BATCH_WALLETS", 1)
        return Found(check_books(installed_checks(), faults_max=books.FAULTS_MAX).faults, corrupted, elsewhere)


def _plant(owner_dsn: str, wallets: dict[str, Wallet], *, elsewhere: Wallet) -> None:
    owner = psycopg2.connect(owner_dsn)
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute("ALTER TABLE wallet_transfer DISABLE TRIGGER USER")
        for kind, wallet in wallets.items():
            cursor.execute(CORRUPTIONS[kind].statements, {"w": wallet.pk, "elsewhere": elsewhere.pk})
        cursor.execute(ORPHAN)
    owner.close()


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_it_finds_and_names(kind: str, found: Found) -> None:
    corruption = CORRUPTIONS[kind]
    words, faults = found.words(kind), found.of(kind)

    named = [fault for fault in faults if fault.check == corruption.check and words in str(fault)]

    assert named, [str(fault) for fault in faults]
    if corruption.first:
        assert faults[0] == named[0], str(faults[0])


def test_it_finds_rows_whose_wallet_is_gone(found: Found) -> None:
    words = "Wallet with the key 999999, row 1, stands in a book without a wallet (chain)."

    assert words in [str(fault) for fault in found.faults]


def test_it_finds_that_all_accounts_together_are_out(found: Found) -> None:
    """By the 7 dollars that went into an account that there is not, and the 7 that came back from it."""
    words = "The whole of all accounts in USD adds up to −$7.0000, and should add up to nothing (accounts)."

    assert words in [str(fault) for fault in found.faults]


def test_it_finds_nothing_wrong_with_the_book_beside_them(found: Found) -> None:
    assert [fault for fault in found.faults if fault.wallet == found.elsewhere.workspace.public_id] == []

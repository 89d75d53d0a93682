"""ledger.post: one entry or many, once per key, chained without a hole, in the book's own time. Races: test_ledger_races.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from wallet import ledger
from wallet.errors import IdempotencyConflict
from wallet.ledger import lock_wallets, post, post_new
from wallet.models import Account, Transfer, Wallet
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import DOLLAR, adjustment, balance_of, charge, entry, make_wallet

pytestmark = pytest.mark.django_db


def test_it_posts_one() -> None:
    wallet = make_wallet()
    happened_at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    (transfer,) = post(wallet.pk, [entry(75_000, key="evt-1", kind="use_out", description="Call to +49 30 1234", happened_at=happened_at)])

    assert (transfer.wallet_id, transfer.seq) == (wallet.pk, 1)
    assert (transfer.debit, transfer.credit, transfer.amount_micros) == (Account.WALLET, Account.USAGE_REVENUE, 75_000)
    assert (transfer.balance_after_micros, transfer.change_micros, transfer.promotion_micros) == (-75_000, -75_000, 0)
    assert (transfer.kind, transfer.reference, transfer.description) == ("use_out", "evt-1", "Call to +49 30 1234")
    assert transfer.happened_at == happened_at
    assert timezone.now() - transfer.posted_at < timedelta(minutes=1)
    assert_books_balance()


def test_it_posts_many_in_their_order() -> None:
    wallet = make_wallet()

    transfers = post(wallet.pk, [adjustment(10 * DOLLAR), entry(3 * DOLLAR), entry(0), entry(4 * DOLLAR)])

    assert [(transfer.seq, transfer.balance_after_micros) for transfer in transfers] == [
        (1, 10 * DOLLAR),
        (2, 7 * DOLLAR),
        (3, 7 * DOLLAR),
        (4, 3 * DOLLAR),
    ]
    wallet.refresh_from_db()
    assert (wallet.last_seq, wallet.balance_micros) == (4, 3 * DOLLAR)
    assert_books_balance()


def test_it_posts_nothing() -> None:
    assert post(make_wallet().pk, []) == []


def test_it_goes_on_where_the_book_ends() -> None:
    wallet = make_wallet()
    charge(wallet, DOLLAR)

    assert [transfer.seq for transfer in post(wallet.pk, [entry(DOLLAR), entry(DOLLAR)])] == [2, 3]


def test_it_lets_the_wallet_go_below_zero() -> None:
    """What was used is charged: whether it may be used is asked before."""
    wallet = make_wallet()

    charge(wallet, 5 * DOLLAR)

    assert balance_of(wallet) == -5 * DOLLAR


def test_it_counts_rows_that_leave_the_wallet_as_it_is() -> None:
    wallet = make_wallet()

    (transfer,) = post(wallet.pk, [entry(DOLLAR, debit=Account.DISPUTES, credit=Account.WRITE_OFFS)])

    assert (transfer.seq, transfer.change_micros, balance_of(wallet)) == (1, 0, 0)


def test_it_keeps_one_book_per_wallet() -> None:
    alices, charlies = make_wallet(), make_wallet()

    first, second = charge(alices, DOLLAR, key="call"), charge(charlies, 2 * DOLLAR, key="call")

    assert (first.seq, second.seq) == (1, 1)
    assert (balance_of(alices), balance_of(charlies)) == (-DOLLAR, -2 * DOLLAR)


def test_it_posts_to_many_books_at_once() -> None:
    first, second, untouched = make_wallet(), make_wallet(), make_wallet()

    with transaction.atomic():
        locked = lock_wallets([second.pk, first.pk, untouched.pk])
        post_new(locked, {first.pk: [adjustment(DOLLAR), entry(DOLLAR)], second.pk: [entry(DOLLAR)], untouched.pk: []})

    assert [Transfer.objects.filter(wallet=wallet).count() for wallet in (first, second, untouched)] == [2, 1, 0]
    assert locked[second.pk].balance_micros == balance_of(second) == -DOLLAR
    assert_books_balance()


@pytest.mark.parametrize("text", ["a\tb\nc\r\\n", "\\N", "\\.", "Grüße 👋 — “quoted”", "' OR 1=1 --", "x" * 300, ""])
def test_it_keeps_every_text_as_it_is(text: str) -> None:
    transfer = charge(make_wallet(), DOLLAR, description=text)

    assert transfer.description == text


def test_it_knows_no_wallet_that_there_is_not() -> None:
    with pytest.raises(Wallet.DoesNotExist):
        post(404, [entry(DOLLAR)])


# ---------------------------------------------------------------- once per key


def test_it_answers_the_row_that_stands() -> None:
    wallet = make_wallet()
    first = charge(wallet, DOLLAR, key="call-1")

    again = charge(wallet, DOLLAR, key="call-1", description="Told again", happened_at=timezone.now() + timedelta(hours=1))

    assert (again.pk, again.description, again.happened_at) == (first.pk, first.description, first.happened_at)
    assert balance_of(wallet) == -DOLLAR


def test_it_posts_only_what_is_new_of_a_batch() -> None:
    wallet = make_wallet()
    charge(wallet, DOLLAR, key="call-1")

    transfers = post(wallet.pk, [entry(2 * DOLLAR, key="call-2"), entry(DOLLAR, key="call-1"), entry(3 * DOLLAR, key="call-3")])

    assert [transfer.seq for transfer in transfers] == [2, 1, 3]
    assert balance_of(wallet) == -6 * DOLLAR


def test_it_counts_a_repeat_within_a_batch_once() -> None:
    wallet = make_wallet()

    transfers = post(wallet.pk, [entry(DOLLAR, key="call-1"), entry(DOLLAR, key="call-1")])

    assert [transfer.seq for transfer in transfers] == [1, 1]
    assert balance_of(wallet) == -DOLLAR


OTHER_CONTENT: list[dict[str, Any]] = [
    {"amount_micros": 2 * DOLLAR},
    {"debit": Account.ADJUSTMENTS},
    {"credit": Account.ADJUSTMENTS},
    {"kind": "call_in"},
    {"reference": "another call"},
]


@pytest.mark.parametrize("other", OTHER_CONTENT, ids=lambda other: next(iter(other)))
@pytest.mark.parametrize("in_one_batch", [False, True], ids=["later", "in one batch"])
def test_it_refuses_a_key_that_comes_with_other_content(other: dict[str, Any], in_one_batch: bool) -> None:
    wallet = make_wallet()
    first = entry(DOLLAR, key="call-1")
    second = entry(**{"amount_micros": DOLLAR, "key": "call-1", **other})
    standing = [] if in_one_batch else post(wallet.pk, [first])

    with pytest.raises(IdempotencyConflict, match="'call-1' was used for another transfer"):
        post(wallet.pk, [entry(DOLLAR, key="new"), *([first] if in_one_batch else []), second])

    assert list(Transfer.objects.filter(wallet=wallet)) == standing
    assert_books_balance()


def test_it_is_the_database_that_refuses_a_key_twice() -> None:
    """A caller that holds the lock and has not looked for its keys is stopped by the constraint, as Django's own error."""
    wallet = make_wallet()
    charge(wallet, DOLLAR, key="call-1")

    with pytest.raises(IntegrityError, match="transfer_key_is_unique_in_its_wallet"), transaction.atomic():
        post_new(lock_wallets([wallet.pk]), {wallet.pk: [entry(DOLLAR, key="call-1")]})

    assert_books_balance()


# ---------------------------------------------------------------- what is refused


def test_it_refuses_more_than_one_call_may_post(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ENTRIES_MAX", 3)
    wallet = make_wallet()
    assert len(post(wallet.pk, [entry(1) for _ in range(3)])) == 3

    with pytest.raises(ValueError, match="At most 3 entries in one call, not 4"):
        post(wallet.pk, [entry(1) for _ in range(4)])

    assert Transfer.objects.filter(wallet=wallet).count() == 3


REFUSED: dict[str, dict[str, Any]] = {
    "transfer_amount_is_positive_or_a_free_use": {"amount_micros": 0, "debit": Account.ADJUSTMENTS, "credit": Account.WALLET},
    "transfer_moves_between_two_accounts": {"amount_micros": 1, "credit": Account.WALLET},
    "transfer_accounts_are_known": {"amount_micros": 1, "credit": "pocket"},
    "transfer_has_kind_and_key": {"amount_micros": 1, "kind": ""},
}


@pytest.mark.parametrize("constraint", REFUSED)
def test_it_is_the_database_that_refuses(constraint: str) -> None:
    wallet = make_wallet()

    with pytest.raises(IntegrityError, match=constraint):
        post(wallet.pk, [entry(1), entry(**REFUSED[constraint])])

    assert not Transfer.objects.filter(wallet=wallet).exists()
    assert_books_balance()


def test_it_refuses_a_negative_amount() -> None:
    with pytest.raises(IntegrityError):
        charge(make_wallet(), -DOLLAR)


# ---------------------------------------------------------------- the book's time


def test_it_books_in_the_order_of_time() -> None:
    wallet = make_wallet()

    times = [transfer.posted_at for transfer in (*post(wallet.pk, [entry(1), entry(1)]), *post(wallet.pk, [entry(1)]))]

    assert times == sorted(times)


def test_it_does_not_go_back_in_time_with_the_clock() -> None:
    """A database moved to a machine whose clock is behind, or a clock that was set right."""
    wallet = make_wallet()
    ahead = timezone.now() + timedelta(hours=1)
    post(wallet.pk, [entry(1, posted_at=ahead)])

    after = post(wallet.pk, [entry(1), entry(1)])

    assert [transfer.posted_at for transfer in after] == [ahead, ahead]
    assert_books_balance()


def test_it_takes_over_a_book_that_was_kept_elsewhere() -> None:
    wallet = make_wallet()
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)

    taken_over = post(wallet.pk, [adjustment(DOLLAR, posted_at=first), entry(1, posted_at=second), entry(1)])

    assert [transfer.posted_at for transfer in taken_over[:2]] == [first, second]
    assert timezone.now() - taken_over[2].posted_at < timedelta(minutes=1)
    assert_books_balance()


@pytest.mark.parametrize("in_one_batch", [False, True], ids=["later", "in one batch"])
def test_it_takes_over_nothing_older_than_what_the_book_has(in_one_batch: bool) -> None:
    wallet = make_wallet()
    newer, older = entry(1, key="newer"), entry(1, key="older", posted_at=datetime(2026, 1, 1, tzinfo=UTC))
    if not in_one_batch:
        post(wallet.pk, [newer])

    with pytest.raises(ValueError, match="older than the row before it"):
        post(wallet.pk, [newer, older])

    assert not Transfer.objects.filter(wallet=wallet, idempotency_key="older").exists()

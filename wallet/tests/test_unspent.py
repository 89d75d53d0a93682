"""What of each top-up is unspent: the newest money is spent last, and nothing is promised twice."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.ledger import lock_wallet
from wallet.models import TopUp, Wallet
from wallet.services.holds import place_hold, set_aside_for_refund
from wallet.services.refund_requests import make_refund_request
from wallet.tests.builders import DOLLAR, charge, dispute_of, make_wallet, paid_top_up, promotion_of, refund_of
from wallet.tests.staff import new_form, staff
from wallet.unspent import Paid, unspent_parts
from wallet.unspent_queries import kept_micros, unspent_top_ups

CENT = 10_000
OLD, NEW = UUID(int=1), UUID(int=2)


def parts(left_micros: int, *paid: Paid, currency: str = "usd") -> dict[UUID, int]:
    return dict(unspent_parts(paid, left_micros=left_micros, currency=currency))


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (40, {NEW: 20, OLD: 20}),
        (25, {NEW: 20, OLD: 5}),
        (20, {NEW: 20}),
        (5, {NEW: 5}),
        (0, {}),
        (-7, {}),
        (99, {NEW: 20, OLD: 20}),
    ],
)
def test_it_gives_what_is_left_to_the_newest_first(left: int, expected: dict[UUID, int]) -> None:
    newest_first = (Paid(NEW, 20 * DOLLAR, 0), Paid(OLD, 20 * DOLLAR, 0))

    assert parts(left * DOLLAR, *newest_first) == {top_up: dollars * DOLLAR for top_up, dollars in expected.items()}


def test_it_gives_a_top_up_no_more_than_it_has_kept() -> None:
    newest_first = (Paid(NEW, 20 * DOLLAR, 12 * DOLLAR), Paid(OLD, 20 * DOLLAR, 25 * DOLLAR))

    assert parts(30 * DOLLAR, *newest_first) == {NEW: 8 * DOLLAR}


@pytest.mark.parametrize(("currency", "coin"), [("usd", CENT), ("jpy", DOLLAR), ("kwd", CENT)])
def test_it_shares_out_whole_coins(currency: str, coin: int) -> None:
    """Three decimals are Stripe's, and the last of them must be zero."""
    assert parts(3 * coin - 1, Paid(NEW, 500 * DOLLAR, 0), currency=currency) == {NEW: 2 * coin}
    assert parts(coin - 1, Paid(NEW, 500 * DOLLAR, 0), currency=currency) == {}


@given(
    left_micros=st.integers(-100 * DOLLAR, 1_000 * DOLLAR),
    rows=st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 12_000)), max_size=8),
)
def test_it_never_promises_more_than_there_is(left_micros: int, rows: list[tuple[int, int]]) -> None:
    paid = [Paid(UUID(int=number), amount * CENT, gone * CENT) for number, (amount, gone) in enumerate(rows)]

    shared = parts(left_micros, *paid)

    assert sum(shared.values()) <= max(0, left_micros)
    assert all(0 < shared[one.top_up] <= one.kept_micros for one in paid if one.top_up in shared)
    # Nothing goes to an older one before the newer have all that they can have.
    missing = [one.kept_micros - shared.get(one.top_up, 0) for one in paid]
    first_short = next((place for place, micros in enumerate(missing) if micros), len(missing))
    assert all(one.top_up not in shared for one in paid[first_short + 1 :])


# ---------------------------------------------------------------- from the rows
@pytest.fixture
def two(db: None) -> tuple[Wallet, TopUp, TopUp]:
    """Twenty dollars, and later thirty."""
    wallet = make_wallet()
    return wallet, paid_top_up(wallet, 20 * DOLLAR), paid_top_up(wallet, 30 * DOLLAR)


def unspent(wallet: Wallet, *top_ups: TopUp) -> list[float]:
    """In dollars, of each."""
    found = unspent_top_ups(Wallet.objects.get(pk=wallet.pk))
    return [found.get(top_up.pk, 0) / DOLLAR for top_up in top_ups]


def test_it_counts_use_off_the_oldest(two: tuple[Wallet, TopUp, TopUp]) -> None:
    wallet, old, new = two
    charge(wallet, 12 * DOLLAR + 3)

    assert unspent(wallet, old, new) == [7.99, 30]


def test_it_leaves_given_credit_out(two: tuple[Wallet, TopUp, TopUp]) -> None:
    wallet, old, new = two
    promotion_of(wallet, 50 * DOLLAR)
    charge(wallet, 40 * DOLLAR)

    assert unspent(wallet, old, new) == [20, 30]


def test_it_counts_holds_on_given_credit_first(two: tuple[Wallet, TopUp, TopUp]) -> None:
    wallet, old, new = two
    promotion_of(wallet, 5 * DOLLAR)
    place_hold(wallet.pk, amount_micros=9 * DOLLAR, reference="call", idempotency_key="call", lifetime=timedelta(hours=1))

    assert unspent(wallet, old, new) == [16, 30]


def test_it_takes_off_what_went_back_and_what_the_bank_took(two: tuple[Wallet, TopUp, TopUp]) -> None:
    wallet, old, new = two
    refund_of(new, 4 * DOLLAR)
    refund_of(new, 6 * DOLLAR, status="failed")
    dispute_of(old, status="lost", withdrawn_micros=20 * DOLLAR)

    assert unspent(wallet, old, new) == [0, 26]
    assert [kept_micros(top_up) / DOLLAR for top_up in (old, new)] == [0, 26]


def test_it_takes_off_what_is_on_its_way_back(two: tuple[Wallet, TopUp, TopUp]) -> None:
    """Also from the others, where more than its own unspent part is on its way."""
    wallet, old, new = two
    charge(wallet, 15 * DOLLAR)
    locked, frances = lock_wallet(wallet.pk), staff("frances")
    make_refund_request(
        locked, top_up_id=old.pk, amount_micros=15 * DOLLAR, reason="r", request_id=new_form(), needs_second=False, by=frances
    )

    assert unspent(wallet, old, new) == [0, 20]
    assert kept_micros(old) == 5 * DOLLAR


def test_it_finds_nothing_in_a_wallet_in_debt(two: tuple[Wallet, TopUp, TopUp]) -> None:
    wallet, old, new = two
    charge(wallet, 51 * DOLLAR)
    set_aside_for_refund(lock_wallet(wallet.pk), amount_micros=DOLLAR, key="refund:x")

    assert unspent(wallet, old, new) == [0, 0]

"""Given credit: spent before paid money, soonest to expire first, expires but for what is held, stays apart."""

from datetime import timedelta

import pytest
from django.utils import timezone

from wallet.errors import IdempotencyConflict
from wallet.ledger import post
from wallet.models import Account, Promotion, Transfer, Wallet
from wallet.services.holds import place_hold, release_hold
from wallet.services.promotions import expire_promotion, grant_promotion
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import DOLLAR, adjustment, charge, entry, make_wallet, paid_top_up, promotion_of, refund_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def left_of(*promotions: Promotion) -> list[int]:
    """What each has left, in whole dollars."""
    for promotion in promotions:
        promotion.refresh_from_db()
    return [promotion.remaining_micros // DOLLAR for promotion in promotions]


def given_to(wallet: Wallet) -> int:
    wallet.refresh_from_db()
    return wallet.promotion_micros


def pass_expiry(promotion: Promotion) -> None:
    """Its time is over."""
    Promotion.objects.filter(pk=promotion.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


# ---------------------------------------------------------------- granting


def test_it_grants_credit_apart_from_paid_money() -> None:
    wallet = make_wallet()
    paid_top_up(wallet, 20 * DOLLAR)

    promotion = grant_promotion(wallet, amount_micros=5 * DOLLAR, reason="Welcome", expires_at=None, idempotency_key="welcome")

    wallet.refresh_from_db()
    assert (wallet.balance_micros, wallet.promotion_micros, wallet.paid_micros) == (25 * DOLLAR, 5 * DOLLAR, 20 * DOLLAR)
    assert promotion.remaining_micros == 5 * DOLLAR
    transfer = Transfer.objects.get(kind="promotion")
    assert (transfer.debit, transfer.credit, transfer.promotion_micros) == (Account.PROMOTIONS, Account.WALLET, 5 * DOLLAR)
    assert (transfer.reference, transfer.description) == (str(promotion.pk), "Welcome")
    assert_books_balance()


def test_it_grants_once_per_key() -> None:
    wallet = make_wallet()

    first, again = (
        grant_promotion(wallet, amount_micros=DOLLAR, reason="Welcome", expires_at=None, idempotency_key="welcome") for _ in range(2)
    )

    assert first == again
    assert given_to(wallet) == DOLLAR


def test_it_refuses_a_key_that_gave_something_else() -> None:
    wallet = make_wallet()
    grant_promotion(wallet, amount_micros=DOLLAR, reason="Welcome", expires_at=None, idempotency_key="welcome")

    with pytest.raises(IdempotencyConflict):
        grant_promotion(wallet, amount_micros=2 * DOLLAR, reason="Welcome", expires_at=None, idempotency_key="welcome")

    assert given_to(wallet) == DOLLAR


# ---------------------------------------------------------------- spending


def test_it_spends_given_credit_before_paid_money() -> None:
    wallet = make_wallet()
    paid_top_up(wallet, 20 * DOLLAR)
    promotion = promotion_of(wallet, 5 * DOLLAR)

    first, second, third = charge(wallet, 3 * DOLLAR), charge(wallet, 4 * DOLLAR), charge(wallet, DOLLAR)

    assert [row.promotion_micros for row in (first, second, third)] == [3 * DOLLAR, 2 * DOLLAR, 0]
    assert left_of(promotion) == [0]
    wallet.refresh_from_db()
    assert (wallet.balance_micros, wallet.paid_micros) == (17 * DOLLAR, 17 * DOLLAR)
    assert_books_balance()


def test_it_spends_what_expires_soonest_first_and_what_never_expires_last() -> None:
    wallet = make_wallet()
    never, late = promotion_of(wallet, 2 * DOLLAR), promotion_of(wallet, 2 * DOLLAR, expires_in=9 * DAY)
    soon = promotion_of(wallet, 2 * DOLLAR, expires_in=DAY)

    spent = []
    for _ in range(3):
        charge(wallet, DOLLAR)
        charge(wallet, DOLLAR)
        spent.append(left_of(soon, late, never))

    assert spent == [[0, 2, 2], [0, 0, 2], [0, 0, 0]]


def test_it_spends_the_older_of_two_that_expire_together() -> None:
    wallet = make_wallet()
    first, second = promotion_of(wallet, DOLLAR), promotion_of(wallet, DOLLAR)

    charge(wallet, DOLLAR)

    assert left_of(first, second) == [0, 1]


def test_it_spends_over_several_in_one_batch() -> None:
    wallet = make_wallet()
    soon, late = promotion_of(wallet, 2 * DOLLAR, expires_in=DAY), promotion_of(wallet, 3 * DOLLAR)

    rows = post(wallet.pk, [entry(DOLLAR), entry(2 * DOLLAR), entry(5 * DOLLAR)])

    assert [row.promotion_micros // DOLLAR for row in rows] == [1, 2, 2]
    assert left_of(soon, late) == [0, 0]
    assert_books_balance()


def test_it_spends_given_credit_on_nothing_but_use() -> None:
    wallet = make_wallet()
    top_up = paid_top_up(wallet, 5 * DOLLAR)
    promotion = promotion_of(wallet, 5 * DOLLAR)

    refund_of(top_up, 5 * DOLLAR)
    post(wallet.pk, [entry(DOLLAR, credit=Account.ADJUSTMENTS, kind="adjustment")])

    assert left_of(promotion) == [5]
    wallet.refresh_from_db()
    assert wallet.paid_micros == -DOLLAR
    assert_books_balance()


def test_it_spends_no_other_wallets_credit() -> None:
    alices, charlies = make_wallet(), make_wallet()
    promotion = promotion_of(charlies, DOLLAR)

    transfer = charge(alices, DOLLAR)

    assert transfer.promotion_micros == 0
    assert left_of(promotion) == [1]


def test_it_grants_no_promotion_of_another_wallet() -> None:
    promotion = promotion_of(make_wallet(), DOLLAR)

    with pytest.raises(AssertionError, match="in its own wallet"):
        post(make_wallet().pk, [adjustment(DOLLAR, promotion_id=promotion.pk)])


# ---------------------------------------------------------------- expiring


def test_it_takes_back_what_is_left() -> None:
    wallet = make_wallet()
    promotion = promotion_of(wallet, 5 * DOLLAR)
    charge(wallet, 2 * DOLLAR)
    pass_expiry(promotion)

    assert expire_promotion(promotion.pk) == 3 * DOLLAR

    transfer = Transfer.objects.get(kind="promotion_expired")
    assert (transfer.debit, transfer.credit, transfer.amount_micros) == (Account.WALLET, Account.PROMOTIONS, 3 * DOLLAR)
    assert (left_of(promotion), given_to(wallet), wallet.balance_micros) == ([0], 0, 0)
    assert_books_balance()


def test_it_takes_nothing_back_before_its_time() -> None:
    promotion = promotion_of(make_wallet(), 5 * DOLLAR, expires_in=timedelta(minutes=1))

    assert expire_promotion(promotion.pk) == 0
    assert left_of(promotion) == [5]


def test_it_never_takes_back_what_never_expires() -> None:
    assert expire_promotion(promotion_of(make_wallet(), DOLLAR).pk) == 0


def test_it_takes_back_once() -> None:
    promotion = promotion_of(make_wallet(), DOLLAR)
    pass_expiry(promotion)

    assert [expire_promotion(promotion.pk) for _ in range(3)] == [DOLLAR, 0, 0]


def test_it_leaves_what_a_hold_was_promised_until_that_is_resolved() -> None:
    wallet = make_wallet()
    promotion = promotion_of(wallet, 5 * DOLLAR)
    hold = place_hold(wallet.pk, amount_micros=2 * DOLLAR, reference="call", idempotency_key="call", lifetime=DAY)
    pass_expiry(promotion)

    assert expire_promotion(promotion.pk) == 3 * DOLLAR
    assert left_of(promotion) == [2]

    release_hold(hold)

    assert expire_promotion(promotion.pk) == 2 * DOLLAR
    assert left_of(promotion) == [0]
    assert_books_balance()


def test_it_may_be_spent_until_the_expiry_is_booked() -> None:
    """A late sweep is in the customer's favour."""
    wallet = make_wallet()
    promotion = promotion_of(wallet, DOLLAR)
    pass_expiry(promotion)

    assert charge(wallet, DOLLAR).promotion_micros == DOLLAR
    assert expire_promotion(promotion.pk) == 0

"""Races for one book, and for two: each with the twin that fails once the lock is off. docs/locking.md says what each one is."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from wallet import ledger
from wallet.errors import InsufficientFunds
from wallet.ledger import lock_wallet, lock_wallets, post, post_new
from wallet.models import Promotion, TopUp, Transfer, Wallet
from wallet.services import holds
from wallet.services.holds import place_hold
from wallet.services.promotions import expire_promotion, grant_promotion
from wallet.services.settlement import adopt_payment, settle_payment
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import DOLLAR, adjustment, entry, make_wallet, open_top_up, payment_of, promotion_of
from workspaces.tests.threads import at_once, errors

# One after the other even where tests run side by side: the server has connections for one race at a time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


@pytest.fixture
def lock_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wallet is read without its lock: what a race test must notice."""
    monkeypatch.setattr(ledger, "lock_wallet", lambda wallet_id: Wallet.objects.get(pk=wallet_id))


# ---------------------------------------------------------------- one key, fifty times at once


def post_one_key(wallet: Wallet) -> list[object]:
    return at_once([lambda: post(wallet.pk, [entry(DOLLAR, key="call-1")])[0].seq] * 50)


def test_it_posts_one_key_once_however_many_bring_it() -> None:
    wallet = make_wallet()

    outcomes = post_one_key(wallet)

    assert outcomes == [1] * 50
    assert Transfer.objects.get().balance_after_micros == -DOLLAR
    assert_books_balance()


def test_it_would_fail_those_who_come_second_without_the_lock(lock_is_off: None) -> None:
    failed = errors(post_one_key(make_wallet()))

    assert failed
    assert all(isinstance(error, IntegrityError) for error in failed)


# ---------------------------------------------------------------- a hundred keys at once


def post_a_hundred(wallet: Wallet) -> list[object]:
    """Twenty at a time, each posting five in a row."""

    def five(number: int) -> None:
        for place in range(5):
            post(wallet.pk, [entry(DOLLAR, key=f"call-{number}-{place}")])

    return at_once([partial(five, number) for number in range(20)])


def test_it_leaves_no_hole_and_no_step_back_in_time() -> None:
    wallet = make_wallet()

    outcomes = post_a_hundred(wallet)

    assert errors(outcomes) == []
    rows = Transfer.objects.order_by("seq")
    assert [row.seq for row in rows] == list(range(1, 101))
    assert [row.balance_after_micros for row in rows] == [-DOLLAR * seq for seq in range(1, 101)]
    assert [row.posted_at for row in rows] == sorted(row.posted_at for row in rows)
    assert_books_balance()


def test_it_would_lose_charges_without_the_lock(lock_is_off: None) -> None:
    wallet = make_wallet()

    outcomes = post_a_hundred(wallet)

    assert any(isinstance(error, IntegrityError) for error in errors(outcomes))
    assert Transfer.objects.count() < 100


# ---------------------------------------------------------------- given credit


def test_it_spends_given_credit_once() -> None:
    wallet = make_wallet()
    promotion_of(wallet, 10 * DOLLAR)

    outcomes = at_once([lambda: post(wallet.pk, [entry(DOLLAR)])] * 20)

    assert errors(outcomes) == []
    assert sum(row.promotion_micros for row in Transfer.objects.filter(kind="use")) == 10 * DOLLAR
    assert_books_balance()


def test_it_grants_a_promotion_once() -> None:
    wallet = make_wallet()
    grant = partial(grant_promotion, wallet, amount_micros=DOLLAR, reason="Welcome", expires_at=None, idempotency_key="welcome")

    outcomes = at_once([lambda: grant().pk] * 20)

    assert len(set(map(str, outcomes))) == 1
    assert Promotion.objects.get().remaining_micros == DOLLAR
    assert_books_balance()


def test_it_expires_a_promotion_once() -> None:
    wallet = make_wallet()
    promotion = promotion_of(wallet, DOLLAR)
    Promotion.objects.filter(pk=promotion.pk).update(expires_at=promotion.created_at)

    outcomes = at_once([partial(expire_promotion, promotion.pk)] * 10)

    assert sorted(map(str, outcomes)) == ["0"] * 9 + [str(DOLLAR)]
    assert_books_balance()


# ---------------------------------------------------------------- two books, from both ends


Lock = Callable[[Sequence[int]], Mapping[int, Wallet]]


def post_to_both(first: Wallet, second: Wallet, *, lock: Lock) -> list[object]:
    """Two batches over the same two books, each naming another one first."""

    @transaction.atomic
    def batch(wallet_ids: Sequence[int]) -> None:
        post_new(lock(wallet_ids), {wallet_id: [entry(1)] for wallet_id in wallet_ids})

    return at_once([partial(batch, [first.pk, second.pk]), partial(batch, [second.pk, first.pk])] * 10)


def test_it_locks_many_books_in_one_order() -> None:
    outcomes = post_to_both(make_wallet(), make_wallet(), lock=lock_wallets)

    assert errors(outcomes) == []
    assert_books_balance()


def test_it_would_wait_in_a_circle_if_each_batch_chose_its_order() -> None:
    def lock_as_named(wallet_ids: Sequence[int]) -> Mapping[int, Wallet]:
        first = lock_wallet(wallet_ids[0])
        time.sleep(0.05)
        return {first.pk: first, wallet_ids[1]: lock_wallet(wallet_ids[1])}

    failed = errors(post_to_both(make_wallet(), make_wallet(), lock=lock_as_named))

    assert any(isinstance(error, OperationalError) and "deadlock detected" in str(error) for error in failed)
    assert_books_balance()


# ---------------------------------------------------------------- what need not wait


@transaction.atomic
def lock_for_update(wallet_id: int) -> Wallet:
    """As lock_wallet would be with the strongest lock there is."""
    return Wallet.objects.select_for_update().get(pk=wallet_id)


def add_a_row_while_locked(wallet: Wallet, *, lock: Callable[[int], Wallet]) -> object:
    """Somebody adds a row that names the wallet, and does not care for its money, while another holds the lock."""
    is_locked, was_added = threading.Event(), threading.Event()

    def hold_the_lock() -> None:
        with transaction.atomic():
            lock(wallet.pk)
            is_locked.set()
            was_added.wait(timeout=10)

    def add() -> None:
        is_locked.wait(timeout=10)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
                wallet.notices.create(kind="receipt", recipient="alice@example.com", reference="1")
        finally:
            was_added.set()

    return at_once([hold_the_lock, add])[1]


def test_it_lets_rows_that_only_name_the_wallet_be_added_meanwhile() -> None:
    assert add_a_row_while_locked(make_wallet(), lock=lock_wallet) is None


def test_it_would_make_them_wait_with_a_stronger_lock() -> None:
    outcome = add_a_row_while_locked(make_wallet(), lock=lock_for_update)

    assert isinstance(outcome, OperationalError)
    assert "lock timeout" in str(outcome)


# ---------------------------------------------------------------- the last money


def ask_for_more_than_there_is(wallet: Wallet) -> int:
    """A hundred ask to set one aside, twenty at a time, of the sixty that there are (faults: C12); how many were told yes."""

    def five(number: int) -> int:
        yes = 0
        for place in range(5):
            try:
                place_hold(wallet.pk, amount_micros=1, reference="call", idempotency_key=f"{number}-{place}", lifetime=timedelta(hours=1))
            except InsufficientFunds:
                continue
            yes += 1
        return yes

    return sum(answer for answer in at_once([partial(five, number) for number in range(20)]) if isinstance(answer, int))


def test_it_holds_no_more_than_there_is() -> None:
    wallet = make_wallet()
    post(wallet.pk, [adjustment(60)])

    assert ask_for_more_than_there_is(wallet) == 60
    wallet.refresh_from_db()
    assert wallet.available_micros == 0
    assert_books_balance()


def test_it_would_promise_the_same_money_twice_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "lock_wallet", lambda wallet_id: Wallet.objects.get(pk=wallet_id))
    wallet = make_wallet()
    post(wallet.pk, [adjustment(60)])

    assert ask_for_more_than_there_is(wallet) > 60


# ---------------------------------------------------------------- a payment that is adopted while it is settled


def test_it_adopts_a_payment_while_others_settle_it() -> None:
    """Both lock the top-up before the wallet; the other order would make them wait in a circle."""
    wallet = make_wallet()
    payment = payment_of(open_top_up(wallet, DOLLAR), top_up_id="")
    TopUp.objects.update(payment_intent_id=payment.id)

    outcomes = at_once([partial(adopt_payment, payment), partial(settle_payment, payment)] * 10)

    assert errors(outcomes) == []
    assert Transfer.objects.get().amount_micros == DOLLAR
    assert_books_balance()

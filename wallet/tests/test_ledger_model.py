"""Whatever is posted, granted, held and expired, in whatever order: the book is as a few lines of Python say it must be."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule, run_state_machine_as_test

from wallet.errors import IdempotencyConflict, InsufficientFunds
from wallet.ledger import post
from wallet.models import Hold, Promotion, Transfer, Wallet
from wallet.services.holds import place_hold, release_hold
from wallet.services.promotions import expire_promotion, grant_promotion
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import adjustment, entry, make_wallet

AMOUNTS, SMALL_AMOUNTS = st.integers(1, 30), st.integers(1, 8)
"""More comes in than goes out, so that there is mostly something to hold."""
HOUR = timedelta(hours=1)
PAST_DAYS = 10
"""Further back than any promotion lasts, so that those whose time has come keep their order."""
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@dataclass
class Gift:
    """A promotion, as the model knows it."""

    amount: int
    left: int
    expires_in: int | None
    row: Promotion


@dataclass
class Book:
    """What a wallet must be: nothing of it is read from the database."""

    balance: int = 0
    rows: list[tuple[str, int, int, int]] = field(default_factory=list)
    charged: dict[str, int] = field(default_factory=dict)
    gifts: list[Gift] = field(default_factory=list)
    held: int = 0

    @property
    def given(self) -> int:
        return sum(gift.left for gift in self.gifts)

    def move(self, kind: str, change: int, *, given: int = 0) -> None:
        self.balance += change
        self.rows.append((kind, change, given, self.balance))

    def charge(self, key: str, amount: int) -> None:
        if key in self.charged:
            return
        self.charged[key] = amount
        left = amount
        for gift in sorted(self.gifts, key=lambda gift: (gift.expires_in is None, gift.expires_in or 0, gift.row.pk)):
            part = min(left, gift.left)
            gift.left -= part
            left -= part
        self.move("use", -amount, given=amount - left)

    def expire(self, gift: Gift) -> None:
        gone = min(gift.left, max(0, self.given - self.held))
        if gone:
            gift.left -= gone
            self.move("promotion_expired", -gone, given=gone)


class LedgerMachine(RuleBasedStateMachine):
    """Acts on a real wallet, and on the model of it."""

    gifts: Bundle[Gift] = Bundle("gifts")
    holds: Bundle[Hold] = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.began = timezone.now()
        self.book = Book()
        self.count = 0

    @initialize()
    def open(self) -> None:
        self.wallet = make_wallet()

    def teardown(self) -> None:
        assert_books_balance()
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    # ---------------------------------------------------------------- acts

    @rule(amount=AMOUNTS)
    def pay_in(self, amount: int) -> None:
        post(self.wallet.pk, [adjustment(amount)])
        self.book.move("adjustment", amount)

    @rule(batch=st.lists(st.tuples(KEYS, SMALL_AMOUNTS), min_size=1, max_size=5))
    def charge(self, batch: list[tuple[str, int]]) -> None:
        """A batch with repeats in it, of keys that may stand already; other content under one key is refused, whole."""
        wanted = dict(self.book.charged)
        conflict = any(wanted.setdefault(key, amount) != amount for key, amount in batch)
        entries = [entry(amount, key=key) for key, amount in batch]
        if conflict:
            with pytest.raises(IdempotencyConflict), transaction.atomic():
                post(self.wallet.pk, entries)
            return
        answered = post(self.wallet.pk, entries)
        assert [(row.idempotency_key, row.amount_micros) for row in answered] == batch
        for key, amount in batch:
            self.book.charge(key, amount)

    @rule(target=gifts, amount=AMOUNTS, expires_in=st.none() | st.integers(1, 3))
    def grant(self, amount: int, expires_in: int | None) -> Gift:
        self.count += 1
        expires_at = self.began + timedelta(days=expires_in) if expires_in else None
        row = grant_promotion(self.wallet, amount_micros=amount, reason="Gift", expires_at=expires_at, idempotency_key=f"gift-{self.count}")
        gift = Gift(amount, amount, expires_in, row)
        self.book.gifts.append(gift)
        self.book.move("promotion", amount, given=amount)
        return gift

    @rule(gift=gifts)
    def expire(self, gift: Gift) -> None:
        """Its time comes, and the sweep; what never expires is asked in vain."""
        if gift.expires_in is not None:
            if gift.expires_in > 0:
                gift.expires_in -= PAST_DAYS
                Promotion.objects.filter(pk=gift.row.pk).update(expires_at=self.began + timedelta(days=gift.expires_in))
            self.book.expire(gift)
        expire_promotion(gift.row.pk)

    @rule(target=holds, amount=SMALL_AMOUNTS)
    def hold(self, amount: int) -> Any:
        self.count += 1
        try:
            with transaction.atomic():
                held = place_hold(
                    self.wallet.pk,
                    amount_micros=amount,
                    reference="call",
                    idempotency_key=f"hold-{self.count}",
                    lifetime=timedelta(hours=1),
                )
        except InsufficientFunds:
            assert self.book.balance - self.book.held < amount
            return multiple()
        self.book.held += amount
        assert self.book.balance - self.book.held >= 0
        return held

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        release_hold(hold)
        self.book.held -= hold.amount_micros

    # ---------------------------------------------------------------- what must hold after each

    @invariant()
    def the_wallet_is_as_the_model_says(self) -> None:
        wallet = Wallet.objects.get(pk=self.wallet.pk)
        assert (wallet.balance_micros, wallet.held_micros, wallet.promotion_micros, wallet.last_seq) == (
            self.book.balance,
            self.book.held,
            self.book.given,
            len(self.book.rows),
        )

    @invariant()
    def each_promotion_has_left_what_the_model_says(self) -> None:
        left = dict(Promotion.objects.filter(wallet=self.wallet).values_list("pk", "remaining_micros"))
        assert left == {gift.row.pk: gift.left for gift in self.book.gifts}

    @invariant()
    def the_newest_row_is_the_models(self) -> None:
        newest = Transfer.objects.filter(wallet=self.wallet).order_by("-seq").first()
        if newest is not None:
            assert (newest.kind, newest.change_micros, newest.promotion_micros, newest.balance_after_micros) == self.book.rows[-1]


@pytest.mark.django_db
def test_it_is_what_a_plain_model_says() -> None:
    run_state_machine_as_test(LedgerMachine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))

"""Every example of docs/ledger.md, played through the product's own services and compared row by row."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from wallet.errors import IdempotencyConflict, InsufficientFunds
from wallet.ledger import lock_wallets, post
from wallet.models import Hold, Promotion, Refund, TopUp, Transfer, Wallet
from wallet.money import MICROS
from wallet.services.books import CHECKS
from wallet.services.holds import capture_holds, expire_hold, place_hold, release_hold
from wallet.services.promotions import expire_promotion
from wallet.services.settlement import settle_payment
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import (
    adjustment,
    charge,
    dispute_of,
    entry,
    make_wallet,
    open_top_up,
    payment_of,
    promotion_of,
    refund_of,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"
Row = dict[str, str]
REFUSALS = (IdempotencyConflict, InsufficientFunds)


def tables() -> list[list[Row]]:
    """The page's tables, each row by the names of its columns."""
    found: list[list[Row]] = []
    names: list[str] = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            names = []
        elif not names:
            names = cells
            found.append([])
        elif set(cells[0]) != {"-"}:
            found[-1].append(dict(zip(names, cells, strict=True)))
    return [table for table in found if table]


EXAMPLES = [table for table in tables() if "What happens" in table[0]]


def micros(cell: str) -> int:
    """What a cell such as −$1.25 stands for."""
    number = Decimal(cell.replace("−", "-").replace("$", "").replace(",", ""))
    return int(number * MICROS)


@dataclass
class Story:
    """A wallet, and what the next act may refer to."""

    wallet: Wallet = field(default_factory=make_wallet)
    top_up: TopUp | None = None
    refund: Refund | None = None
    hold: Hold | None = None
    promotion: Promotion | None = None
    count: int = 0

    def act(self, words: str) -> None:
        """Do what the words say; a pattern per kind of act."""
        self.count += 1
        for pattern, do in ACTS.items():
            if match := re.fullmatch(pattern.replace("$M", r"\$([0-9.]+)"), words):
                return do(self, *(micros(amount) for amount in match.groups()))
        raise AssertionError(f"Nobody knows how to play {words!r}.")

    def pay(self, amount_micros: int) -> None:
        self.top_up = settle_payment(payment_of(open_top_up(self.wallet, amount_micros)))

    def pay_again(self) -> None:
        assert self.top_up is not None
        settle_payment(payment_of(self.top_up))

    def call(self, amount_micros: int = 0) -> None:
        charge(self.wallet, amount_micros, key=f"call-{self.count}")

    def call_again(self, *other: int) -> None:
        first = Transfer.objects.filter(wallet=self.wallet, kind="use").latest("seq")
        charge(self.wallet, *(other or (first.amount_micros,)), key=first.idempotency_key)

    def adjust(self, amount_micros: int) -> None:
        post(self.wallet.pk, [adjustment(amount_micros)])

    def set_aside(self, amount_micros: int) -> None:
        lifetime = timedelta(hours=1)
        self.hold = place_hold(
            self.wallet.pk, amount_micros=amount_micros, reference="call", idempotency_key=f"hold-{self.count}", lifetime=lifetime
        )

    @transaction.atomic
    def end_use(self, amount_micros: int) -> None:
        assert self.hold is not None
        post(self.wallet.pk, [entry(amount_micros, key=f"use-{self.count}")])
        capture_holds(lock_wallets([self.wallet.pk]), {(self.wallet.pk, self.hold.id.hex): amount_micros})

    def release(self) -> None:
        assert self.hold is not None
        release_hold(self.hold)

    def expire_the_hold(self) -> None:
        assert self.hold is not None
        Hold.objects.filter(pk=self.hold.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
        assert expire_hold(self.wallet.pk, self.hold.id)

    def give(self, amount_micros: int, *, expires_in: timedelta | None = None) -> None:
        promotion = promotion_of(self.wallet, amount_micros, expires_in=expires_in)
        self.promotion = promotion if expires_in else self.promotion

    def pass_the_days(self) -> None:
        assert self.promotion is not None
        Promotion.objects.filter(pk=self.promotion.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
        self.sweep()

    def sweep(self) -> None:
        assert self.promotion is not None
        expire_promotion(self.promotion.pk)

    def refund_part(self, amount_micros: int) -> None:
        assert self.top_up is not None
        self.refund = refund_of(self.top_up, amount_micros)

    def refund_again(self, status: str = "succeeded") -> None:
        assert self.refund is not None
        number = self.refund.stripe_refund_id.removeprefix("re_")
        refund_of(self.refund.top_up, self.refund.amount_micros, number=number, status=status)

    def dispute(self, **state: Any) -> None:
        assert self.top_up is not None
        dispute_of(self.top_up, **state)


ACTS: dict[str, Callable[..., None]] = {
    "A top-up of $M is paid": Story.pay,
    "Stripe tells of the top-up again": Story.pay_again,
    "A call costs $M": Story.call,
    "A call is free": Story.call,
    "The call is reported again": Story.call_again,
    "The call is reported again, at $M": Story.call_again,
    "The operator puts $M back": Story.adjust,
    "A hold of $M is placed": Story.set_aside,
    "The use ends and costs $M": Story.end_use,
    "The hold is released": Story.release,
    "The hold expires": Story.expire_the_hold,
    r"$M is given for good": Story.give,
    r"$M is given for 30 days": lambda story, amount: story.give(amount, expires_in=timedelta(days=30)),
    "The 30 days are over": Story.pass_the_days,
    "The sweep comes again": Story.sweep,
    "Stripe refunds $M": Story.refund_part,
    "Stripe tells of the refund again": Story.refund_again,
    "The refund fails": lambda story: story.refund_again("failed"),
    "The bank inquires": lambda story: story.dispute(status="warning_needs_response"),
    "The bank takes $M": lambda story, amount: story.dispute(status="needs_response", withdrawn_micros=amount),
    "The dispute is won": lambda story: story.dispute(status="won", withdrawn_micros=20 * MICROS, reinstated_micros=20 * MICROS),
    "The dispute is lost": lambda story: story.dispute(status="lost", withdrawn_micros=20 * MICROS),
}


def posted(rows: list[Transfer], *, refused: bool) -> Row:
    """What an act did to the book, as the page would write it."""
    if refused or not rows:
        return {"Row": "refused" if refused else "–", "From → to": "", "Amount": "", "Given part": ""}
    (row,) = rows
    return {
        "Row": str(row.seq),
        "From → to": f"{row.debit} → {row.credit}",
        "Amount": str(row.amount_micros),
        "Given part": str(row.promotion_micros),
    }


def state_of(wallet: Wallet) -> Row:
    """Where the wallet stands."""
    wallet.refresh_from_db()
    sums = {"Balance": wallet.balance_micros, "Held": wallet.held_micros, "Available": wallet.available_micros}
    return {name: str(value) for name, value in {**sums, "Given left": wallet.promotion_micros}.items()}


def as_written(cells: Row) -> Row:
    """The page's cells, with money in micros."""
    return {name: str(micros(cell)) if "$" in cell else cell for name, cell in cells.items() if name != "What happens"}


@pytest.mark.django_db
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[-1]["What happens"])
def test_it_books_as_the_page_says(example: list[Row]) -> None:
    story = Story()

    for line in example:
        seq_before = story.wallet.last_seq
        refused = False
        try:
            with transaction.atomic():
                story.act(line["What happens"])
        except REFUSALS:
            refused = True
        rows = Transfer.objects.filter(wallet=story.wallet, seq__gt=seq_before)

        is_now = {**posted(list(rows), refused=refused), **state_of(story.wallet)}
        said = as_written(line)
        assert {name: is_now[name] for name in said} == said, line["What happens"]
    assert_books_balance()


def test_it_plays_every_example_and_every_act() -> None:
    told = {line["What happens"] for example in EXAMPLES for line in example}

    assert len(EXAMPLES) == 9
    for pattern in ACTS:
        assert any(re.fullmatch(pattern.replace("$M", r"\$([0-9.]+)"), words) for words in told), pattern


def test_it_lists_every_check() -> None:
    (listed,) = (table for table in tables() if "Check" in table[0])

    assert {row["Check"]: row["What it proves"] for row in listed if row["Check"] != "accounts"} == {
        check.name: check.proves for check in CHECKS
    }

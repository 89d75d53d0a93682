"""What a use costs: against the examples of the field, and against a model that counts unit by unit."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.errors import AmountTooLarge, BadQuantity
from usage.rating import QUANTITY_MAX, Rate, Tier, affordable_quantity, billed, first_block_cost, rate_use
from usage.tests.rates import make_rate, rates
from wallet.money import MAX_MICROS

quantities = st.integers(0, 400)
used = st.integers(0, 250)


def counted_out(quantity: int, *, first_block: int, step: int) -> int:
    """Billed units as a clerk would count them: the first block, then step after step until the use is covered."""
    units = first_block if quantity else 0
    while units < quantity:
        units += step
    return units


def counted_price(rate: Rate, *, quantity: int, used_this_month: int) -> Fraction:
    """The exact price before rounding, each unit looked up by itself."""
    total = 0
    for position in range(used_this_month + 1, used_this_month + counted_out(quantity, first_block=rate.first_block, step=rate.step) + 1):
        prices = [tier.price_micros for tier in rate.tiers if tier.up_to is None or position <= tier.up_to]
        total += prices[0] if prices else rate.price_micros
    return Fraction(total, rate.per_units)


# ---------------------------------------------------------------- increments
@pytest.mark.parametrize(
    ("increment", "seconds", "expected"),
    [
        ((30, 6), 10, 30),
        ((30, 6), 30, 30),
        ((30, 6), 31, 36),
        ((30, 6), 36, 36),
        ((30, 6), 37, 42),
        ((6, 6), 8, 12),
        ((60, 60), 61, 120),
        ((60, 60), 60, 60),
        ((1, 1), 7, 7),
        ((1, 1), 1, 1),
        ((60, 1), 61, 61),
        ((60, 60), 0, 0),
    ],
)
def test_it_bills_by_first_block_and_step(increment: tuple[int, int], seconds: int, expected: int) -> None:
    assert billed(seconds, first_block=increment[0], step=increment[1]) == expected


@given(quantity=quantities, first_block=st.integers(1, 70), step=st.integers(1, 70))
def test_it_bills_what_a_clerk_would_count(quantity: int, first_block: int, step: int) -> None:
    assert billed(quantity, first_block=first_block, step=step) == counted_out(quantity, first_block=first_block, step=step)


# ---------------------------------------------------------------- prices
@given(rate=rates(), quantity=quantities, used_this_month=used)
def test_it_charges_the_counted_price_rounded_once_half_up(rate: Rate, quantity: int, used_this_month: int) -> None:
    exact = counted_price(rate, quantity=quantity, used_this_month=used_this_month)
    fee = rate.setup_fee_micros if quantity else 0

    rated = rate_use(rate, quantity=quantity, used_this_month=used_this_month)

    assert rated.amount_micros == floor(exact + Fraction(1, 2)) + fee
    assert rated.amount_micros + Fraction(rated.remainder, rate.per_units) == exact + fee
    assert rated.billed_quantity == counted_out(quantity, first_block=rate.first_block, step=rate.step)
    assert (rated.rate_id, rated.prefix, rated.quantity) == (rate.id, rate.prefix, quantity)


@given(rate=rates(), quantity=quantities, used_this_month=used)
def test_it_never_charges_less_for_more(rate: Rate, quantity: int, used_this_month: int) -> None:
    less = rate_use(rate, quantity=quantity, used_this_month=used_this_month)
    more = rate_use(rate, quantity=quantity + 1, used_this_month=used_this_month)

    assert less.amount_micros <= more.amount_micros


def test_it_charges_nothing_for_an_unanswered_call() -> None:
    rated = rate_use(make_rate(setup_fee_micros=50_000, first_block=60, step=60), quantity=0)

    assert (rated.amount_micros, rated.billed_quantity, rated.remainder) == (0, 0, 0)


def test_it_adds_the_set_up_fee_once() -> None:
    rate = make_rate(setup_fee_micros=50_000, first_block=60, step=60, price_micros=1_000)

    assert rate_use(rate, quantity=1).amount_micros == 50_000 + 60 * 1_000
    assert rate_use(rate, quantity=600).amount_micros == 50_000 + 600 * 1_000


@pytest.mark.parametrize(("units", "amount_micros", "remainder"), [(1, 0, 1), (2, 1, -1), (3, 1, 0), (4, 1, 1), (5, 2, -1)])
def test_it_keeps_what_rounding_dropped_or_added(units: int, amount_micros: int, remainder: int) -> None:
    rated = rate_use(make_rate(price_micros=1, per_units=3), quantity=units)

    assert (rated.amount_micros, rated.remainder) == (amount_micros, remainder)


def test_it_rounds_exactly_one_half_up() -> None:
    rated = rate_use(make_rate(price_micros=1, per_units=2), quantity=1)

    assert (rated.amount_micros, rated.remainder) == (1, -1)


def test_it_prices_tokens_far_below_a_cent() -> None:
    rate = make_rate(meter="ai_tokens_in", price_micros=1_500_000, per_units=1_000_000)

    assert rate_use(rate, quantity=1).amount_micros == 2
    assert rate_use(rate, quantity=1_000_000).amount_micros == 1_500_000


TIERS = (Tier(1_000, 50_000), Tier(5_000, 40_000), Tier(None, 30_000))


@pytest.mark.parametrize(
    ("before", "quantity", "amount_micros"),
    [
        (0, 1_000, 1_000 * 50_000),
        (999, 2, 50_000 + 40_000),
        (1_000, 1, 40_000),
        (900, 4_200, 100 * 50_000 + 4_000 * 40_000 + 100 * 30_000),
        (5_000, 3, 3 * 30_000),
    ],
)
def test_it_takes_each_unit_in_the_tier_it_falls_into(before: int, quantity: int, amount_micros: int) -> None:
    rate = make_rate(tiers=TIERS, price_micros=50_000)

    assert rate_use(rate, quantity=quantity, used_this_month=before).amount_micros == amount_micros


@pytest.mark.parametrize("quantity", [-1, QUANTITY_MAX + 1, 10**30])
def test_it_refuses_quantities_that_cannot_be(quantity: int) -> None:
    with pytest.raises(BadQuantity):
        rate_use(make_rate(), quantity=quantity)


def test_it_refuses_a_month_that_cannot_be() -> None:
    with pytest.raises(BadQuantity):
        rate_use(make_rate(tiers=TIERS), quantity=1, used_this_month=-1)


def test_it_refuses_an_amount_that_no_wallet_can_hold() -> None:
    rate = make_rate(price_micros=MAX_MICROS)

    assert rate_use(rate, quantity=1).amount_micros == MAX_MICROS
    with pytest.raises(AmountTooLarge):
        rate_use(rate, quantity=2)


# ---------------------------------------------------------------- what the money buys
@given(rate=rates(), quantity=st.integers(1, 400), used_this_month=used)
def test_it_asks_the_price_of_the_shortest_use_before_it_starts(rate: Rate, quantity: int, used_this_month: int) -> None:
    least = first_block_cost(rate, used_this_month=used_this_month)

    assert least == rate_use(rate, quantity=1, used_this_month=used_this_month).amount_micros
    assert least <= rate_use(rate, quantity=quantity, used_this_month=used_this_month).amount_micros


@given(rate=rates(), available_micros=st.integers(-1_000, 10**8), used_this_month=used, most=quantities)
def test_it_finds_the_longest_use_that_the_money_buys(rate: Rate, available_micros: int, used_this_month: int, most: int) -> None:
    quantity = affordable_quantity(rate, available_micros=available_micros, used_this_month=used_this_month, most=most)

    assert 0 <= quantity <= most
    assert rate_use(rate, quantity=quantity, used_this_month=used_this_month).amount_micros <= max(available_micros, 0)
    if quantity < most:
        assert rate_use(rate, quantity=quantity + 1, used_this_month=used_this_month).amount_micros > max(available_micros, 0)


@given(rate=rates(), quantity=quantities, used_this_month=used)
def test_it_buys_what_was_paid_for(rate: Rate, quantity: int, used_this_month: int) -> None:
    cost = rate_use(rate, quantity=quantity, used_this_month=used_this_month).amount_micros

    assert affordable_quantity(rate, available_micros=cost, used_this_month=used_this_month, most=QUANTITY_MAX) >= quantity
    if cost:
        assert affordable_quantity(rate, available_micros=cost - 1, used_this_month=used_this_month, most=QUANTITY_MAX) < quantity


def test_it_gives_whole_blocks_for_the_money() -> None:
    rate = make_rate(first_block=30, step=6)

    assert affordable_quantity(rate, available_micros=299_999, most=3_600) == 0
    assert affordable_quantity(rate, available_micros=300_000, most=3_600) == 30
    assert affordable_quantity(rate, available_micros=359_999, most=3_600) == 30
    assert affordable_quantity(rate, available_micros=360_000, most=3_600) == 36


def test_it_counts_the_set_up_fee_before_the_first_second() -> None:
    rate = make_rate(setup_fee_micros=100_000)

    assert affordable_quantity(rate, available_micros=100_000, most=60) == 0
    assert affordable_quantity(rate, available_micros=110_000, most=60) == 1


@pytest.mark.parametrize("available_micros", [-5_000_000, 0, 1])
def test_it_never_stops_what_is_free(available_micros: int) -> None:
    free = make_rate(price_micros=0)
    free_at_first = make_rate(price_micros=0, tiers=(Tier(100, 0), Tier(None, 10_000)))

    assert affordable_quantity(free, available_micros=available_micros, most=3_600) == 3_600
    assert affordable_quantity(free_at_first, available_micros=available_micros, used_this_month=40, most=3_600) == 60


def test_it_stays_exact_where_the_money_is_more_than_any_amount() -> None:
    rate = make_rate(price_micros=MAX_MICROS // 2)

    assert affordable_quantity(rate, available_micros=MAX_MICROS * 10, most=QUANTITY_MAX) == 2


def test_it_refuses_a_longest_use_that_cannot_be() -> None:
    with pytest.raises(BadQuantity):
        affordable_quantity(make_rate(), available_micros=1, most=-1)

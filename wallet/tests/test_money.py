"""Amounts of money in every currency: exact both ways, never rounded unseen, read as people write them."""

from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wallet.money import (
    CURRENCIES,
    MAX_MICROS,
    MICROS,
    Currency,
    InexactAmount,
    MoneyError,
    UnknownCurrency,
    currency_of,
    divide_ceiling,
    divide_half_up,
    format_exact,
    format_money,
    from_minor,
    parse_amount,
    plain_decimal,
    round_together,
    symbol,
    to_minor,
)

currencies = st.sampled_from(sorted(CURRENCIES))
micros = st.integers(-MAX_MICROS, MAX_MICROS)
divisors = st.integers(1, 10**12)
STRIPE_MOST = 99_999_999


def coin_micros(known: Currency) -> int:
    """The smallest amount that Stripe moves in it: a cent, a yen, ten fils."""
    return known.minor_micros * known.minor_step


def number_in(written: str) -> Decimal:
    """What is written, read back without our own help."""
    digits = "".join(character for character in written if character.isdigit() or character == ".")
    return -Decimal(digits) if written.startswith("−") else Decimal(digits)


# ---------------------------------------------------------------- Stripe's smallest units


@given(currencies, st.integers(1, STRIPE_MOST))
def test_it_goes_to_stripes_unit_and_back(currency: str, count: int) -> None:
    known = currency_of(currency)
    minor = count - count % known.minor_step
    assume(minor > 0)

    assert to_minor(from_minor(minor, currency=currency), currency=currency) == minor


@given(currencies, st.integers(1, MAX_MICROS))
def test_it_refuses_what_stripe_cannot_move_exactly(currency: str, amount_micros: int) -> None:
    known = currency_of(currency)
    minor = Fraction(amount_micros, known.minor_micros)
    is_exact = minor.denominator == 1 and minor % known.minor_step == 0

    if is_exact and minor <= STRIPE_MOST:
        assert to_minor(amount_micros, currency=currency) == minor
    else:
        with pytest.raises(InexactAmount):
            to_minor(amount_micros, currency=currency)


@pytest.mark.parametrize("amount_micros", [0, -1, -MICROS])
def test_it_refuses_to_move_nothing_or_less(amount_micros: int) -> None:
    with pytest.raises(InexactAmount):
        to_minor(amount_micros, currency="usd")


@pytest.mark.parametrize(
    ("currency", "minor", "amount_micros"),
    [
        ("usd", 1, 10_000),
        ("usd", 2_000, 20 * MICROS),
        ("jpy", 1, MICROS),
        ("jpy", 500, 500 * MICROS),
        ("kwd", 10, 10_000),
        ("bhd", 5_000, 5 * MICROS),
    ],
)
def test_it_knows_what_a_coin_is(currency: str, minor: int, amount_micros: int) -> None:
    assert to_minor(amount_micros, currency=currency) == minor
    assert from_minor(minor, currency=currency) == amount_micros


def test_it_moves_no_single_fils() -> None:
    """Stripe asks for a zero in the third decimal."""
    assert to_minor(5_010_000, currency="kwd") == 5_010
    with pytest.raises(InexactAmount):
        to_minor(5_001_000, currency="kwd")


@pytest.mark.parametrize("code", CURRENCIES)
def test_it_offers_amounts_that_stripe_can_move(code: str) -> None:
    known = CURRENCIES[code]

    assert known.code == code
    assert known.top_up_least_micros < known.top_up_most_micros
    for amount_micros in (known.top_up_least_micros, known.top_up_most_micros, known.slider_step_micros, *known.quick_amounts_micros):
        assert to_minor(amount_micros, currency=code) > 0
    for amount_micros in known.quick_amounts_micros:
        assert known.top_up_least_micros <= amount_micros <= known.top_up_most_micros


def test_it_names_several_of_each() -> None:
    names = ("usd", "US dollars"), ("eur", "euros"), ("jpy", "Japanese yen"), ("sek", "Swedish kronor"), ("zar", "South African rand")
    for code, many in names:
        assert currency_of(code).many == many


@pytest.mark.parametrize("code", ["", "USD", "us", "usdt", "xyz"])
def test_it_knows_no_other_currency(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        currency_of(code)


# ---------------------------------------------------------------- what people type


@given(currencies, st.integers(0, 10**10), st.booleans())
def test_it_reads_what_it_would_write(currency: str, coins: int, with_spaces: bool) -> None:
    amount_micros = coins * coin_micros(currency_of(currency))
    assume(amount_micros < 10**12 * MICROS)
    text = f"{Decimal(amount_micros).scaleb(-6):f}"

    assert parse_amount(f"  {text}\t" if with_spaces else text, currency=currency) == amount_micros


@given(currencies, st.decimals(0, 10**11, places=6))
def test_it_takes_no_decimals_that_have_no_coin(currency: str, amount: Decimal) -> None:
    amount_micros = int(amount * MICROS)

    if amount_micros % coin_micros(currency_of(currency)):
        with pytest.raises(InexactAmount):
            parse_amount(f"{amount:f}", currency=currency)
    else:
        assert parse_amount(f"{amount:f}", currency=currency) == amount_micros


@given(currencies, st.text())
def test_it_reads_an_amount_or_refuses_it(currency: str, text: str) -> None:
    with suppress(MoneyError):
        assert parse_amount(text, currency=currency) == Decimal(text.strip()) * MICROS


NOT_AMOUNTS = [
    "",
    " ",
    "-1",
    "+1",
    "1,000",
    "1.",
    ".5",
    "1e3",
    "0x10",
    "NaN",
    "Infinity",
    "١٢",
    "２０",
    "1 000",
    "$5",
    "1.2.3",
    "9" * 13,
    "1.1234567",
]


@pytest.mark.parametrize("text", NOT_AMOUNTS)
def test_it_reads_nothing_else(text: str) -> None:
    with pytest.raises(MoneyError, match="Enter an amount such as"):
        parse_amount(text, currency="usd")


@pytest.mark.parametrize(
    ("text", "currency", "hint"),
    [
        ("20.505", "usd", "Use at most 2 decimals for USD."),
        ("20.5", "jpy", "Use whole amounts for JPY."),
        ("20.505", "kwd", "Use at most 2 decimals for KWD."),
    ],
)
def test_it_says_how_many_decimals_there_are(text: str, currency: str, hint: str) -> None:
    with pytest.raises(InexactAmount, match=hint):
        parse_amount(text, currency=currency)


# ---------------------------------------------------------------- what people read


@given(currencies, micros)
def test_it_writes_every_micro_where_it_is_exact(currency: str, amount_micros: int) -> None:
    assert number_in(format_exact(amount_micros, currency=currency)) * MICROS == amount_micros


@given(currencies, micros)
def test_it_never_shows_more_than_there_is(currency: str, amount_micros: int) -> None:
    shown_micros = number_in(format_money(amount_micros, currency=currency)) * MICROS

    assert 0 <= amount_micros - shown_micros < currency_of(currency).minor_micros


@given(currencies, micros, st.booleans())
def test_it_writes_one_sign_and_one_symbol(currency: str, amount_micros: int, signed: bool) -> None:
    for written in (
        format_money(amount_micros, currency=currency, signed=signed),
        format_exact(amount_micros, currency=currency, signed=signed),
    ):
        number = number_in(written)
        sign = "−" if number < 0 else "+" if signed and number > 0 else ""

        assert written.startswith(sign + symbol(currency))
        assert "-" not in written
        assert number >= 0 or amount_micros < 0


@pytest.mark.parametrize(
    ("amount_micros", "currency", "shown", "exact"),
    [
        (0, "usd", "$0.00", "$0.0000"),
        (20 * MICROS, "usd", "$20.00", "$20.0000"),
        (-75_000, "usd", "−$0.08", "−$0.0750"),
        (19_999_999, "usd", "$19.99", "$19.999999"),
        (1_234_567 * MICROS, "eur", "€1,234,567.00", "€1,234,567.0000"),
        (500 * MICROS, "jpy", "¥500", "¥500"),
        (500_500_000, "jpy", "¥500", "¥500.5"),
        (5 * MICROS, "kwd", "KWD 5.000", "KWD 5.0000"),
        (MAX_MICROS, "usd", "$9,223,372,036,854.77", "$9,223,372,036,854.775807"),
    ],
)
def test_it_writes_money_as_people_do(amount_micros: int, currency: str, shown: str, exact: str) -> None:
    assert format_money(amount_micros, currency=currency) == shown
    assert format_exact(amount_micros, currency=currency) == exact


def test_it_puts_a_plus_before_credits_alone() -> None:
    assert [format_money(amount, currency="usd", signed=True) for amount in (MICROS, 0, -MICROS)] == ["+$1.00", "$0.00", "−$1.00"]


# ---------------------------------------------------------------- rounding


@given(micros, divisors)
def test_it_rounds_half_up(dividend: int, divisor: int) -> None:
    exact = Decimal(dividend) / Decimal(divisor)
    assume(Fraction(dividend, divisor) == Fraction(exact))

    assert divide_half_up(dividend, divisor=divisor) == exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)


@given(micros, divisors)
def test_it_rounds_to_the_nearest(dividend: int, divisor: int) -> None:
    distance = abs(Fraction(divide_half_up(dividend, divisor=divisor)) - Fraction(dividend, divisor))

    assert distance <= Fraction(1, 2)


@given(micros, divisors)
def test_it_rounds_up(dividend: int, divisor: int) -> None:
    above = Fraction(divide_ceiling(dividend, divisor=divisor)) - Fraction(dividend, divisor)

    assert 0 <= above < 1


@pytest.mark.parametrize(("dividend", "half_up", "ceiling"), [(5, 3, 3), (-5, -3, -2), (4, 2, 2), (1, 1, 1), (0, 0, 0), (-1, -1, 0)])
def test_it_rounds_a_half_away_from_nothing(dividend: int, half_up: int, ceiling: int) -> None:
    assert (divide_half_up(dividend, divisor=2), divide_ceiling(dividend, divisor=2)) == (half_up, ceiling)


@pytest.mark.parametrize("divisor", [0, -1])
def test_it_divides_by_nothing_less_than_one(divisor: int) -> None:
    for divide in (divide_half_up, divide_ceiling):
        with pytest.raises(MoneyError):
            divide(1, divisor=divisor)


@pytest.mark.parametrize(
    ("amounts", "rounded"),
    [
        ([4_166] * 4, [10_000, 10_000, 0, 0]),  # 1.67 cents are two; the first among equals get them
        ([9_999, 1], [10_000, 0]),
        ([4_999], [0]),
        ([5_000], [10_000]),
        ([12_345_678, 0, 4_322], [12_350_000, 0, 0]),
        ([], []),
    ],
)
def test_it_rounds_amounts_so_that_they_add_up(amounts: list[int], rounded: list[int]) -> None:
    assert round_together(amounts, currency="usd") == rounded


@given(st.lists(st.integers(0, 10**12), max_size=12))
def test_it_rounds_no_amount_by_a_whole_coin(amounts: list[int]) -> None:
    rounded = round_together(amounts, currency="usd")

    assert sum(rounded) == divide_half_up(sum(amounts), divisor=10_000) * 10_000
    assert all(abs(shown - exact) < 10_000 for shown, exact in zip(rounded, amounts, strict=True))


@pytest.mark.parametrize(("micros", "written"), [(0, "0.000000"), (-16_500, "-0.016500"), (-1, "-0.000001"), (10**15, "1000000000.000000")])
def test_it_writes_plain_decimals_for_programs(micros: int, written: str) -> None:
    assert plain_decimal(micros) == written

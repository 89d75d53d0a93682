"""Amounts of money: micros, currencies, parsing, formatting and every rounding there is.

Pure: no Django, no floats. Nothing else in the product may divide or round an amount.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from babel.numbers import get_currency_name, get_currency_symbol

MICROS = 1_000_000
"""Micros in one major unit: $1 is 1,000,000 micros."""

MAX_MICROS = 2**63 - 1
"""The largest amount the database holds (a signed 64-bit integer)."""

_STRIPE_AMOUNT_MAX = 99_999_999  # Stripe: at most eight digits in the smallest unit.
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


class MoneyError(ValueError):
    """An amount that cannot be what it claims to be."""


class InexactAmount(MoneyError):
    """The amount has no exact value in the currency's smallest unit."""


class UnknownCurrency(MoneyError):
    """A currency that no wallet can have."""


@dataclass(frozen=True)
class Currency:
    """A currency and the bounds of one top-up in it, in micros.

    `minor_digits` is how many digits Stripe's smallest unit has (docs.stripe.com/currencies);
    `minor_step` is the multiple it asks for: 10 where the third decimal must be zero.
    `scale` is about how many units are worth a dollar, for limits that are set for all currencies at once.
    """

    code: str
    name: str
    minor_digits: int
    top_up_least_micros: int
    top_up_most_micros: int
    quick_amounts_micros: tuple[int, int, int, int]
    minor_step: int = 1
    scale: int = 1

    @property
    def many(self) -> str:
        """What people call several of them: US dollars, Swedish kronor."""
        return get_currency_name(self.code.upper(), count=2, locale="en")

    @property
    def minor_micros(self) -> int:
        """Micros in the smallest unit: a cent is 10,000."""
        return int(MICROS // 10**self.minor_digits)

    @property
    def slider_step_micros(self) -> int:
        """The step of the Add Balance slider: the least top-up, a round figure in each currency."""
        return self.top_up_least_micros


def _currency(code: str, name: str, *, digits: int = 2, least: int = 5, most: int = 2_000, scale: int = 1) -> Currency:
    quick = (10 * scale * MICROS, 20 * scale * MICROS, 50 * scale * MICROS, 100 * scale * MICROS)
    step = 10 if digits == 3 else 1
    return Currency(code, name, digits, least * scale * MICROS, most * scale * MICROS, quick, step, scale)


CURRENCIES: dict[str, Currency] = {
    currency.code: currency
    for currency in (
        _currency("usd", "US dollar"),
        _currency("eur", "Euro"),
        _currency("gbp", "British pound"),
        _currency("aud", "Australian dollar"),
        _currency("bhd", "Bahraini dinar", digits=3),
        _currency("brl", "Brazilian real", scale=5),
        _currency("cad", "Canadian dollar"),
        _currency("chf", "Swiss franc"),
        _currency("dkk", "Danish krone", scale=10),
        _currency("hkd", "Hong Kong dollar", scale=10),
        _currency("jpy", "Japanese yen", digits=0, scale=100),
        _currency("kwd", "Kuwaiti dinar", digits=3),
        _currency("mxn", "Mexican peso", scale=20),
        _currency("nok", "Norwegian krone", scale=10),
        _currency("nzd", "New Zealand dollar"),
        _currency("pln", "Polish zloty", scale=5),
        _currency("sek", "Swedish krona", scale=10),
        _currency("sgd", "Singapore dollar"),
        _currency("zar", "South African rand", scale=20),
    )
}


def currency_of(code: str) -> Currency:
    """The currency of that ISO 4217 code in lower case; raises UnknownCurrency."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise UnknownCurrency(f"{code!r} is not a currency that a wallet can have.") from None


def to_minor(amount_micros: int, *, currency: str) -> int:
    """Stripe's smallest units for `amount_micros`; raises InexactAmount rather than round.

    Source of the bounds and steps: docs.stripe.com/currencies.
    """
    known = currency_of(currency)
    minor, rest = divmod(amount_micros, known.minor_micros)
    if rest or minor % known.minor_step:
        raise InexactAmount(f"{amount_micros} micros is no whole number of {currency}'s smallest unit.")
    if not 0 < minor <= _STRIPE_AMOUNT_MAX:
        raise InexactAmount(f"{minor} is outside what Stripe can move in one payment.")
    return minor


def from_minor(amount_minor: int, *, currency: str) -> int:
    """Micros for an amount in Stripe's smallest units; always exact."""
    return amount_minor * currency_of(currency).minor_micros


def parse_amount(text: str, *, currency: str) -> int:
    """Micros for what a person typed: digits with at most the currency's decimals, as in `20` or `20.50`.

    Raises MoneyError for signs, separators, exponents, other digits than 0-9 and inexact amounts.
    """
    amount_micros = parse_exact(text)
    to_minor_exact(amount_micros, currency=currency)
    return amount_micros


def parse_exact(text: str) -> int:
    """The same to the micro, for amounts that no card is charged with: `0.075`. Raises: MoneyError."""
    text = text.strip()
    if not text.isascii() or not _AMOUNT.fullmatch(text):
        raise MoneyError("Enter an amount such as 20 or 20.50.")
    return int(Decimal(text) * MICROS)


def to_minor_exact(amount_micros: int, *, currency: str) -> None:
    """Raises InexactAmount where the currency has no coin for the last digits, with words for the person who typed it."""
    known = currency_of(currency)
    step = known.minor_micros * known.minor_step
    if amount_micros % step:
        digits = known.minor_digits - (1 if known.minor_step > 1 else 0)
        coins = "whole amounts" if digits == 0 else f"at most {digits} decimals"
        raise InexactAmount(f"Use {coins} for {known.code.upper()}.")


def round_down_to_coin(amount_micros: int, *, currency: str) -> int:
    """The most of it that Stripe can move; towards zero, for amounts that are not negative."""
    known = currency_of(currency)
    step = known.minor_micros * known.minor_step
    return amount_micros // step * step


def scaled_micros(units: int, *, currency: str) -> int:
    """A limit of so many dollars, in a currency: the same round figure times its scale."""
    return units * currency_of(currency).scale * MICROS


def divide_half_up(dividend: int, *, divisor: int) -> int:
    """The quotient rounded half up (away from zero at exactly one half); `divisor` > 0."""
    if divisor <= 0:
        raise MoneyError("The divisor must be positive.")
    sign = -1 if dividend < 0 else 1
    return sign * ((abs(dividend) * 2 + divisor) // (divisor * 2))


def divide_ceiling(dividend: int, *, divisor: int) -> int:
    """The quotient rounded up; `divisor` > 0."""
    if divisor <= 0:
        raise MoneyError("The divisor must be positive.")
    return -(-dividend // divisor)


def divide_floor(dividend: int, *, divisor: int) -> int:
    """The quotient rounded down; `divisor` > 0."""
    if divisor <= 0:
        raise MoneyError("The divisor must be positive.")
    return dividend // divisor


def round_together(amounts_micros: Sequence[int], *, currency: str) -> list[int]:
    """The amounts in whole coins, so that what is shown adds up: they sum exactly to their sum, rounded half up to a coin.

    Each is rounded down, and the coins that are left go to those that lost most (the first among equals), so that none is
    off by a whole coin. For amounts that are not negative.
    """
    coin = currency_of(currency).minor_micros
    rounded = [amount // coin * coin for amount in amounts_micros]
    left = divide_half_up(sum(amounts_micros), divisor=coin) - sum(rounded) // coin
    by_loss = sorted(range(len(rounded)), key=lambda place: rounded[place] - amounts_micros[place])
    for place in by_loss[:left]:
        rounded[place] += coin
    return rounded


def plain_decimal(amount_micros: int) -> str:
    """`-0.016500`: every micro and nothing but digits, point and sign, as other programs read numbers."""
    return f"{Decimal(amount_micros).scaleb(-6):.6f}"


def symbol(currency: str) -> str:
    """The currency's sign as an English reader writes it: $ or CHF."""
    sign: str = get_currency_symbol(currency.upper(), locale="en_US")
    return f"{sign} " if sign[-1].isalpha() else sign


def format_money(amount_micros: int, *, currency: str, signed: bool = False) -> str:
    """`$12.34`: whole coins, rounded down so that no more is shown than there is. `signed` puts + before credits."""
    digits = currency_of(currency).minor_digits
    shown = (Decimal(amount_micros) / MICROS).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR)
    return _written(shown, currency=currency, signed=signed)


def format_exact(amount_micros: int, *, currency: str, signed: bool = False) -> str:
    """`−$0.0750`: every micro, with at least four decimals where the currency has coins. Never rounds."""
    decimals = exact_decimals(amount_micros, currency=currency)
    return _written(Decimal(amount_micros).scaleb(-6).quantize(Decimal(1).scaleb(-decimals)), currency=currency, signed=signed)


def exact_decimals(amount_micros: int, *, currency: str) -> int:
    """How many decimals `format_exact` writes."""
    least = 4 if currency_of(currency).minor_digits else 0
    needed = -int(Decimal(amount_micros).scaleb(-6).normalize().as_tuple().exponent)
    return max(least, needed)


def _written(amount: Decimal, *, currency: str, signed: bool) -> str:
    sign = "−" if amount < 0 else "+" if signed and amount > 0 else ""
    return f"{sign}{symbol(currency)}{abs(amount):,f}"

"""The rule of automatic payments as arithmetic: what may be set, and how much one charge is. Pure: no Django, no clock.

Source of the policies: one charge closes the gap, and the owner's caps bind whatever happens (docs/reliability.md).
"""

from dataclasses import dataclass
from enum import StrEnum

from wallet.errors import RuleInvalid
from wallet.money import Currency, MoneyError, currency_of, divide_ceiling, divide_floor, format_money, to_minor_exact

DAILY_CHARGES_MOST = 10
DAILY_CHARGES_PROPOSED = 3
MONTHLY_CAP_TIMES_MOST = 50
"""The monthly cap is at most so many of the largest top-ups: a slip of the finger is caught here, not at the bank."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the owner agreed to, in micros: below `threshold_micros` charge `amount_micros`, or bring the balance back to
    `target_micros`; exactly one of the two is set.
    """

    threshold_micros: int
    monthly_cap_micros: int
    amount_micros: int | None = None
    target_micros: int | None = None
    daily_charges_max: int = DAILY_CHARGES_PROPOSED


@dataclass(frozen=True, kw_only=True)
class Charged:
    """What automatic payments have taken, or may be taking, in the workspace's present month and day."""

    month_micros: int = 0
    today: int = 0


class Cap(StrEnum):
    """Why nothing may be charged now, however low the balance."""

    MONTHLY = "monthly_cap"
    DAILY = "daily_charges"


def check_terms(terms: Terms, *, currency: str) -> None:
    """Raises RuleInvalid, which names the field and says what would do."""
    known = currency_of(currency)
    _check_between("threshold", terms.threshold_micros, known.top_up_least_micros, known.top_up_most_micros, known)
    if (terms.amount_micros is None) == (terms.target_micros is None):
        raise RuleInvalid("amount", "Choose either an amount to charge or a balance to bring the wallet back to.")
    if terms.amount_micros is not None:
        _check_between("amount", terms.amount_micros, known.top_up_least_micros, known.top_up_most_micros, known)
        least_cap = terms.amount_micros
    else:
        assert terms.target_micros is not None
        least = terms.threshold_micros + known.top_up_least_micros
        _check_between("target", terms.target_micros, least, terms.threshold_micros + known.top_up_most_micros, known)
        least_cap = known.top_up_least_micros
    _check_between("monthly_cap", terms.monthly_cap_micros, least_cap, known.top_up_most_micros * MONTHLY_CAP_TIMES_MOST, known)
    if not 1 <= terms.daily_charges_max <= DAILY_CHARGES_MOST:
        raise RuleInvalid("daily_charges", f"Choose from 1 to {DAILY_CHARGES_MOST} charges a day.")


def _check_between(field: str, micros: int, least: int, most: int, known: Currency) -> None:
    if not least <= micros <= most:
        low, high = (format_money(bound, currency=known.code) for bound in (least, most))
        raise RuleInvalid(field, f"Choose an amount from {low} to {high}.")
    try:
        to_minor_exact(micros, currency=known.code)
    except MoneyError as error:
        raise RuleInvalid(field, str(error)) from error


def size_charge(terms: Terms, *, expected_micros: int, charged: Charged, currency: str) -> int | Cap:
    """What to charge, in micros, where `expected_micros` (available and what is on its way) is below the threshold.

    One charge closes the gap: the amount, or as many whole amounts as bring it back to the threshold; or what is missing
    to the target. Never more than the monthly cap leaves or one top-up may be.
    """
    known = currency_of(currency)
    if charged.today >= terms.daily_charges_max:
        return Cap.DAILY
    most_micros = min(terms.monthly_cap_micros - charged.month_micros, known.top_up_most_micros)
    if terms.amount_micros is not None:
        wanted = divide_ceiling(terms.threshold_micros - expected_micros, divisor=terms.amount_micros)
        amounts = min(max(wanted, 1), divide_floor(max(most_micros, 0), divisor=terms.amount_micros))
        return amounts * terms.amount_micros or Cap.MONTHLY
    assert terms.target_micros is not None
    coin = known.minor_micros * known.minor_step
    wanted_micros = divide_ceiling(terms.target_micros - expected_micros, divisor=coin) * coin
    charge_micros = min(wanted_micros, divide_floor(max(most_micros, 0), divisor=coin) * coin)
    return charge_micros if charge_micros >= known.top_up_least_micros else Cap.MONTHLY

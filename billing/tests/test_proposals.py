"""What is proposed when automatic payments are switched on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.proposals import propose_terms, round_figure
from wallet.automatic_rule import Terms, check_terms
from wallet.money import CURRENCIES

DOLLAR = 1_000_000
CENT = 10_000


def dollars(terms: Terms) -> tuple[float, float | None, float]:
    amount = terms.amount_micros / DOLLAR if terms.amount_micros else None
    return terms.threshold_micros / DOLLAR, amount, terms.monthly_cap_micros / DOLLAR


@pytest.mark.parametrize(
    ("burn_micros", "proposed"),
    [
        (None, (10, 25, 100)),
        (1, (5, 10, 40)),
        (8 * DOLLAR + 23 * CENT, (10, 60, 400)),
        (10 * DOLLAR, (10, 80, 500)),
        (42 * DOLLAR, (50, 300, 2000)),
        # A charge is at most $2,000, and a cap at most fifty of those.
        (3_000 * DOLLAR, (2000, 2000, 100_000)),
    ],
)
def test_it_proposes_a_day_a_week_and_six_weeks(burn_micros: int | None, proposed: tuple[float, float, float]) -> None:
    assert dollars(propose_terms(burn_micros, currency="usd")) == proposed


@pytest.mark.parametrize(("currency", "proposed"), [("jpy", (1_000, 2_500, 10_000)), ("mxn", (200, 500, 2_000)), ("kwd", (10, 25, 100))])
def test_it_scales_what_it_proposes_to_the_currency(currency: str, proposed: tuple[float, float, float]) -> None:
    assert dollars(propose_terms(None, currency=currency)) == proposed


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
@given(burn_micros=st.one_of(st.none(), st.integers(1, 10**12)))
def test_it_proposes_nothing_that_could_not_be_saved(currency: str, burn_micros: int | None) -> None:
    terms = propose_terms(burn_micros, currency=currency)

    check_terms(terms, currency=currency)
    assert terms.amount_micros is not None
    assert terms.monthly_cap_micros >= 4 * terms.amount_micros


@pytest.mark.parametrize(("amount", "rounded"), [(1, 10), (10, 10), (11, 15), (100, 100), (101, 150), (2_010, 2_500), (81, 100)])
def test_it_rounds_up_to_a_round_figure(amount: int, rounded: int) -> None:
    assert round_figure(amount) == rounded


@given(amount=st.integers(1, 10**15))
def test_it_never_rounds_down_nor_by_more_than_half(amount: int) -> None:
    assert amount <= round_figure(amount) <= max(10, amount + amount // 2)

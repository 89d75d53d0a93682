"""Rates for tests of pricing, without a database: plain ones by hand, and every kind there can be for Hypothesis."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from usage.rating import Rate, Tier

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_rate(**changes: Any) -> Rate:
    """One cent a unit, billed by the unit, in force since long ago, but for what is changed."""
    fields: dict[str, Any] = {
        "id": 1,
        "meter": "call_out",
        "prefix": "",
        "price_micros": 10_000,
        "per_units": 1,
        "setup_fee_micros": 0,
        "first_block": 1,
        "step": 1,
        "tiers": (),
        "valid_from": LONG_AGO,
        "valid_until": None,
    }
    return Rate(**(fields | changes))


_prices = st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 10**7))


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    """None, or some that climb; narrow, so that a use often spans several."""
    ends: list[int | None] = [*sorted(draw(st.sets(st.integers(1, 200), max_size=4))), None]
    return tuple(Tier(end, draw(_prices)) for end in ends) if draw(st.booleans()) else ()


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    """Any rate that the database would take, with blocks small enough to count through."""
    graduated = draw(tiers())
    return make_rate(
        price_micros=graduated[0].price_micros if graduated else draw(_prices),
        per_units=draw(st.sampled_from([1, 2, 3, 60, 1000, 1_000_000])),
        setup_fee_micros=draw(_prices),
        first_block=draw(st.integers(1, 70)),
        step=draw(st.integers(1, 70)),
        tiers=graduated,
    )

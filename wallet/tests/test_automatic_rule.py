"""The rule's arithmetic: bounds of what may be set, and the size of one charge."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.automatic_rule import Cap, Charged, Terms, check_terms, size_charge
from wallet.errors import RuleInvalid
from wallet.money import currency_of
from wallet.services.automatic_charges import cap_opens_at
from wallet.tests.builders import DOLLAR

CENT = DOLLAR // 100


def terms(**dollars: int) -> Terms:
    given = {"threshold": 10, "monthly_cap": 500, **dollars}
    if "target" not in given:
        given.setdefault("amount", 25)
    return Terms(**{f"{name}_micros": value * DOLLAR for name, value in given.items()})


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": -10}, "threshold"),
        ({"threshold": 4}, "threshold"),
        ({"threshold": 2_001}, "threshold"),
        ({"amount": 4}, "amount"),
        ({"amount": 2_001}, "amount"),
        ({"amount": 10**9}, "amount"),
        ({"target": 10}, "target"),
        ({"target": 14}, "target"),
        ({"target": 2_011}, "target"),
        ({"amount": 25, "monthly_cap": 24}, "monthly_cap"),
        ({"monthly_cap": 100_001}, "monthly_cap"),
        ({"amount": 25, "target": 50}, "amount"),
    ],
)
def test_it_names_the_field_that_is_out_of_bounds(changed: dict[str, int], field: str) -> None:
    with pytest.raises(RuleInvalid) as refusal:
        check_terms(terms(**changed), currency="usd")

    assert refusal.value.field == field


@pytest.mark.parametrize("charges", [0, -1, 11])
def test_it_bounds_the_charges_of_a_day(charges: int) -> None:
    with pytest.raises(RuleInvalid) as refusal:
        check_terms(
            Terms(threshold_micros=10 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=500 * DOLLAR, daily_charges_max=charges),
            currency="usd",
        )

    assert refusal.value.field == "daily_charges"


def test_it_refuses_an_amount_without_a_coin() -> None:
    with pytest.raises(RuleInvalid):
        check_terms(Terms(threshold_micros=10 * DOLLAR + 1, amount_micros=25 * DOLLAR, monthly_cap_micros=500 * DOLLAR), currency="usd")


@pytest.mark.parametrize("given", [terms(), terms(target=15), terms(target=2_010), terms(threshold=5, amount=5, monthly_cap=5)])
def test_it_takes_what_is_within_the_bounds(given: Terms) -> None:
    check_terms(given, currency="usd")


@pytest.mark.parametrize(
    ("given", "left", "charged", "charge"),
    [
        (terms(), 9.99, {}, 25),
        (terms(), -14.99, {}, 25),
        (terms(), -15.01, {}, 50),
        (terms(), -500, {}, 500),
        (terms(), -500, {"month": 430}, 50),
        (terms(), 9, {"month": 475}, 25),
        (terms(), 9, {"month": 476}, Cap.MONTHLY),
        (terms(), 9, {"month": 900}, Cap.MONTHLY),
        (terms(), 9, {"today": 3}, Cap.DAILY),
        (terms(amount=300, monthly_cap=9_000), -3_000, {}, 1_800),
        (terms(target=40), 9.99, {}, 30.01),
        (terms(target=40), 9.999999, {}, 30.01),
        (terms(target=40), -20, {"month": 470}, 30),
        (terms(target=40), 9, {"month": 495}, 5),
        (terms(target=40), 9, {"month": 496}, Cap.MONTHLY),
        (terms(target=40, monthly_cap=9_000), -5_000, {}, 2_000),
    ],
)
def test_it_closes_the_gap_within_the_caps(given: Terms, left: float, charged: dict[str, int], charge: float | Cap) -> None:
    so_far = Charged(month_micros=charged.get("month", 0) * DOLLAR, today=charged.get("today", 0))

    found = size_charge(given, expected_micros=round(left * DOLLAR), charged=so_far, currency="usd")

    assert found == (charge if isinstance(charge, Cap) else round(charge * DOLLAR))


@given(
    data=st.data(),
    threshold=st.integers(5, 2_000),
    spent=st.integers(0, 3_000),
    missing=st.integers(1, 10_000 * DOLLAR),
    currency=st.sampled_from(["usd", "jpy", "kwd", "mxn"]),
)
def test_it_never_charges_more_than_the_cap_or_one_top_up(
    data: st.DataObject, threshold: int, spent: int, missing: int, currency: str
) -> None:
    known = currency_of(currency)
    unit = known.top_up_least_micros // 5
    amount = data.draw(st.none() | st.integers(5, 2_000), label="amount")
    target = data.draw(st.integers(threshold + 5, threshold + 2_000), label="target") if amount is None else None
    cap = data.draw(st.integers(amount or 5, 3_000), label="cap")
    rule = Terms(
        threshold_micros=threshold * unit,
        amount_micros=amount and amount * unit,
        target_micros=target and target * unit,
        monthly_cap_micros=cap * unit,
    )
    check_terms(rule, currency=currency)

    charge = size_charge(
        rule, expected_micros=rule.threshold_micros - missing, charged=Charged(month_micros=spent * unit), currency=currency
    )

    if isinstance(charge, Cap):
        assert rule.monthly_cap_micros - spent * unit < (rule.amount_micros or known.top_up_least_micros)
    else:
        assert known.top_up_least_micros <= charge <= min(known.top_up_most_micros, rule.monthly_cap_micros - spent * unit)
        assert charge % (known.minor_micros * known.minor_step) == 0


@pytest.mark.parametrize(
    ("cap", "now", "zone", "opens"),
    [
        (Cap.DAILY, "2026-03-08T04:30Z", "America/New_York", "2026-03-08T05:00Z"),
        (Cap.DAILY, "2026-03-08T06:30Z", "America/New_York", "2026-03-09T04:00Z"),
        (Cap.DAILY, "2026-11-01T05:30Z", "America/New_York", "2026-11-02T05:00Z"),
        (Cap.MONTHLY, "2026-10-31T22:59Z", "Europe/Berlin", "2026-10-31T23:00Z"),
        (Cap.MONTHLY, "2026-10-31T23:00Z", "Europe/Berlin", "2026-11-30T23:00Z"),
        (Cap.MONTHLY, "2027-01-31T12:00Z", "UTC", "2027-02-01T00:00Z"),
        (Cap.MONTHLY, "2026-12-31T23:30Z", "Pacific/Auckland", "2027-01-31T11:00Z"),
        (Cap.DAILY, "2026-09-06T03:30Z", "America/Santiago", "2026-09-06T04:00Z"),
    ],
)
def test_it_opens_the_caps_by_the_workspaces_own_calendar(cap: Cap, now: str, zone: str, opens: str) -> None:
    """Daylight saving moves midnight; in Santiago, one night a year has none, and the next moment after it counts."""
    opened = cap_opens_at(cap, zone=ZoneInfo(zone), now=datetime.fromisoformat(now))

    assert opened.astimezone(UTC) == datetime.fromisoformat(opens)

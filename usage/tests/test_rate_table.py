"""Which rate prices a use: the longest prefix in force, the workspace's own before the default; and emergency numbers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.rating import NO_RATES, CardRates, Rate, RateTable, is_emergency
from usage.tests.rates import LONG_AGO, make_rate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = 12


def table(*default: Rate, own: tuple[Rate, ...] = ()) -> RateTable:
    return RateTable(own=CardRates(own), default=CardRates(default))


def found(rates: RateTable, destination: str, *, at: datetime = NOW, meter: str = "call_out") -> int | None:
    rate = rates.find(meter, destination=destination, at=at)
    return rate.id if rate is not None else None


@st.composite
def cards(draw: st.DrawFn, *, first_id: int) -> list[Rate]:
    """A card as the database lets it be: for one meter and prefix, times that follow each other with or without a gap."""
    rates: list[Rate] = []
    keys = draw(st.sets(st.tuples(st.sampled_from(["call_out", "message_out"]), st.text("12", max_size=4)), max_size=10))
    for meter, prefix in sorted(keys):
        days = sorted(draw(st.sets(st.integers(0, DAYS), min_size=1, max_size=6)))
        for start, end in zip(days[::2], [*days[1::2], None], strict=False):
            valid_until = LONG_AGO + timedelta(days=end) if end is not None else None
            valid_from = LONG_AGO + timedelta(days=start)
            rates.append(make_rate(id=first_id + len(rates), meter=meter, prefix=prefix, valid_from=valid_from, valid_until=valid_until))
    return draw(st.permutations(rates))


def naive(own: list[Rate], default: list[Rate], *, meter: str, digits: str, at: datetime) -> int | None:
    """Every rate looked at: the longest prefix, the own card's where two are as long."""
    fitting = [
        (len(rate.prefix), rate in own, rate.id)
        for rate in own + default
        if rate.meter == meter and digits.startswith(rate.prefix) and rate.is_in_force(at)
    ]
    return max(fitting)[2] if fitting else None


@given(
    own=cards(first_id=1),
    default=cards(first_id=1_000),
    meter=st.sampled_from(["call_out", "message_out", "unknown"]),
    digits=st.text("12", max_size=6),
    hours=st.integers(-1, DAYS * 24 + 1),
)
def test_it_finds_what_looking_at_every_rate_finds(own: list[Rate], default: list[Rate], meter: str, digits: str, hours: int) -> None:
    at = LONG_AGO + timedelta(hours=hours)

    rates = RateTable(own=CardRates(own), default=CardRates(default))

    assert found(rates, f"+{digits}", at=at, meter=meter) == naive(own, default, meter=meter, digits=digits, at=at)


def test_it_prefers_the_longest_prefix() -> None:
    rates = table(make_rate(id=1), make_rate(id=2, prefix="44"), make_rate(id=3, prefix="447"))

    assert found(rates, "+442071838750") == 2
    assert found(rates, "+447400123456") == 3
    assert found(rates, "+14155550142") == 1
    assert found(rates, "") == 1


def test_it_prefers_the_workspaces_own_rate_for_the_same_prefix_alone() -> None:
    rates = table(make_rate(id=1), make_rate(id=2, prefix="447"), own=(make_rate(id=3), make_rate(id=4, prefix="44")))

    assert found(rates, "+14155550142") == 3
    assert found(rates, "+442071838750") == 4
    assert found(rates, "+447400123456") == 2


def test_it_falls_back_to_the_default_card_where_the_own_has_no_rate_in_force() -> None:
    planned = make_rate(id=2, prefix="44", valid_from=NOW + timedelta(days=1))

    assert found(table(make_rate(id=1, prefix="44"), own=(planned,)), "+442071838750") == 1


def test_it_falls_back_to_a_shorter_prefix_where_the_longer_is_not_in_force() -> None:
    ended = make_rate(id=2, prefix="44", valid_until=NOW)

    assert found(table(make_rate(id=1), ended), "+442071838750") == 1


def test_it_changes_the_price_at_the_very_moment() -> None:
    before = make_rate(id=1, valid_until=NOW)
    after = make_rate(id=2, valid_from=NOW)
    rates = table(before, after)

    assert found(rates, "", at=NOW - timedelta(microseconds=1)) == 1
    assert found(rates, "", at=NOW) == 2
    assert found(rates, "", at=NOW.astimezone(timezone(timedelta(hours=-8)))) == 2


def test_it_finds_nothing_where_nothing_prices_it() -> None:
    rates = table(make_rate(prefix="44"))

    assert found(rates, "+14155550142") is None
    assert found(rates, "") is None
    assert found(rates, "+442071838750", meter="message_out") is None
    assert found(rates, "+442071838750", at=LONG_AGO - timedelta(days=1)) is None
    assert found(RateTable(own=NO_RATES, default=NO_RATES), "+442071838750") is None


@pytest.mark.parametrize("destination", ["611", "44", "442071838750", "sip:agent@example.com", "Anonymous", "+", "+١٤٤"])
def test_it_gives_what_is_no_international_number_the_rate_without_prefix(destination: str) -> None:
    """611 is a carrier's service number, not one in Australia (+61)."""
    assert found(table(make_rate(id=1), make_rate(id=2, prefix="61"), make_rate(id=3, prefix="44")), destination) == 1


# ---------------------------------------------------------------- emergency
@pytest.mark.parametrize("number", ["112", "911", "999", "000", "110", "119", "15", "17", "18", "111", "108", "190", "100", "113", "118"])
def test_it_knows_the_emergency_numbers_of_the_world(number: str) -> None:
    assert is_emergency(number)


@pytest.mark.parametrize(
    "number", ["+112", "+911", "+14155550142", "+1911", "911911", "9111", "411", "1", "", "sos", "٩١١", "9 1 1", "999999999999"]
)
def test_it_takes_nothing_else_for_one(number: str) -> None:
    assert not is_emergency(number)

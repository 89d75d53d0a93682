"""What the database refuses to do with prices, whoever asks, and what it tells everyone who has cached them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

import usage.migrations
from usage.models import Meter, MeterKind, PriceVersion, Rate, RateCard
from usage.models.prices import valid_tiers
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Make = Callable[..., Rate]


@pytest.fixture
def meter() -> Meter:
    return Meter.objects.create(key="call_out", name="Outbound calls", unit="second", kind=MeterKind.CALL_OUT)


@pytest.fixture
def card() -> RateCard:
    return RateCard.objects.create(name="Standard", currency="usd")


@pytest.fixture
def make_rate(meter: Meter, card: RateCard) -> Make:
    def make(**changes: Any) -> Rate:
        fields = {"card": card, "meter": meter, "prefix": "1", "price_micros": 14_000, "per_units": 60, "valid_from": LONG_AGO}
        return Rate.objects.create(**(fields | changes))

    return make


def refuses(what: Callable[[], Any], *, naming: str) -> None:
    """The database refuses, and says why in words that can be found."""
    with pytest.raises(IntegrityError, match=naming), transaction.atomic():
        what()


def version() -> PriceVersion:
    return PriceVersion.objects.get()


def test_it_needs_no_superuser_for_the_extension() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper FROM pg_extension JOIN pg_roles ON pg_roles.oid = extowner WHERE extname = 'btree_gist'")

        assert cursor.fetchone() == ("wallet_owner", False)


@pytest.mark.parametrize(
    "changes",
    [
        {"price_micros": 1},
        {"per_units": 1},
        {"prefix": "44"},
        {"first_block": 30},
        {"step": 6},
        {"setup_fee_micros": 5},
        {"tiers": [{"up_to": None, "price_micros": 14_000}]},
        {"valid_from": LONG_AGO - timedelta(days=1)},
    ],
)
def test_it_refuses_to_change_a_rate_that_stands(make_rate: Make, changes: dict[str, Any]) -> None:
    rate = make_rate()

    refuses(lambda: Rate.objects.filter(pk=rate.pk).update(**changes), naming="stands")


def test_it_refuses_to_remove_a_rate(make_rate: Make) -> None:
    rate = make_rate()

    refuses(rate.delete, naming="never removed")


def test_it_lets_a_rate_end_now_or_later_and_not_in_the_past(make_rate: Make) -> None:
    rate = make_rate()
    rows = Rate.objects.filter(pk=rate.pk)

    refuses(lambda: rows.update(valid_until=timezone.now() - timedelta(minutes=1)), naming="past")
    assert rows.update(valid_until=timezone.now() + timedelta(days=1)) == 1
    refuses(lambda: rows.update(valid_until=timezone.now() - timedelta(minutes=1)), naming="past")
    assert rows.update(valid_until=None) == 1


@pytest.mark.django_db(transaction=True)
def test_it_refuses_the_owner_as_well(make_rate: Make, owner_connection: "psycopg2.extensions.connection") -> None:
    make_rate()

    for statement in ("UPDATE usage_rate SET price_micros = 1", "DELETE FROM usage_rate", "TRUNCATE usage_rate CASCADE"):
        with owner_connection.cursor() as cursor, pytest.raises(psycopg2.errors.RestrictViolation):
            cursor.execute(statement)


def test_it_refuses_two_rates_for_the_same_moment(make_rate: Make) -> None:
    make_rate(valid_until=LONG_AGO + timedelta(days=10))

    refuses(lambda: make_rate(valid_from=LONG_AGO + timedelta(days=9)), naming="rate_is_one_at_a_time")
    make_rate(valid_from=LONG_AGO + timedelta(days=10))
    make_rate(prefix="14")


def test_it_lets_a_rate_that_never_came_into_force_stand_beside_another(make_rate: Make) -> None:
    make_rate(valid_until=LONG_AGO)

    make_rate()

    assert Rate.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"price_micros": -1}, "rate_price_is_not_negative"),
        ({"setup_fee_micros": -1}, "rate_setup_fee_is_not_negative"),
        ({"per_units": 0}, "rate_is_per_units"),
        ({"first_block": 0}, "rate_blocks_are_positive"),
        ({"step": 0}, "rate_blocks_are_positive"),
        ({"prefix": "+1"}, "rate_prefix_is_digits"),
        ({"prefix": "1\n"}, "rate_prefix_is_digits"),
        ({"prefix": "١"}, "rate_prefix_is_digits"),
        ({"valid_until": LONG_AGO - timedelta(seconds=1)}, "rate_ends_after_it_begins"),
    ],
)
def test_it_refuses_figures_that_make_no_sense(make_rate: Make, changes: dict[str, Any], constraint: str) -> None:
    refuses(lambda: make_rate(**changes), naming=constraint)


_numbers = st.one_of(st.none(), st.booleans(), st.integers(-1, 5), st.just(2**63 - 1), st.just(2**63), st.just(1.0), st.just("1"))
_sane_tiers = st.lists(st.integers(1, 99), unique=True, max_size=22).map(
    lambda ends: [{"up_to": end, "price_micros": 1} for end in [*sorted(ends), None]]
)
_odd_tier = st.one_of(
    st.fixed_dictionaries({"up_to": _numbers, "price_micros": _numbers}),
    st.dictionaries(st.sampled_from(["up_to", "price_micros", "more"]), _numbers),
    _numbers,
)


@given(tiers=st.one_of(_sane_tiers, st.lists(_odd_tier, max_size=4), _odd_tier))
def test_it_takes_the_tiers_that_the_model_takes_and_no_others(tiers: Any) -> None:
    price_micros = price_of_first(tiers)
    try:
        valid_tiers(tiers)
        takes = True
    except ValidationError:
        takes = False

    with connection.cursor() as cursor:
        cursor.execute("SELECT usage_tiers_are_valid(%s::jsonb, %s)", [json.dumps(tiers), price_micros])

        assert cursor.fetchone() == (takes,)


def price_of_first(tiers: Any) -> int:
    """What the rate itself has to say beside such tiers."""
    first = tiers[0] if isinstance(tiers, list) and tiers else None
    price = first.get("price_micros") if isinstance(first, dict) else None
    return price if type(price) is int and 0 <= price < 2**63 else 0


def test_it_refuses_tiers_that_could_not_be_read(make_rate: Make) -> None:
    refuses(lambda: make_rate(tiers=[{"up_to": 5, "price_micros": 14_000}]), naming="rate_tiers_climb")
    refuses(lambda: make_rate(tiers={"up_to": None}), naming="rate_tiers_climb")
    refuses(lambda: make_rate(tiers=[{"up_to": None, "price_micros": 1}]), naming="rate_tiers_climb")
    make_rate(tiers=[{"up_to": 5, "price_micros": 14_000}, {"up_to": None, "price_micros": 1}])


@pytest.mark.parametrize("key", ["", "Call", "1call", "call out", "call\n", "_call"])
def test_it_refuses_a_key_that_is_no_slug(key: str) -> None:
    refuses(lambda: Meter.objects.create(key=key, name="A", unit="second", kind=MeterKind.LAB), naming="meter_key_is_a_slug")


@pytest.mark.parametrize("changes", [{"unit": "minute"}, {"kind": MeterKind.CALL_IN}])
def test_it_refuses_to_give_a_meter_another_meaning(meter: Meter, changes: dict[str, str]) -> None:
    refuses(lambda: Meter.objects.filter(pk=meter.pk).update(**changes), naming="make another meter")


def test_it_lets_a_meter_be_renamed_and_switched_off(meter: Meter) -> None:
    assert Meter.objects.filter(pk=meter.pk).update(name="Calls", is_active=False) == 1


def test_it_keeps_live_meters_for_lab_use(meter: Meter) -> None:
    lab = Meter.objects.create(key="voice_lab", name="Voice Lab", unit="second", kind=MeterKind.LAB, live_meter=meter)

    refuses(lambda: Meter.objects.filter(pk=meter.pk).update(live_meter=lab), naming="meter_live_meter_is_for_lab_use")
    refuses(lambda: Meter.objects.filter(pk=lab.pk).update(live_meter=lab), naming="meter_is_not_its_own_live_meter")


def test_it_keeps_one_default_card_per_currency_and_one_own_per_workspace(card: RateCard) -> None:
    workspace = Workspace.objects.create(name="Alice's")
    RateCard.objects.create(name="Alice's", currency="usd", workspace=workspace)
    RateCard.objects.create(name="Standard", currency="eur")

    refuses(lambda: RateCard.objects.create(name="Second", currency="usd"), naming="rate_card_default_is_one_per_currency")
    refuses(
        lambda: RateCard.objects.create(name="Second", currency="eur", workspace=workspace), naming="rate_card_own_is_one_per_workspace"
    )


def test_it_refuses_to_give_a_card_to_another_workspace_or_currency(card: RateCard) -> None:
    workspace = Workspace.objects.create(name="Alice's")

    refuses(lambda: RateCard.objects.filter(pk=card.pk).update(currency="eur"), naming="make another card")
    refuses(lambda: RateCard.objects.filter(pk=card.pk).update(workspace=workspace), naming="make another card")
    assert RateCard.objects.filter(pk=card.pk).update(name="Renamed") == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda rate: Meter.objects.create(key="sms", name="SMS", unit="segment", kind=MeterKind.MESSAGE_OUT),
        lambda rate: Meter.objects.filter(pk=rate.meter_id).update(is_active=False),
        lambda rate: RateCard.objects.create(name="Euro", currency="eur"),
        lambda rate: RateCard.objects.filter(pk=rate.card_id).update(name="Renamed"),
        lambda rate: Rate.objects.create(card=rate.card, meter=rate.meter, prefix="44", price_micros=1, valid_from=LONG_AGO),
        lambda rate: Rate.objects.filter(pk=rate.pk).update(valid_until=timezone.now() + timedelta(days=1)),
    ],
)
def test_it_raises_the_version_with_every_change(make_rate: Make, change: Callable[[Rate], Any]) -> None:
    rate = make_rate()
    before = version()

    change(rate)

    after = version()
    assert after.number == before.number + 1
    assert after.token != before.token
    assert after.changed_at > before.changed_at


def test_it_never_gives_two_changes_the_same_token(make_rate: Make) -> None:
    rate = make_rate()
    with transaction.atomic():
        RateCard.objects.filter(pk=rate.card_id).update(name="Rolled back")
        rolled_back = version()
        transaction.set_rollback(True)

    RateCard.objects.filter(pk=rate.card_id).update(name="Stays")

    assert version().number == rolled_back.number
    assert version().token != rolled_back.token


@pytest.mark.django_db(transaction=True)
def test_it_can_be_taken_back_and_put_in_place_again(make_rate: Make, owner_connection: "psycopg2.extensions.connection") -> None:
    make_rate()
    guards = Path(usage.migrations.__file__).parent / "0002_price_guards.py"

    with owner_connection.cursor() as cursor:
        cursor.execute(guards.with_suffix(".reverse.sql").read_text())
        cursor.execute("UPDATE usage_rate SET price_micros = 1")
        cursor.execute(guards.with_suffix(".forward.sql").read_text())
        with pytest.raises(psycopg2.errors.RestrictViolation):
            cursor.execute("UPDATE usage_rate SET price_micros = 2")

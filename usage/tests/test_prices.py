"""Prices looked up, published and ended: at once for everyone, never for the past, all or nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from usage.errors import RateBackdated, RateEnded, RateOverlaps, TermsInvalid, UnknownMeter
from usage.models import Meter, MeterKind, Rate, RateCard
from usage.rating import Rate as Priced
from usage.rating import Tier
from usage.services import prices
from usage.services.prices import (
    RATES_MAX,
    Terms,
    current_prices,
    end_rate,
    open_default_card,
    open_own_card,
    publish_rates,
    rate_table,
)
from wallet.models import Wallet
from wallet.services.wallets import open_wallet
from workspaces.models import Workspace
from workspaces.tests.race import meet_after
from workspaces.tests.threads import at_once

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OUT = Terms(meter="call_out", prefix="1", price_micros=14_000, per_units=60, first_block=6, step=6)
DEARER = Terms(meter="call_out", prefix="1", price_micros=20_000, per_units=60, first_block=6, step=6)


@pytest.fixture
def meter() -> Meter:
    return Meter.objects.create(key="call_out", name="Outbound calls", unit="second", kind=MeterKind.CALL_OUT)


@pytest.fixture
def card(meter: Meter) -> RateCard:
    return open_default_card("usd", name="Standard USD")


@pytest.fixture
def wallet(db: None) -> Wallet:
    return open_wallet(Workspace.objects.create(name="Northside Realty"), currency="usd")


def price(wallet: Wallet, *, at: datetime | None = None, destination: str = "+14155550142") -> int | None:
    rate = rate_table(wallet).find("call_out", destination=destination, at=at or timezone.now())
    return rate.price_micros if rate is not None else None


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


# ---------------------------------------------------------------- looking up
def test_it_prepares_what_the_row_says(card: RateCard, wallet: Wallet) -> None:
    tiers = (Tier(1_000, 50_000), Tier(None, 40_000))
    terms = Terms(meter="call_out", prefix="44", price_micros=50_000, per_units=60, setup_fee_micros=7, first_block=30, step=6, tiers=tiers)
    (row,) = publish_rates(card, terms=[terms], valid_from=LONG_AGO)

    found = rate_table(wallet).find("call_out", destination="+442071838750", at=timezone.now())

    assert found == Priced(row.pk, "call_out", "44", 50_000, 60, 7, 30, 6, tiers, LONG_AGO, None)


def test_it_prices_by_the_own_card_then_by_the_default_of_the_currency(card: RateCard, wallet: Wallet) -> None:
    euro = open_wallet(Workspace.objects.create(name="Elsewhere"), currency="eur")
    publish_rates(card, terms=[OUT, Terms(meter="call_out", price_micros=1)], valid_from=LONG_AGO)
    assert price(wallet) == 14_000

    own = open_own_card(wallet, name="Northside's")
    publish_rates(own, terms=[DEARER], valid_from=LONG_AGO)

    assert price(wallet) == 20_000
    assert price(wallet, destination="+442071838750") == 1
    assert price(euro) is None


def test_it_ignores_an_own_card_in_a_currency_that_is_not_the_wallets(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    strange = RateCard.objects.create(name="Slip", currency="eur", workspace=wallet.workspace)
    publish_rates(strange, terms=[DEARER], valid_from=LONG_AGO)

    assert price(wallet) == 14_000


def test_it_asks_one_tiny_query_once_it_knows_the_prices(
    card: RateCard, wallet: Wallet, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    publish_rates(open_own_card(wallet, name="Northside's"), terms=[DEARER], valid_from=LONG_AGO)
    price(wallet)

    with django_assert_num_queries(1):
        assert price(wallet) == 20_000


def test_it_asks_nothing_for_workspaces_without_a_card_of_their_own(
    card: RateCard, wallet: Wallet, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    known = current_prices()
    known.table(wallet.pk, currency="usd")

    with django_assert_num_queries(0):
        for workspace_id in range(10_000, 10_100):
            assert known.table(workspace_id, currency="usd").find("call_out", destination="+14155550142", at=timezone.now())


def test_it_forgets_own_cards_when_there_are_too_many(card: RateCard, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "OWN_CARDS_MAX", 1)
    other = open_wallet(Workspace.objects.create(name="Elsewhere"), currency="usd")
    publish_rates(open_own_card(wallet, name="A"), terms=[OUT], valid_from=LONG_AGO)
    publish_rates(open_own_card(other, name="B"), terms=[DEARER], valid_from=LONG_AGO)

    assert [price(wallet), price(other), price(wallet)] == [14_000, 20_000, 14_000]


def test_it_knows_the_meters_that_are_switched_on(meter: Meter) -> None:
    assert current_prices().meter("call_out") == meter
    assert current_prices().meter("fax") is None

    Meter.objects.filter(pk=meter.pk).update(is_active=False)

    assert current_prices().meter("call_out") is None


def test_it_keeps_a_change_that_is_rolled_back_to_itself(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    assert price(wallet) == 14_000
    with transaction.atomic():
        publish_rates(card, terms=[DEARER])
        assert price(wallet) == 20_000
        transaction.set_rollback(True)

    assert price(wallet) == 14_000


def test_it_does_not_share_what_it_read_after_its_version_was_over(card: RateCard, wallet: Wallet) -> None:
    """Who took the prices before a change, and looks only after, must not leave what it finds to others."""
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    early = current_prices()
    with transaction.atomic():
        publish_rates(card, terms=[DEARER])
        early.table(wallet.pk, currency="usd")
        transaction.set_rollback(True)

    assert current_prices() is early
    assert price(wallet) == 14_000


@pytest.mark.django_db(transaction=True)
def test_it_takes_effect_at_once_for_everyone_who_has_prices_in_memory(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    assert price(wallet) == 14_000

    at_once([lambda: publish_rates(card, terms=[DEARER])])

    assert price(wallet) == 20_000


@pytest.mark.django_db(transaction=True)
def test_it_shows_nobody_a_change_before_its_commit(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    with transaction.atomic():
        publish_rates(card, terms=[DEARER])
        assert price(wallet) == 20_000

        assert at_once([lambda: price(wallet)]) == [14_000]

    assert price(wallet) == 20_000


# ---------------------------------------------------------------- publishing
def test_it_ends_what_stands_and_opens_the_new_at_the_same_moment(card: RateCard, wallet: Wallet) -> None:
    (old,) = publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    change = in_days(3)

    (new,) = publish_rates(card, terms=[DEARER], valid_from=change)

    old.refresh_from_db()
    assert (old.valid_until, new.valid_from, new.valid_until) == (change, change, None)
    assert price(wallet, at=change - timedelta(microseconds=1)) == 14_000
    assert price(wallet, at=change) == 20_000


def test_it_takes_effect_now_unless_told_otherwise(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    before = timezone.now()

    publish_rates(card, terms=[DEARER])

    assert price(wallet) == 20_000
    assert price(wallet, at=before - timedelta(hours=1)) == 14_000


def test_it_leaves_alone_what_says_the_same(card: RateCard) -> None:
    first = publish_rates(card, terms=[OUT], valid_from=LONG_AGO)

    again = publish_rates(card, terms=[OUT])

    assert again == first
    assert Rate.objects.get().valid_until is None


def test_it_changes_of_a_whole_list_only_what_differs(card: RateCard) -> None:
    lines = [Terms(meter="call_out", prefix=str(prefix), price_micros=1_000) for prefix in range(20, 40)]
    publish_rates(card, terms=lines, valid_from=LONG_AGO)
    dearer = [*lines[:-1], Terms(meter="call_out", prefix="39", price_micros=2_000)]

    rates = publish_rates(card, terms=dearer)

    assert Rate.objects.count() == 21
    assert [rate.prefix for rate in rates if rate.price_micros == 2_000] == ["39"]
    assert [rate.prefix for rate in Rate.objects.filter(valid_until__isnull=False)] == ["39"]


def test_it_publishes_a_list_in_a_fixed_number_of_statements(card: RateCard, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    lines = [Terms(meter="call_out", prefix=str(prefix), price_micros=1_000) for prefix in range(100, 600)]
    publish_rates(card, terms=lines, valid_from=LONG_AGO)
    dearer = [Terms(meter="call_out", prefix=line.prefix, price_micros=2_000) for line in lines]

    with django_assert_max_num_queries(10):
        publish_rates(card, terms=dearer)


def test_it_lets_a_new_rate_end_where_one_that_is_planned_begins(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)
    publish_rates(card, terms=[DEARER], valid_from=in_days(30))

    publish_rates(card, terms=[Terms(meter="call_out", prefix="1", price_micros=1, per_units=60)], valid_from=in_days(10))

    assert [price(wallet, at=in_days(days)) for days in (1, 9, 11, 29, 31)] == [14_000, 14_000, 1, 1, 20_000]


def test_it_refuses_to_change_the_past(card: RateCard, wallet: Wallet) -> None:
    publish_rates(card, terms=[OUT], valid_from=LONG_AGO)

    with pytest.raises(RateBackdated):
        publish_rates(card, terms=[DEARER], valid_from=in_days(-1))

    assert price(wallet, at=in_days(-0.5)) == 14_000


def test_it_prices_the_past_where_nothing_stood(card: RateCard, wallet: Wallet) -> None:
    """So that uses which were kept aside for want of a rate can be replayed."""
    assert price(wallet, at=in_days(-1)) is None
    publish_rates(card, terms=[DEARER], valid_from=in_days(-0.5))

    publish_rates(card, terms=[OUT], valid_from=in_days(-2))

    assert price(wallet, at=in_days(-1)) == 14_000
    assert price(wallet) == 20_000


def test_it_refuses_two_prices_for_one_moment(card: RateCard) -> None:
    tomorrow = in_days(1)
    publish_rates(card, terms=[OUT], valid_from=tomorrow)

    with pytest.raises(RateOverlaps, match="withdraw it first"):
        publish_rates(card, terms=[DEARER], valid_from=tomorrow)
    with pytest.raises(RateOverlaps):
        publish_rates(card, terms=[OUT, DEARER], valid_from=in_days(2))


BAD_TIERS: list[tuple[Tier, ...]] = [
    (Tier(10, 1),),
    (Tier(None, 1), Tier(None, 1)),
    (Tier(10, 1), Tier(10, 1), Tier(None, 1)),
    (Tier(10, 1), Tier(5, 1), Tier(None, 1)),
    (Tier(0, 1), Tier(None, 1)),
    (Tier(10, 1), Tier(None, -1)),
    (Tier(10, 2), Tier(None, 1)),
    (*(Tier(end, 1) for end in range(1, 21)), Tier(None, 1)),
]


@pytest.mark.parametrize(
    "changes",
    [
        {"price_micros": -1},
        {"price_micros": 2**63},
        {"setup_fee_micros": -1},
        {"per_units": 0},
        {"first_block": 0},
        {"step": 0},
        {"step": 2**31},
        {"prefix": "+1"},
        {"prefix": "1234567890123456"},
        *[{"tiers": tiers} for tiers in BAD_TIERS],
    ],
)
def test_it_refuses_terms_that_make_no_sense(card: RateCard, changes: dict[str, Any]) -> None:
    fine = Terms(meter="call_out", prefix="44", price_micros=1)
    terms: dict[str, Any] = {"meter": "call_out", "price_micros": 1} | changes

    with pytest.raises(TermsInvalid):
        publish_rates(card, terms=[fine, Terms(**terms)])

    assert not Rate.objects.exists()


def test_it_refuses_a_meter_that_does_not_exist(card: RateCard) -> None:
    with pytest.raises(UnknownMeter):
        publish_rates(card, terms=[Terms(meter="fax", price_micros=1)])


def test_it_refuses_more_rates_than_one_call_may_publish(card: RateCard) -> None:
    with pytest.raises(ValueError, match="At most"):
        publish_rates(card, terms=[OUT] * (RATES_MAX + 1))


# ---------------------------------------------------------------- ending
def test_it_ends_a_rate_now_and_only_once(card: RateCard, wallet: Wallet) -> None:
    (rate,) = publish_rates(card, terms=[OUT], valid_from=LONG_AGO)

    end_rate(rate.pk)

    assert price(wallet) is None
    assert price(wallet, at=in_days(-1)) == 14_000
    with pytest.raises(RateEnded):
        end_rate(rate.pk)


def test_it_withdraws_a_rate_that_was_planned(card: RateCard, wallet: Wallet) -> None:
    tomorrow = in_days(1)
    (planned,) = publish_rates(card, terms=[OUT], valid_from=tomorrow)

    end_rate(planned.pk)

    assert price(wallet, at=in_days(2)) is None
    with pytest.raises(RateEnded):
        end_rate(planned.pk)
    publish_rates(card, terms=[DEARER], valid_from=tomorrow)
    assert price(wallet, at=in_days(2)) == 20_000


# ---------------------------------------------------------------- two at once
def publish_both(card: RateCard) -> list[Any]:
    return at_once([lambda: publish_rates(card, terms=[OUT]), lambda: publish_rates(card, terms=[DEARER])])


@pytest.mark.django_db(transaction=True)
def test_it_lets_the_last_of_two_at_once_have_the_last_word(card: RateCard, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_rates(card, terms=[Terms(meter="call_out", prefix="1", price_micros=1)], valid_from=LONG_AGO)
    meet_after(monkeypatch, module=prices, name="_not_ended")

    outcomes = publish_both(card)

    assert all(isinstance(outcome, list) for outcome in outcomes)
    rates = list(Rate.objects.order_by("valid_from"))
    assert [rate.valid_until for rate in rates] == [rates[1].valid_from, rates[2].valid_from, None]


@pytest.mark.django_db(transaction=True)
def test_it_goes_wrong_without_the_lock(card: RateCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: both find the same rate standing, and the database has to refuse one of them."""
    publish_rates(card, terms=[Terms(meter="call_out", prefix="1", price_micros=1)], valid_from=LONG_AGO)
    meet_after(monkeypatch, module=prices, name="_not_ended")
    monkeypatch.setattr(prices, "lock_prices", timezone.now)

    outcomes = publish_both(card)

    assert any(isinstance(outcome, Exception) for outcome in outcomes)


@pytest.mark.django_db(transaction=True)
def test_it_opens_one_card_for_two_who_ask_at_once(meter: Meter, wallet: Wallet) -> None:
    def open_it() -> RateCard:
        return open_own_card(wallet, name="Northside's")

    first, second = at_once([open_it, open_it])

    assert first == second
    assert RateCard.objects.count() == 1

"""The default price list: complete, given once, and never put over prices that somebody set."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from usage.default_prices import CURRENCIES, METERS, RATES
from usage.models import Meter, MeterKind, PriceVersion, Rate, RateCard
from usage.rating import first_block_cost
from usage.services.default_prices import Seeded, seed_default_prices
from usage.services.prices import Terms, current_prices, end_rate, open_default_card, publish_rates
from workspaces.tests.threads import at_once

pytestmark = pytest.mark.django_db
NOBODY = 0
PER_CURRENCY = sum(len(rate.prefixes) for rate in RATES)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_it_prices_every_meter_at_any_time_that_can_be_reported(currency: str) -> None:
    seed_default_prices()
    prices = current_prices().table(NOBODY, currency=currency)

    for meter in Meter.objects.all():
        for at in (timezone.now(), timezone.now() - timedelta(days=365)):
            rate = prices.find(meter.key, destination="+390612345678", at=at)
            assert rate is not None
            assert (first_block_cost(rate) > 0) is not meter.use.is_free


def test_it_gives_each_lab_meter_a_live_one_in_the_same_unit() -> None:
    seed_default_prices()

    labs = list(Meter.objects.filter(kind=MeterKind.LAB).select_related("live_meter"))

    assert {lab.key for lab in labs} == {"voice_lab", "chat_lab"}
    assert all(lab.live_meter is not None and lab.live_meter.unit == lab.unit for lab in labs)


def test_it_takes_numbers_that_look_american_for_what_they_cost() -> None:
    seed_default_prices()
    prices, now = current_prices().table(NOBODY, currency="usd"), datetime.now(UTC)

    found = [
        prices.find("call_out", destination=number, at=now) for number in ("+14155550142", "+18765550142", "+441632960001", "+447700900001")
    ]

    assert [rate.prefix for rate in found if rate is not None] == ["1", "1876", "44", "447"]


def test_it_names_no_prefix_twice() -> None:
    names = [(rate.meter, prefix) for rate in RATES for prefix in rate.prefixes]

    assert len(names) == len(set(names))


def test_it_changes_nothing_when_run_again() -> None:
    assert seed_default_prices() == Seeded(meters=len(METERS), cards=len(CURRENCIES), rates=len(CURRENCIES) * PER_CURRENCY)
    before = PriceVersion.objects.get()

    assert seed_default_prices() == Seeded(meters=0, cards=0, rates=0)

    after = PriceVersion.objects.get()
    assert (after.number, after.token) == (before.number, before.token)


def test_it_leaves_alone_what_an_operator_has_priced_renamed_or_ended() -> None:
    seed_default_prices()
    card = RateCard.objects.get(currency="usd")
    publish_rates(card, terms=[Terms(meter="ai_task", price_micros=1)])
    end_rate(Rate.objects.get(card=card, meter="message_in").pk)
    Meter.objects.filter(pk="chat_lab").update(name="Playground", is_active=False)
    RateCard.objects.filter(pk=card.pk).update(name="Mine")

    seed_default_prices()

    prices = current_prices().table(NOBODY, currency="usd")
    task = prices.find("ai_task", destination="", at=timezone.now())
    assert task is not None
    assert task.price_micros == 1
    assert prices.find("message_in", destination="", at=timezone.now()) is None
    assert Meter.objects.filter(name="Playground", is_active=False).exists()
    assert RateCard.objects.get(pk=card.pk).name == "Mine"


def test_it_prices_on_a_card_that_stood_before_only_meters_that_are_new() -> None:
    Meter.objects.create(key="call_out", name="Calls", unit="second", kind=MeterKind.CALL_OUT)
    card = open_default_card("usd", name="Mine")
    publish_rates(card, terms=[Terms(meter="call_out", prefix="49", price_micros=1)])

    seed_default_prices()

    assert set(Rate.objects.filter(card=card, meter="call_out").values_list("prefix", flat=True)) == {"49"}
    assert Rate.objects.filter(card=card, meter="call_in").exists()
    assert Rate.objects.filter(card__currency="eur", meter="call_out").count() > 1


@pytest.mark.django_db(transaction=True)
def test_it_seeds_once_when_two_start_at_once() -> None:
    outcomes = at_once([seed_default_prices, seed_default_prices])

    assert sorted(outcome.cards for outcome in outcomes) == [0, len(CURRENCIES)]
    assert Rate.objects.count() == len(CURRENCIES) * PER_CURRENCY


def test_it_says_what_it_added(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_prices")

    assert f"Added {len(METERS)} meters, 3 rate cards and {3 * PER_CURRENCY} rates." in capsys.readouterr().out

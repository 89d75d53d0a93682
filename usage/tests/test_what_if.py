"""The dry run over a month: what would have been charged, stopped and topped up, and nothing posted."""

from datetime import date

import pytest
from django.utils import timezone

from usage.services.prices import Terms
from usage.services.what_if import simulate_month
from usage.tests.stage import Metering
from wallet.automatic_rule import Terms as Rule
from wallet.errors import RuleInvalid
from wallet.models import Transfer
from wallet.tests.builders import DOLLAR

pytestmark = pytest.mark.django_db


def this_month() -> date:
    return timezone.now().date().replace(day=1)


@pytest.fixture
def used(metering: Metering) -> Metering:
    """40 dollars, and three calls of ten minutes each to the United Kingdom, at 12 dollars."""
    metering.leave(40 * DOLLAR)
    for _ in range(3):
        metering.report(metering.event(data={"duration_seconds": 600, "to": "+447700900123"}))
    metering.wallet.refresh_from_db()
    return metering


def test_it_is_the_same_month_where_nothing_is_changed(used: Metering) -> None:
    found = simulate_month(used.wallet, first_day=this_month())

    used.wallet.refresh_from_db()
    assert found.was == found.would
    assert found.was.uses == 3
    assert found.was.ended_micros == used.wallet.balance_micros
    assert found.was.charged_micros == 40 * DOLLAR - used.wallet.balance_micros


def test_it_charges_other_prices_and_posts_nothing(used: Metering) -> None:
    rows = Transfer.objects.count()

    found = simulate_month(
        used.wallet, first_day=this_month(), terms=[Terms(meter="call_out", prefix="44", price_micros=DOLLAR // 10, per_units=60)]
    )

    assert found.would.charged_micros == 3 * DOLLAR
    assert found.would.ended_micros == 37 * DOLLAR
    assert Transfer.objects.count() == rows


def test_it_counts_what_the_money_would_not_have_covered(used: Metering) -> None:
    found = simulate_month(
        used.wallet, first_day=this_month(), terms=[Terms(meter="call_out", prefix="44", price_micros=2 * DOLLAR, per_units=60)]
    )

    assert (found.would.stopped, found.would.stopped_micros, found.would.charged_micros) == (1, 20 * DOLLAR, 40 * DOLLAR)
    assert found.would.ended_micros == 0


def test_it_tops_up_by_another_rule(used: Metering) -> None:
    rule = Rule(threshold_micros=25 * DOLLAR, amount_micros=10 * DOLLAR, monthly_cap_micros=20 * DOLLAR)
    terms = [Terms(meter="call_out", prefix="44", price_micros=2 * DOLLAR, per_units=60)]

    found = simulate_month(used.wallet, first_day=this_month(), terms=terms, rule=rule)

    assert (found.would.stopped, found.would.automatic_charges, found.would.automatic_micros) == (0, 2, 20 * DOLLAR)
    assert found.would.capped_days == 1
    assert found.would.ended_micros == 0


def test_it_tells_how_low_the_balance_went_before_the_card_was_charged(metering: Metering) -> None:
    metering.leave(DOLLAR // 100)
    metering.report(metering.event(type="call_in", data={"duration_seconds": 600, "to": "+12125550100"}))
    metering.wallet.refresh_from_db()
    rule = Rule(threshold_micros=5 * DOLLAR, amount_micros=10 * DOLLAR, monthly_cap_micros=50 * DOLLAR)

    found = simulate_month(metering.wallet, first_day=this_month(), rule=rule)

    assert found.was.least_micros == found.would.least_micros == metering.wallet.balance_micros < 0
    assert found.would.ended_micros == metering.wallet.balance_micros + 10 * DOLLAR


def test_it_leaves_what_a_longer_prefix_prices(used: Metering) -> None:
    """A sheet for the whole world does not take the place of a country's own rate."""
    found = simulate_month(used.wallet, first_day=this_month(), terms=[Terms(meter="call_out", price_micros=5 * DOLLAR)])

    assert found.would == found.was


def test_it_refuses_a_rule_that_cannot_be(used: Metering) -> None:
    with pytest.raises(RuleInvalid):
        simulate_month(used.wallet, first_day=this_month(), rule=Rule(threshold_micros=0, amount_micros=1, monthly_cap_micros=1))


def test_it_finds_an_empty_month_empty(metering: Metering) -> None:
    assert simulate_month(metering.wallet, first_day=date(2020, 1, 1)).would.uses == 0

"""Who may start, for how long, and why not: by direction, kind, money, grace time and the state of the wallet. Through the API."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from usage.models import HoldTerms, Meter, Rate
from usage.services.prices import Terms, end_rate, open_default_card, publish_rates
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, UK, Metering, make_metering
from wallet.models import Hold
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import paid_top_up
from workspaces.tests.api_caller import Answer, caller

pytestmark = pytest.mark.django_db
GRACE = timedelta(minutes=240)


def refused(answer: Answer) -> str:
    """The reason of a 402, which must say all that there is to know."""
    assert answer.status == 402, answer.raw
    body = answer.body
    assert body["code"] == body["reason"] == answer.code
    assert body["max_seconds"] == 0
    assert "/settings/billing/" in body["pay_url"]
    return str(body["reason"])


def run_out(metering: Metering, *, ago: timedelta = timedelta(0)) -> None:
    """The money ran out, so long ago."""
    metering.leave(0)
    metering.change(depleted_at=timezone.now() - ago, overdraft_micros=5 * DOLLAR)


def depleted_at(metering: Metering) -> datetime | None:
    """Since when the money is gone, as it stands now."""
    return metering.fresh.depleted_at


# ---------------------------------------------------------------- outbound


@pytest.mark.parametrize(
    ("use", "price"),
    [
        ({"meter": "call_out"}, MINUTE_MICROS),
        ({"meter": "call_out", "destination": UK}, 2 * MINUTE_MICROS),
        ({"meter": "message_out", "expected_quantity": 3}, 3 * CENT),
        ({"meter": "ai_task", "expected_quantity": None}, 5 * CENT),
        ({"meter": "ai_task", "expected_quantity": 11}, 52 * CENT),
        ({"meter": "ai_tokens", "expected_quantity": 100_000}, 1_500_000),
    ],
)
def test_it_needs_the_first_block_or_all_of_what_cannot_be_cut_short(metering: Metering, use: dict[str, Any], price: int) -> None:
    metering.leave(price - 1)
    assert refused(metering.hold(**use)) == "insufficient_funds"
    assert metering.look(**{name: value for name, value in use.items() if value is not None}).body["allowed"] is False

    metering.leave(price)
    answer = metering.hold(**use)
    assert (answer.status, answer.body["amount_micros"]) == (201, price)
    assert metering.fresh.available_micros == 0


def test_it_lets_a_call_last_as_long_as_the_money(metering: Metering) -> None:
    metering.leave(7 * MINUTE_MICROS + 1)

    answer = metering.hold(expected_quantity=None)

    assert (answer.body["max_seconds"], answer.body["held_quantity"]) == (420, 420)
    assert answer.body["amount_micros"] == 7 * MINUTE_MICROS


def test_it_sets_ten_minutes_aside_where_nobody_knows_how_long(metering: Metering) -> None:
    answer = metering.hold(expected_quantity=None)

    assert (answer.body["held_quantity"], answer.body["max_seconds"]) == (600, 960)
    assert answer.body["amount_micros"] == metering.held == 6 * DOLLAR


def test_it_lets_no_call_last_for_longer_than_four_hours_at_once(metering: Metering) -> None:
    metering.leave(1000 * DOLLAR)

    answer = metering.hold(expected_quantity=5 * 3600)

    assert answer.body["max_seconds"] == answer.body["held_quantity"] == 4 * 3600


def test_it_decides_on_what_is_available_not_on_the_balance(metering: Metering) -> None:
    metering.hold(expected_quantity=960)

    assert (metering.balance, metering.held) == (10 * DOLLAR, 16 * MINUTE_MICROS)
    assert refused(metering.hold()) == "insufficient_funds"


def test_it_lets_nothing_outbound_into_the_overdraft(metering: Metering) -> None:
    """Overdraft and grace are for those who are called, not for those who call."""
    run_out(metering)

    for meter in ("call_out", "message_out", "ai_task", "ai_tokens"):
        assert refused(metering.hold(meter=meter)) == "insufficient_funds"


def test_it_refuses_what_nothing_prices(metering: Metering) -> None:
    end_rate(Rate.objects.get(meter="message_out").pk)

    answer = metering.hold(meter="message_out")

    assert (answer.status, answer.body["reason"]) == (422, "no_rate")
    assert metering.look(meter="message_out").body["reason"] == "no_rate"


@pytest.mark.parametrize("meter", ["fax_out", "nothing", "ws_1"])
def test_it_knows_no_such_meter(metering: Metering, meter: str) -> None:
    assert (metering.hold(meter=meter).code, metering.look(meter=meter).code) == ("unknown_meter", "unknown_meter")


def test_it_refuses_a_meter_that_is_switched_off(metering: Metering) -> None:
    Meter.objects.filter(key="call_out").update(is_active=False)

    assert metering.hold().code == "unknown_meter"


@pytest.mark.parametrize("destination", ["14155550142", "020 7946 0000", "Alice", "+1" + "0" * 20])
def test_it_asks_for_a_number_whose_country_it_knows(metering: Metering, destination: str) -> None:
    answer = metering.hold(destination=destination)

    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "#/destination")


def test_it_takes_a_number_as_people_write_it(metering: Metering) -> None:
    answer = metering.hold(destination="+44 20 7946-0000", number="+1 (212) 555-0100")

    assert answer.body["amount_micros"] == 2 * MINUTE_MICROS
    assert HoldTerms.objects.values_list("destination", "own_number").get() == ("+442079460000", "+12125550100")


# ---------------------------------------------------------------- inbound


def test_it_lets_inbound_go_on_when_the_money_has_run_out(metering: Metering) -> None:
    run_out(metering, ago=GRACE - timedelta(minutes=1))

    answer = metering.hold(meter="call_in", destination="anonymous", expected_quantity=None)

    assert answer.status == 201
    assert answer.body["max_seconds"] == 1000, "As far as five dollars of overdraft reach at half a cent a second."
    assert metering.look(meter="call_in").body["grace_until"] is not None


def test_it_pauses_inbound_when_the_grace_time_is_over(metering: Metering) -> None:
    run_out(metering, ago=GRACE)

    answer = metering.hold(meter="call_in")

    assert refused(answer) == "calls_paused"
    assert answer.body["grace_until"] < timezone.now().isoformat()
    assert metering.look(meter="call_in").body["reason"] == "calls_paused"
    assert refused(metering.hold(meter="message_in", expected_quantity=1)) == "calls_paused"


def test_it_restores_inbound_at_once_when_money_comes(metering: Metering) -> None:
    run_out(metering, ago=3 * GRACE)
    assert refused(metering.hold(meter="call_in")) == "calls_paused"

    paid_top_up(metering.wallet, DOLLAR)

    assert depleted_at(metering) is None
    assert metering.hold(meter="call_in").status == 201
    assert metering.hold().status == 201


def test_it_stays_paused_where_the_money_does_not_cover_the_debt(metering: Metering) -> None:
    metering.leave(-3 * DOLLAR)
    metering.change(depleted_at=timezone.now() - GRACE)

    paid_top_up(metering.wallet, DOLLAR)

    assert refused(metering.hold(meter="call_in")) == "calls_paused"


def test_it_pauses_inbound_at_the_end_of_the_overdraft(metering: Metering) -> None:
    run_out(metering)
    metering.change(overdraft_micros=CENT)

    first, second = metering.hold(meter="call_in", expected_quantity=2), metering.hold(meter="call_in", expected_quantity=2)

    assert first.status == 201
    assert refused(second) == "calls_paused"
    assert metering.fresh.available_micros == -CENT


def test_it_has_no_overdraft_where_the_operator_gives_none(metering: Metering) -> None:
    run_out(metering)
    metering.change(overdraft_micros=0)

    assert refused(metering.hold(meter="call_in")) == "calls_paused"


def test_it_begins_the_grace_time_with_the_first_call_that_the_money_does_not_cover(metering: Metering) -> None:
    metering.leave(1)
    metering.change(overdraft_micros=DOLLAR)
    assert depleted_at(metering) is None

    metering.hold(meter="call_in")

    begun = depleted_at(metering)
    assert begun is not None
    metering.hold(meter="call_in")
    assert depleted_at(metering) == begun


@pytest.mark.parametrize("verb", ["release", "capture"])
def test_it_does_not_begin_the_grace_time_anew_with_each_call_that_nobody_answers(metering: Metering, verb: str) -> None:
    """A cent is left that buys nothing: giving back what was held of the overdraft brings no money."""
    metering.leave(1)
    metering.change(overdraft_micros=DOLLAR)
    hold = metering.hold(meter="call_in").body["hold"]
    begun = depleted_at(metering)
    more: dict[str, Any] = {"quantity": 0} if verb == "capture" else {}

    metering.act(verb, hold, **more)

    assert (metering.held, metering.fresh.available_micros) == (0, 1)
    assert depleted_at(metering) == begun is not None


@pytest.mark.parametrize("verb", ["release", "capture"])
def test_it_ends_the_grace_time_where_the_money_was_only_set_aside(metering: Metering, verb: str) -> None:
    hold = metering.hold(expected_quantity=960).body["hold"]
    metering.report(metering.event())
    assert depleted_at(metering) is not None, "Sixty cents more were used than were available."
    more: dict[str, Any] = {"quantity": 60} if verb == "capture" else {}

    metering.act(verb, hold, **more)

    assert depleted_at(metering) is None
    assert metering.fresh.available_micros > 0


def test_it_does_not_take_money_that_is_only_set_aside_for_gone(metering: Metering) -> None:
    metering.leave(MINUTE_MICROS)

    metering.hold()

    assert metering.fresh.available_micros == 0
    assert depleted_at(metering) is None


# ---------------------------------------------------------------- always


@pytest.mark.parametrize(
    "use", [{"meter": "voice_lab"}, {"destination": "911"}, {"destination": "112"}, {"meter": "message_out", "destination": "112"}]
)
@pytest.mark.parametrize("state", ["out of money", "frozen", "closed"])
def test_it_always_passes_lab_use_and_emergency_calls(metering: Metering, use: dict[str, Any], state: str) -> None:
    metering.leave(-DOLLAR)
    metering.change(**{"frozen": {"frozen_at": timezone.now()}, "closed": {"closed_at": timezone.now()}}.get(state, {}))

    answer, look = metering.hold(**use), metering.look(**use)

    assert (answer.status, answer.body["hold"], answer.body["amount_micros"], answer.body["status"]) == (201, None, 0, "free")
    assert look.body["allowed"] is True
    assert Hold.objects.count() == 0


@pytest.mark.parametrize(("column", "reason"), [("frozen_at", "wallet_frozen"), ("closed_at", "wallet_closed")])
def test_it_lets_nothing_else_start_in_a_frozen_or_closed_wallet(metering: Metering, column: str, reason: str) -> None:
    metering.change(**{column: timezone.now()})

    for meter in ("call_out", "call_in", "ai_task"):
        assert metering.hold(meter=meter).body["reason"] == reason
        assert metering.look(meter=meter).body["reason"] == reason


def test_it_sets_nothing_aside_for_what_costs_nothing(metering: Metering) -> None:
    card = open_default_card("usd", name="Standard USD")
    end_rate(Rate.objects.get(meter="message_in").pk)
    publish_rates(card, terms=[Terms(meter="message_in", price_micros=0)])
    metering.leave(-DOLLAR)

    answer = metering.hold(meter="message_in", expected_quantity=1)

    assert (answer.status, answer.body["status"]) == (201, "free")


# ---------------------------------------------------------------- looking


def test_it_looks_without_setting_anything_aside(metering: Metering) -> None:
    answer = metering.look()

    assert answer.body == {
        "allowed": True,
        "reason": None,
        "max_quantity": 960,
        "max_seconds": 960,
        "grace_until": None,
        "pay_url": None,
    }
    assert metering.held == 0


@pytest.mark.parametrize("expected", ["0", "-1", "1.5", "١", "1e3", "", "NaN", "9999999999"])
def test_it_takes_no_expectation_that_is_no_number(metering: Metering, expected: str) -> None:
    assert metering.look(expected_quantity=expected).status == 422


def test_it_looks_at_ones_own_wallet_alone(metering: Metering) -> None:
    charlie = make_metering(name="Charlie's Garage")
    key = caller(charlie.wallet.workspace)

    assert key.get(f"/gate?subject={metering.subject}&meter=call_out").code == "not_found"
    assert key.get(f"/gate?subject={charlie.subject}&meter=call_out").status == 200


def test_it_says_of_a_refusal_where_to_pay_and_changes_nothing(metering: Metering) -> None:
    metering.leave(0)

    answer = metering.hold()

    assert answer.body["pay_url"] == f"http://testserver/w/{metering.subject}/settings/billing/add-balance"
    assert (metering.held, Hold.objects.count()) == (0, 0)
    assert_books_balance()

"""Holds of uses: what is set aside, how it is extended, captured, listed. Rows D1 to D13 of the fault matrix stand in tests/faults."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from usage.models import Event, HoldTerms, KeptEvent, Meter, Rate
from usage.services.prices import Terms, end_rate, open_default_card, publish_rates
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, Metering, make_metering
from wallet.models import Hold
from wallet.tests.books import assert_books_balance
from workspaces.tests.api_caller import new_key

pytestmark = pytest.mark.django_db


def placed(metering: Metering, **use: Any) -> str:
    answer = metering.hold(**use)
    assert answer.status == 201, answer.raw
    hold: str = answer.body["hold"]
    return hold


def lasts(hold: str) -> timedelta:
    row = Hold.objects.get(id=hold)
    return row.expires_at - row.created_at


# ---------------------------------------------------------------- placing


def test_it_lasts_as_long_as_the_call_and_half_an_hour_for_its_report(metering: Metering) -> None:
    assert abs(lasts(placed(metering, expected_quantity=600)) - timedelta(minutes=40)) < timedelta(seconds=5)
    assert abs(lasts(placed(metering, meter="ai_task", expected_quantity=1)) - timedelta(minutes=30)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "body", [{}, {"subject": "x"}, {"meter": "call_out"}, {"amount_micros": 1}, {"status": "open"}, {"reference": "a\nb"}]
)
def test_it_takes_no_body_that_is_not_documented(metering: Metering, body: dict[str, Any]) -> None:
    asked = ({"subject": metering.subject, "meter": "call_out"} | body) if body.keys() & {"amount_micros", "status", "reference"} else body

    assert metering.platform.post("/holds", asked, key=new_key()).status == 422
    assert metering.held == 0


def test_it_wants_a_key_of_its_own_for_each_intent(metering: Metering) -> None:
    answer = metering.platform.post("/holds", {"subject": metering.subject, "meter": "call_out"})

    assert answer.code == "idempotency_key_required"


# ---------------------------------------------------------------- extending


def test_it_sets_more_aside_for_a_call_that_goes_on(metering: Metering) -> None:
    hold = placed(metering, expected_quantity=60)

    answer = metering.act("extend", hold, by_quantity=300)

    assert (answer.status, answer.body["held_quantity"], answer.body["amount_micros"]) == (200, 360, 6 * MINUTE_MICROS)
    assert answer.body["max_quantity"] == 960
    assert metering.held == 6 * MINUTE_MICROS
    assert abs(lasts(hold) - timedelta(minutes=36)) < timedelta(seconds=5), "Its end moves by what it may go on."
    assert_books_balance()


def test_it_extends_a_call_by_what_the_money_buys(metering: Metering) -> None:
    metering.leave(3 * MINUTE_MICROS)
    hold = placed(metering)

    answer = metering.act("extend", hold, by_quantity=3600)

    assert (answer.body["held_quantity"], answer.body["amount_micros"]) == (180, 3 * MINUTE_MICROS)
    refused = metering.act("extend", hold, by_quantity=60)
    assert (refused.status, refused.body["reason"]) == (402, "insufficient_funds")
    assert metering.held == 3 * MINUTE_MICROS


def test_it_extends_a_task_whole_or_not_at_all(metering: Metering) -> None:
    metering.leave(100 * 15)
    hold = placed(metering, meter="ai_tokens", expected_quantity=60)

    assert metering.act("extend", hold, by_quantity=41).body["reason"] == "insufficient_funds"
    assert metering.act("extend", hold, by_quantity=40).body["amount_micros"] == 1500


def test_it_extends_into_the_block_that_is_paid_for_without_more_money(metering: Metering) -> None:
    metering.leave(MINUTE_MICROS)
    hold = placed(metering, expected_quantity=10)

    answer = metering.act("extend", hold, by_quantity=20)

    assert (answer.status, answer.body["held_quantity"], metering.held) == (200, 30, MINUTE_MICROS)


def test_it_goes_on_at_the_price_that_it_began_at(metering: Metering) -> None:
    hold = placed(metering)
    publish_rates(
        open_default_card("usd", name="Standard USD"), terms=[Terms(meter="call_out", price_micros=9 * CENT, first_block=60, step=60)]
    )

    assert metering.act("extend", hold, by_quantity=60).body["amount_micros"] == 2 * MINUTE_MICROS
    assert metering.act("capture", hold, quantity=120).body["amount_micros"] == 2 * MINUTE_MICROS


def test_it_extends_inbound_into_the_overdraft_and_begins_the_grace_time(metering: Metering) -> None:
    metering.leave(30 * CENT)
    metering.change(overdraft_micros=DOLLAR)
    hold = placed(metering, meter="call_in", expected_quantity=60)

    answer = metering.act("extend", hold, by_quantity=60)

    assert (answer.status, metering.fresh.available_micros) == (200, -30 * CENT)
    assert metering.fresh.depleted_at is not None
    metering.change(depleted_at=timezone.now() - timedelta(days=1))
    paused = metering.act("extend", hold, by_quantity=60)
    assert (paused.status, paused.body["reason"]) == (402, "calls_paused")


def test_it_extends_once_for_one_key(metering: Metering) -> None:
    hold = placed(metering)

    first, again = (metering.act("extend", hold, key="more", by_quantity=60) for _ in range(2))

    assert first.body == again.body
    assert metering.held == 2 * MINUTE_MICROS


@pytest.mark.parametrize("verb", ["extend", "capture", "release"])
def test_it_acts_on_ones_own_holds_alone(metering: Metering, verb: str) -> None:
    """S14: Alice's hold under Charlie's name, and a hold that there is not."""
    charlie = make_metering(name="Charlie's Garage")
    hold = placed(metering)
    more: dict[str, Any] = {"extend": {"by_quantity": 60}, "capture": {"quantity": 60}, "release": {}}[verb]

    for someones in (hold, str(uuid4())):
        answer = metering.platform.post(f"/holds/{someones}/{verb}", {"subject": charlie.subject, **more}, key=new_key())
        assert (answer.status, answer.code) == (404, "not_found")
    assert metering.held == MINUTE_MICROS


# ---------------------------------------------------------------- capturing


def test_it_captures_what_the_hold_was_placed_for(metering: Metering) -> None:
    hold = placed(metering, agent="Sales agent", number="+12125550100", reference="call-7")

    answer = metering.act("capture", hold, quantity=61)

    event = Event.objects.get()
    assert answer.body == {
        "hold": hold,
        "status": "captured",
        "amount_micros": 2 * MINUTE_MICROS,
        "billed_quantity": 120,
        "balance_micros": 10 * DOLLAR - 2 * MINUTE_MICROS,
        "code": None,
        "detail": None,
    }
    assert (event.agent, event.own_number, event.number, str(event.hold_id)) == ("Sales agent", "+12125550100", "+14155550142", hold)
    assert event.happened_at == Hold.objects.get().created_at
    assert_books_balance()


def test_it_captures_an_unanswered_call_for_nothing(metering: Metering) -> None:
    hold = placed(metering)

    answer = metering.act("capture", hold, quantity=0)

    assert (answer.body["status"], answer.body["amount_micros"], metering.balance, metering.held) == ("captured", 0, 10 * DOLLAR, 0)
    assert_books_balance()


def test_it_captures_at_the_price_of_the_beginning_though_none_follows(metering: Metering) -> None:
    hold = placed(metering)
    end_rate(Rate.objects.get(meter="call_out", prefix="").pk)

    assert metering.act("capture", hold, quantity=60).body["amount_micros"] == MINUTE_MICROS


def test_it_keeps_a_capture_aside_that_cannot_be_charged(metering: Metering) -> None:
    """What was reported is not lost: it is charged once the operator has mended what is wrong."""
    hold = placed(metering)
    Meter.objects.filter(key="call_out").update(is_active=False)

    answer = metering.act("capture", hold, quantity=60)

    assert (answer.status, answer.body["code"], answer.body["status"], answer.body["amount_micros"]) == (200, "unknown_meter", "open", 0)
    assert KeptEvent.objects.get().event_id == hold
    Meter.objects.filter(key="call_out").update(is_active=True)
    assert metering.act("capture", hold, quantity=60).body["status"] == "captured"


@pytest.mark.parametrize("quantity", [-1, 1.5, "60", None, True, 10**10 + 1, 10**30])
def test_it_captures_no_quantity_that_is_none(metering: Metering, quantity: Any) -> None:
    hold = placed(metering)

    assert metering.act("capture", hold, quantity=quantity).status == 422
    assert metering.held == MINUTE_MICROS


def test_it_resolves_many_holds_in_one_batch(metering: Metering) -> None:
    other = make_metering(name="Charlie's Garage")
    mine, his = [placed(metering) for _ in range(3)], [placed(other) for _ in range(3)]
    events = [metering.event(data={"hold": hold}) for hold in mine] + [other.event(data={"hold": hold}) for hold in his]
    # One names the other's hold, which stays what it is, one a hold that there is not, and one a use that is charged already.
    named = [placed(other), str(uuid4()), mine[0]]

    answer = metering.report(*events, *(metering.event(data={"hold": hold}) for hold in named))

    assert [(one["index"], one["code"]) for one in answer.body["not_charged"]] == [(8, "hold_charged")]
    assert (metering.held, metering.charged, other.held, other.charged) == (0, 5 * MINUTE_MICROS, MINUTE_MICROS, 3 * MINUTE_MICROS)
    assert Hold.objects.get(id=mine[0]).captured_micros == MINUTE_MICROS
    assert_books_balance()


def test_it_charges_every_meter_of_one_use_under_its_hold(metering: Metering) -> None:
    """A call and the tokens that its agent thought with; each meter once."""
    hold = placed(metering)
    both = [metering.event(data={"hold": hold}), metering.event(type="ai_tokens", data={"quantity": 100, "hold": hold})]

    assert metering.report(*both).status == 204

    assert Hold.objects.get(id=hold).captured_micros == metering.charged == MINUTE_MICROS + 1500


# ---------------------------------------------------------------- reading


def test_it_reads_a_hold(metering: Metering) -> None:
    hold = placed(metering, reference="call-7", agent="Sales agent", number="+12125550100")

    body = metering.platform.get(f"/holds/{hold}?subject={metering.subject}").body

    assert body | {"created_at": None, "expires_at": None} == {
        "hold": hold,
        "meter": "call_out",
        "destination": "+14155550142",
        "agent": "Sales agent",
        "number": "+12125550100",
        "reference": "call-7",
        "amount_micros": MINUTE_MICROS,
        "held_quantity": 60,
        "status": "open",
        "captured_micros": 0,
        "created_at": None,
        "expires_at": None,
        "resolved_at": None,
    }


def test_it_lists_the_open_holds_page_by_page(metering: Metering) -> None:
    holds = [placed(metering) for _ in range(7)]
    metering.act("release", holds.pop(3))
    pages: list[list[str]] = []
    cursor = ""
    while True:
        body = metering.platform.get(f"/wallets/{metering.subject}/holds?limit=2" + (f"&cursor={cursor}" if cursor else "")).body
        pages.append([one["hold"] for one in body["data"]])
        if not (cursor := body["next"] or ""):
            break
        metering.act("release", cursor)

    assert [len(page) for page in pages] == [2, 2, 2]
    assert [hold for page in pages for hold in page] == holds[::-1], "A hold that is resolved between two pages hides no other."


def test_it_lists_ones_own_holds_alone(metering: Metering) -> None:
    charlie = make_metering(name="Charlie's Garage")
    hold = placed(charlie)

    assert metering.platform.get(f"/wallets/{metering.subject}/holds").body["data"] == []
    assert metering.platform.get(f"/wallets/{metering.subject}/holds?cursor={hold}").code == "not_found"
    assert metering.platform.get(f"/holds/{hold}?subject={metering.subject}").code == "not_found"


def test_it_names_the_use_of_each_hold_once(metering: Metering) -> None:
    placed(metering)

    assert HoldTerms.objects.count() == Hold.objects.count() == 1

"""From a provider's webhook to the wallet: what is charged, what is a repeat, what is kept aside and charged later."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone

from usage.cloud_events import Parsed
from usage.errors import Overloaded
from usage.models import Event, KeptEvent, Meter, ProviderCost
from usage.services import connectors
from usage.services.ingestion import Outcome, Reporter, Taken, take_events
from usage.services.kept_aside import replay_kept_event
from usage.services.prices import Terms, open_default_card, publish_rates
from usage.tests.connectors.deliveries import (
    CALL,
    MESSAGE,
    OURS,
    RECEIVED,
    THEIRS,
    changed,
    retell_call,
    send_retell,
    send_twilio,
    send_vapi,
    vapi_message,
)
from usage.tests.stage import CENT, LONG_AGO, MINUTE_MICROS, Metering
from wallet.tests.books import assert_books_balance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("connected")]


def send_each(metering: Metering, *, workspace: str = "") -> list[Any]:
    """One call by each provider, for this workspace."""
    metadata = {"workspace": workspace or metering.subject}
    return [
        send_twilio(CALL, query=f"workspace={metadata['workspace']}"),
        send_vapi(vapi_message(call={"metadata": metadata})),
        send_retell(retell_call(metadata=metadata)),
    ]


def test_it_charges_a_call_of_each_provider(metering: Metering) -> None:
    answers = send_each(metering)

    assert [answer.status_code for answer in answers] == [200, 200, 204]
    events = {event.source: event for event in Event.objects.all()}
    assert {source: event.quantity for source, event in events.items()} == {"/twilio": 61, "/vapi": 62, "/retell": 61}
    assert {event.meter_id for event in events.values()} == {"call_out"}
    assert {(event.number, event.own_number) for event in events.values()} == {(THEIRS, OURS)}
    assert {event.agent for event in events.values()} == {"", "Sales agent"}
    assert metering.charged == 3 * 2 * MINUTE_MICROS
    assert_books_balance()


def test_it_charges_each_once_however_often_it_is_told(metering: Metering) -> None:
    for _ in range(3):
        send_each(metering)

    assert (metering.events, metering.kept) == (3, [])


def test_it_charges_a_retell_call_once_when_it_is_analysed_too(metering: Metering) -> None:
    metadata = {"workspace": metering.subject}

    send_retell(retell_call(metadata=metadata), event="call_analyzed")
    send_retell(retell_call(metadata=metadata, call_analysis={"call_summary": "x"}), event="call_ended")

    assert (metering.events, metering.kept) == (1, [])


def test_it_charges_a_message_once_whatever_becomes_of_it(metering: Metering) -> None:
    """In no order, and with one of them lost."""
    for status in ("delivered", "queued", "sent", "read"):
        send_twilio(changed(MESSAGE, MessageStatus=status, SmsStatus=status), query=f"workspace={metering.subject}&segments=2")

    assert (metering.events, metering.charged, metering.kept) == (1, 2 * CENT, [])


def test_it_charges_a_message_that_came_in(metering: Metering) -> None:
    send_twilio(RECEIVED, query=f"workspace={metering.subject}")

    event = Event.objects.get()
    assert (event.meter_id, event.quantity, event.number, event.own_number) == ("message_in", 1, THEIRS, OURS)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_it_charges_nothing_for_a_message_that_was_not_sent(metering: Metering, status: str) -> None:
    send_twilio(changed(MESSAGE, MessageStatus=status), query=f"workspace={metering.subject}")

    assert (metering.events, metering.charged, metering.kept) == (1, 0, [])


def test_it_begins_when_the_call_began(metering: Metering) -> None:
    ended = timezone.now().replace(microsecond=0) - timedelta(minutes=5)

    send_twilio(changed(CALL, Timestamp=ended.strftime("%a, %d %b %Y %H:%M:%S +0000")), query=f"workspace={metering.subject}")

    assert Event.objects.get().happened_at == ended - timedelta(seconds=61)


# ---------------------------------------------------------------- holds
def held(metering: Metering) -> str:
    """A hold that the platform placed before the call."""
    hold: str = metering.hold().body["hold"]
    return hold


def test_it_captures_the_hold_that_the_call_names(metering: Metering) -> None:
    holds = [held(metering) for _ in range(3)]
    before = metering.held

    send_twilio(CALL, query=f"workspace={metering.subject}&hold={holds[0]}")
    send_vapi(vapi_message(call={"metadata": {"workspace": metering.subject, "hold": holds[1]}}))
    send_retell(retell_call(metadata={"workspace": metering.subject, "hold": holds[2]}))

    assert (before > 0, metering.held) == (True, 0)
    assert {event.source: str(event.hold_id) for event in Event.objects.all()} == dict(
        zip(("/twilio", "/vapi", "/retell"), holds, strict=True)
    )
    assert_books_balance()


@pytest.mark.parametrize("status", ["busy", "no-answer", "canceled", "failed"])
def test_it_gives_the_hold_of_an_unanswered_call_back(metering: Metering, status: str) -> None:
    hold = held(metering)

    send_twilio(changed(CALL, CallStatus=status, CallDuration="0"), query=f"workspace={metering.subject}&hold={hold}")

    assert (metering.held, metering.charged, metering.events) == (0, 0, 1)
    assert_books_balance()


# ---------------------------------------------------------------- kept aside
def test_it_keeps_calls_of_an_unknown_workspace_until_there_is_one(metering: Metering) -> None:
    answers = send_each(metering, workspace="customer-1042") + send_each(metering, workspace="customer-1042")

    assert {answer.status_code for answer in answers} == {200, 204}
    assert [(kept.code, kept.source, kept.subject) for kept in metering.kept] == [
        ("unknown_workspace", source, "customer-1042") for source in ("/twilio", "/vapi", "/retell")
    ]
    metering.call_it("customer-1042")
    assert {replay_kept_event(kept.pk).outcome.taken for kept in metering.kept} == {Taken.CHARGED}
    send_each(metering)
    assert (metering.events, metering.kept) == (3, [])
    assert_books_balance()


def test_it_keeps_a_call_that_names_no_workspace(metering: Metering) -> None:
    assert [send_twilio(CALL).status_code, send_vapi(vapi_message()).status_code, send_retell(retell_call()).status_code] == [200, 200, 204]

    assert [kept.code for kept in metering.kept] == ["unknown_workspace"] * 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"CallDuration": None}, "no_quantity"),
        ({"CallDuration": ""}, "no_quantity"),
        ({"CallDuration": "-1"}, "bad_data"),
        ({"CallDuration": "1.5"}, "bad_data"),
        ({"CallDuration": "NaN"}, "bad_data"),
        ({"CallDuration": "6١"}, "bad_data"),
        ({"CallDuration": "９"}, "bad_data"),
        ({"CallDuration": "99999999999"}, "bad_quantity"),
        ({"CallDuration": "9" * 5_000}, "bad_data"),
        ({"CallStatus": "vanished"}, "bad_data"),
        ({"CallStatus": None}, "bad_data"),
        ({"CallSid": None}, "not_a_cloud_event"),
        ({"CallSid": "x" * 201}, "not_a_cloud_event"),
        ({"CallSid": "CA\0"}, "not_a_cloud_event"),
        ({"Direction": None}, "unknown_meter"),
        ({"Direction": "trunking-terminating"}, "unknown_meter"),
        ({"To": None}, "bad_number"),
        ({"To": "client:alice"}, "bad_number"),
        ({"To": "4155550142"}, "bad_number"),
        ({"To": "+" + "1" * 5_000}, "bad_number"),
        ({"Timestamp": "yesterday"}, "not_a_cloud_event"),
        ({"Timestamp": "Sun, 01 Jan 1995 00:00:00 +0000"}, "bad_time"),
        ({"Timestamp": "Fri, 01 Jan 2100 00:00:00 +0000"}, "in_the_future"),
        ({"Timestamp": "Fri, 31 Dec 9999 23:59:59 -2359"}, "not_a_cloud_event"),
    ],
)
def test_it_keeps_aside_what_cannot_be_charged(metering: Metering, changes: dict[str, Any], code: str) -> None:
    answer = send_twilio(changed(CALL, **changes), query=f"workspace={metering.subject}")

    assert answer.status_code == 200
    assert [kept.code for kept in metering.kept] == [code], metering.kept and metering.kept[0].reason
    assert metering.events == 0
    assert len(metering.kept[0].body) < 2_000


def test_it_keeps_a_hold_or_an_agent_that_is_none(metering: Metering) -> None:
    send_twilio(CALL, query=f"workspace={metering.subject}&hold=mine")
    send_retell(retell_call(metadata={"workspace": metering.subject, "hold": {"id": 1}}))

    assert [kept.code for kept in metering.kept] == ["bad_hold", "bad_data"]


def test_it_keeps_a_message_of_unknown_length(metering: Metering) -> None:
    """Twilio leaves the number of segments out of most of these; one segment would be a guess."""
    send_twilio(MESSAGE, query=f"workspace={metering.subject}")
    send_twilio(changed(MESSAGE, MessageStatus="sent"), query=f"workspace={metering.subject}")

    (kept,) = metering.kept
    assert (kept.code, metering.events) == ("bad_data", 0)


def test_it_keeps_other_channels_until_they_have_a_meter(metering: Metering) -> None:
    whatsapp = changed(MESSAGE, To=f"whatsapp:{THEIRS}", From=f"whatsapp:{OURS}", NumSegments="1")
    send_twilio(whatsapp, query=f"workspace={metering.subject}")
    (kept,) = metering.kept
    assert (kept.code, kept.type) == ("unknown_meter", "whatsapp_out")

    Meter.objects.create(key="whatsapp_out", name="WhatsApp", unit="message", kind="message_out")
    terms = [Terms(meter="whatsapp_out", price_micros=3 * CENT)]
    publish_rates(open_default_card("usd", name="Standard USD"), terms=terms, valid_from=LONG_AGO)

    assert replay_kept_event(kept.pk).outcome.taken is Taken.CHARGED
    assert Event.objects.get().number == THEIRS


def test_it_keeps_what_came_while_the_wallet_was_busy(metering: Metering) -> None:
    """Twilio does not send it again."""
    with patch.object(connectors, "take_events", take_while_busy):
        answer = send_twilio(CALL, query=f"workspace={metering.subject}")

    (kept,) = metering.kept
    assert (answer.status_code, kept.code, metering.events) == (200, "overloaded", 0)
    assert replay_kept_event(kept.pk).outcome.taken is Taken.CHARGED
    assert metering.charged == 2 * MINUTE_MICROS


def take_while_busy(parsed: Sequence[Parsed], *, reporter: Reporter) -> list[Outcome]:
    """Somebody holds the wallet for longer than anyone waits."""
    if any(one.event is not None for one in parsed):
        raise Overloaded("busy")
    return take_events(parsed, reporter=reporter)


def test_it_asks_to_send_it_again_where_nothing_can_be_kept(metering: Metering) -> None:
    with patch.object(connectors, "take_events", side_effect=Overloaded("busy")):
        answer = send_retell(retell_call(metadata={"workspace": metering.subject}))

    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "overloaded", "5")
    assert (metering.events, metering.kept) == (0, [])


def test_it_charges_nothing_while_a_call_goes_on(metering: Metering) -> None:
    for status in ("queued", "initiated", "ringing", "in-progress"):
        assert send_twilio(changed(CALL, CallStatus=status), query=f"workspace={metering.subject}").status_code == 200
    for message in ({"type": "status-update"}, {"type": ["end-of-call-report"]}, {}):
        assert send_vapi(message).status_code == 200
    for event in ("call_started", "transcript_updated", "chat_ended"):
        assert send_retell(retell_call(), event=event).status_code == 204

    assert metering.events == KeptEvent.objects.count() == 0


# ---------------------------------------------------------------- what the provider charges
def test_it_notes_what_the_provider_charges(metering: Metering) -> None:
    send_twilio(changed(CALL, Price="-0.01300", PriceUnit="USD"), query=f"workspace={metering.subject}")
    send_each(metering)

    costs = {cost.source: (cost.amount_micros, cost.currency) for cost in ProviderCost.objects.all()}
    assert costs == {"/twilio": (13_000, "usd"), "/vapi": (123_400, "usd"), "/retell": (123_450, "usd")}
    assert set(ProviderCost.objects.values_list("key", flat=True)) == set(Event.objects.values_list("key", flat=True))


def test_it_notes_the_cost_that_was_told_last(metering: Metering) -> None:
    metadata = {"workspace": metering.subject}

    send_retell(retell_call(metadata=metadata))
    send_retell(retell_call(metadata=metadata, call_cost={"combined_cost": 20}), event="call_analyzed")

    assert ProviderCost.objects.get().amount_micros == 200_000
    assert (metering.events, metering.kept) == (1, [])


def test_it_charges_the_same_whatever_the_provider_charges(metering: Metering) -> None:
    for number, cost in enumerate([0.5, "free", None, -1, {"a": 1}, 1e300]):
        send_vapi(vapi_message(cost=cost, call={"id": f"call-{number}", "metadata": {"workspace": metering.subject}}))

    assert set(Event.objects.values_list("amount_micros", flat=True)) == {2 * MINUTE_MICROS}
    assert sorted(ProviderCost.objects.values_list("amount_micros", flat=True)) == [500_000, 1_000_000]


# ---------------------------------------------------------------- whose it is
def test_it_believes_no_browser_about_whom_to_charge(metering: Metering) -> None:
    """A web call is started with the public key, by whoever visits the page."""
    Meter.objects.create(key="call_web", name="Web calls", unit="second", kind="call_in")
    publish_rates(open_default_card("usd", name="Standard USD"), terms=[Terms(meter="call_web", price_micros=CENT)], valid_from=LONG_AGO)
    metering.call_it("customer-1042")
    web = vapi_message(call={"type": "webCall", "metadata": {"workspace": "another", "hold": "x"}}, customer=None, phoneNumber=None)

    send_vapi(web, query="workspace=customer-1042")
    send_vapi(vapi_message(call={"id": "2", "type": "webCall", "metadata": {"workspace": metering.subject}}))

    event = Event.objects.get()
    assert (event.meter_id, event.quantity, event.hold_id, event.wallet_id) == ("call_web", 62, None, metering.wallet.pk)
    assert [kept.code for kept in metering.kept] == ["unknown_workspace"]


def test_it_puts_what_retell_signed_before_the_address(metering: Metering) -> None:
    send_retell(retell_call(metadata={"workspace": metering.subject}), query="workspace=another")
    send_retell(retell_call(call_id="call_2"), query=f"workspace={metering.subject}")

    assert (metering.events, metering.kept) == (2, [])


def test_it_takes_ids_that_are_numbers(metering: Metering) -> None:
    metering.call_it("1042")

    send_retell(retell_call(metadata={"workspace": 1042}))

    assert metering.events == 1


def test_it_has_a_price_for_every_kind_of_call_from_the_start(db: None) -> None:
    from usage.default_prices import METERS

    assert {"call_in", "call_out", "call_web", "message_in", "message_out"} <= {meter.key for meter in METERS}


def test_it_says_when_it_happened_by_the_providers_own_clock(metering: Metering) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    metadata = {"workspace": metering.subject}

    send_vapi(vapi_message(startedAt=begun.isoformat().replace("+00:00", ".000Z"), call={"metadata": metadata}))
    send_retell(retell_call(start_timestamp=int(begun.timestamp() * 1000), metadata=metadata))

    assert set(Event.objects.values_list("happened_at", flat=True)) == {begun}

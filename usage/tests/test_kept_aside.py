"""Events that could not be charged: kept once, replayed as they were when they came, or discarded for a reason."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from usage.errors import AlreadyMended
from usage.models import Budget, BudgetMonth, Event, KeptEvent, Meter, Rate
from usage.services.budgets import set_budget
from usage.services.ingestion import Taken
from usage.services.kept_aside import discard_kept_event, replay_kept_event
from usage.services.prices import Terms, end_rate, open_default_card, publish_rates
from usage.tests.stage import CENT, DOLLAR, LONG_AGO, MINUTE_MICROS, Metering, make_metering, seconds_ago
from wallet.services.wallets import open_wallet
from wallet.tests.books import assert_books_balance
from workspaces.models import Workspace
from workspaces.tests.api_caller import caller
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db


def keep(metering: Metering, **changes: Any) -> KeptEvent:
    """Report an event that cannot be charged."""
    answer = metering.report_one(metering.event(**changes))
    assert answer.status == 207, answer.raw
    return KeptEvent.objects.get()


def came(kept: KeptEvent, *, days: float) -> None:
    """It came so long ago."""
    KeptEvent.objects.filter(pk=kept.pk).update(received_at=timezone.now() - timedelta(days=days))


def test_it_keeps_what_was_received_and_who_sent_it(metering: Metering) -> None:
    kept = keep(metering, type="fax_out", id="fax-1", data={"quantity": 3})

    assert (kept.source, kept.event_id, kept.type, kept.subject) == ("/calls", "fax-1", "fax_out", metering.subject)
    assert '"quantity": 3' in kept.body
    assert (kept.code, kept.reach, kept.api_key) == ("unknown_meter", None, metering.platform.api_key and metering.platform.api_key.prefix)


@pytest.mark.parametrize("times", [2, 4])
def test_it_keeps_it_once_however_often_it_comes(metering: Metering, times: int) -> None:
    event = metering.event(type="fax_out")

    answers = [metering.report(*[event] * times) for _ in range(times)]

    assert {answer.status for answer in answers} == {207}
    assert [one["index"] for one in answers[0].body["not_charged"]] == list(range(times))
    assert len(metering.kept) == 1


def test_it_keeps_it_for_each_reach(metering: Metering) -> None:
    """Charlie's key, which cannot reach Alice, must not stand in the way of the platform's, which can."""
    charlie = make_metering(name="Charlie's Garage")
    event = metering.event(subject="customer-7")
    metering.report(event, by=caller(charlie.wallet.workspace))
    metering.report(event)
    metering.call_it("customer-7")

    his, ours = [replay_kept_event(kept.pk) for kept in metering.kept]

    assert (his.outcome.taken, his.outcome.code) == (Taken.KEPT_ASIDE, "unknown_workspace")
    assert ours.outcome.taken is Taken.CHARGED
    assert (metering.charged, charlie.charged) == (MINUTE_MICROS, 0)


# ---------------------------------------------------------------- mended


def test_it_charges_it_once_the_meter_is_there(metering: Metering) -> None:
    kept = keep(metering, type="fax_out", data={"quantity": 3})
    Meter.objects.create(key="fax_out", name="Faxes", unit="page", kind="message_out")
    publish_rates(open_default_card("usd", name="Standard USD"), terms=[Terms(meter="fax_out", price_micros=CENT)], valid_from=LONG_AGO)

    replay = replay_kept_event(kept.pk)

    assert replay.outcome.taken is Taken.CHARGED
    assert (replay.kept.status, replay.kept.resolution) == ("replayed", "charged")
    assert metering.charged == 3 * CENT
    assert metering.kept == []
    assert_books_balance()


def test_it_charges_it_once_there_is_a_rate(metering: Metering) -> None:
    end_rate(Rate.objects.get(meter="call_in").pk)
    event = metering.event(type="call_in")
    assert metering.report_one(event).body["not_charged"][0]["code"] == "no_rate"
    (kept,) = metering.kept

    assert replay_kept_event(kept.pk).outcome.code == "no_rate"
    publish_rates(
        open_default_card("usd", name="Standard USD"), terms=[Terms(meter="call_in", price_micros=2 * CENT)], valid_from=kept_before(kept)
    )
    assert replay_kept_event(kept.pk).outcome.taken is Taken.CHARGED
    assert metering.charged == 120 * CENT
    assert metering.report_one(event).status == 204
    assert metering.charged == 120 * CENT


def kept_before(kept: KeptEvent) -> datetime:
    """A moment before it came, after the rate that was ended."""
    ended = Rate.objects.filter(meter="call_in").latest("valid_until").valid_until
    assert ended is not None
    assert ended <= kept.received_at
    return ended


def test_it_charges_it_once_the_workspace_and_its_wallet_are_there(metering: Metering) -> None:
    kept = keep(metering, subject="customer-9")
    workspace = Workspace.objects.create(name="Northside", external_id="customer-9")
    assert replay_kept_event(kept.pk).outcome.code == "no_wallet"

    wallet = open_wallet(workspace, currency="usd")
    replay = replay_kept_event(kept.pk)

    assert replay.outcome.taken is Taken.CHARGED
    assert (replay.kept.wallet_id, replay.kept.key) == (wallet.pk, Event.objects.get().key)
    assert_books_balance()


def test_it_happened_when_it_came_and_not_when_it_was_mended(metering: Metering) -> None:
    """Without a time of its own it gets the price of the day that it came on."""
    kept = keep(metering, subject="customer-9")
    came(kept, days=3)
    metering.call_it("customer-9")
    publish_rates(
        open_default_card("usd", name="Standard USD"), terms=[Terms(meter="call_out", price_micros=9 * CENT, first_block=60, step=60)]
    )

    replay_kept_event(kept.pk)

    event = Event.objects.get()
    assert timedelta(days=2) < timezone.now() - event.happened_at < timedelta(days=4)
    assert event.amount_micros == MINUTE_MICROS


def test_it_charges_what_was_too_late_once_a_person_says_so(metering: Metering) -> None:
    kept = keep(metering, time=seconds_ago(timedelta(days=120).total_seconds()))
    assert kept.code == "too_late"

    assert replay_kept_event(kept.pk).outcome.taken is Taken.CHARGED
    assert Event.objects.get().is_late


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00-23:59", "1999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
def test_it_keeps_what_lies_at_the_end_of_the_calendar(prices: None, time: str, zone: str) -> None:
    """Whoever replays it: there is no such day in half of all zones."""
    metering = make_metering(time_zone=zone)
    kept = keep(metering, type="voice_lab", time=time)

    replay = replay_kept_event(kept.pk)

    assert (replay.kept.status, replay.outcome.code) == ("kept", "bad_time")
    assert "before 2000" in replay.kept.reason
    assert metering.charged == 0


def test_it_charges_what_lay_ahead_once_that_time_has_come(metering: Metering) -> None:
    ahead = timezone.now() + timedelta(days=2)
    kept = keep(metering, time=ahead.isoformat())

    assert replay_kept_event(kept.pk).outcome.code == "in_the_future"
    with patch("django.utils.timezone.now", return_value=ahead + timedelta(hours=1)):
        assert replay_kept_event(kept.pk).outcome.taken is Taken.CHARGED


def test_it_knows_one_that_was_sent_again_and_charged_meanwhile(metering: Metering) -> None:
    event = metering.event(subject="customer-9")
    metering.report_one(event)
    (kept,) = metering.kept
    metering.call_it("customer-9")
    metering.report_one(event)

    replay = replay_kept_event(kept.pk)

    assert (replay.outcome.taken, replay.kept.status, replay.kept.resolution) == (Taken.REPEATED, "replayed", "repeated")
    assert metering.charged == MINUTE_MICROS
    assert_books_balance()


def test_it_counts_for_the_budget_of_the_key_that_sent_it(metering: Metering) -> None:
    key = metering.platform.api_key
    assert key is not None
    kept = keep(metering, subject="customer-9")
    set_budget(metering.wallet, scope=Budget.Scope.API_KEY, value=key.prefix, monthly_cap_micros=DOLLAR)
    metering.call_it("customer-9")

    replay_kept_event(kept.pk)

    assert BudgetMonth.objects.get().spent_micros == MINUTE_MICROS


def test_it_stays_kept_under_the_new_reason_where_it_fails_again(metering: Metering) -> None:
    kept = keep(metering, type="fax_out", subject="nobody")
    assert kept.code == "unknown_workspace"
    metering.call_it("nobody")

    replay = replay_kept_event(kept.pk)

    assert (replay.kept.status, replay.kept.code) == ("kept", "unknown_meter")
    assert KeptEvent.objects.count() == 1


@pytest.mark.parametrize("body", [{"hello": "world"}, None, [1], {"id": "\ud800"}])
def test_it_keeps_what_can_never_be_read(metering: Metering, body: Any) -> None:
    metering.report(body, metering.event())
    (kept,) = metering.kept

    assert replay_kept_event(kept.pk).outcome.code == "not_a_cloud_event"
    assert KeptEvent.objects.count() == 1


# ---------------------------------------------------------------- resolved once


def test_it_is_discarded_for_a_reason(metering: Metering) -> None:
    kept = discard_kept_event(keep(metering, type="fax_out").pk, reason="A test of the platform's.")

    kept.refresh_from_db()
    assert (kept.status, kept.resolution) == ("discarded", "A test of the platform's.")
    assert kept.resolved_at is not None
    assert_books_balance()


def test_it_is_resolved_once(metering: Metering) -> None:
    kept = keep(metering, type="fax_out")
    for nothing in ("", "  "):
        with pytest.raises(ValueError, match="why the event is given up"):
            discard_kept_event(kept.pk, reason=nothing)
    discard_kept_event(kept.pk, reason="Unwanted.")

    for again in (lambda: discard_kept_event(kept.pk, reason="Again."), lambda: replay_kept_event(kept.pk)):
        with pytest.raises(AlreadyMended):
            again()


@pytest.mark.django_db(transaction=True)
def test_it_is_replayed_once_however_many_replay_it_at_once(metering: Metering) -> None:
    kept = keep(metering, subject="customer-9")
    metering.call_it("customer-9")

    outcomes = at_once([lambda: replay_kept_event(kept.pk)] * 6)

    assert [type(error) for error in errors(outcomes)] == [AlreadyMended] * 5
    assert Event.objects.count() == 1
    assert_books_balance()


def test_it_is_kept_anew_where_it_comes_again_after_it_was_discarded(metering: Metering) -> None:
    event = metering.event(type="fax_out")
    metering.report_one(event)
    discard_kept_event(metering.kept[0].pk, reason="Unwanted.")

    metering.report_one(event)

    assert len(metering.kept) == 1
    assert KeptEvent.objects.count() == 2


def test_it_cannot_be_called_replayed_without_naming_its_event(metering: Metering) -> None:
    kept = keep(metering, type="fax_out")

    with pytest.raises(IntegrityError), transaction.atomic():
        KeptEvent.objects.filter(pk=kept.pk).update(status="replayed", resolved_at=datetime.now(UTC))

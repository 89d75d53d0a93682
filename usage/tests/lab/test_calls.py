"""Test calls: free in the Lab whatever the wallet's state, charged exactly once live, and none that goes on for nothing."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone

from usage.errors import NotAllowed, Overloaded, Reason
from usage.models import Event, LabRun
from usage.services import lab_calls
from usage.services.lab_calls import (
    CALL_MAX,
    PAGE_GONE_AFTER,
    RUNNING_MAX,
    TooManyCalls,
    hang_up,
    settle_calls_left_alone,
    watch_call,
)
from usage.services.lab_use import held_seconds, money_seconds
from usage.tests.lab.conftest import MINUTE_IN, MINUTE_OUT, Call, Fund, answered, pass_time, standing
from wallet.models import Hold, Transfer, Wallet
from wallet.tests.builders import DOLLAR

End = LabRun.EndReason


def _empty(wallet: Wallet) -> None:
    """As it is."""


def _frozen(wallet: Wallet) -> None:
    wallet.frozen_at = timezone.now()
    wallet.save(update_fields=["frozen_at"])


def _grace_over(wallet: Wallet) -> None:
    wallet.depleted_at = timezone.now() - timedelta(days=2)
    wallet.save(update_fields=["depleted_at"])


# ---------------------------------------------------------------- in the Lab
@pytest.mark.parametrize("state", [_empty, _frozen, _grace_over])
@pytest.mark.parametrize("direction", ["out", "in"])
def test_it_is_free_whatever_the_wallets_state(wallet: Wallet, call: Call, state: object, direction: str) -> None:
    assert callable(state)
    state(wallet)

    run = call(is_live=False, direction=direction)
    answered(run, seconds=60)
    run = hang_up(run.pk)

    event = Event.objects.get()
    assert (event.meter_id, event.quantity, event.amount_micros, event.transfer_seq) == ("voice_lab", run.seconds, 0, None)
    assert not Transfer.objects.exists()
    assert not Hold.objects.exists()
    assert standing(wallet) == (0, 0)


@pytest.mark.parametrize(("direction", "cost_micros"), [("out", MINUTE_OUT), ("in", MINUTE_IN)])
def test_it_says_what_it_would_have_cost(call: Call, direction: str, cost_micros: int) -> None:
    run = call(is_live=False, direction=direction)
    answered(run, seconds=59.5)

    assert hang_up(run.pk).live_micros == cost_micros


def test_it_counts_nothing_where_nobody_answered(call: Call) -> None:
    run = hang_up(call(is_live=False).pk)

    assert (run.end_reason, run.seconds, run.live_micros) == (End.UNANSWERED, 0, 0)
    assert not Event.objects.exists()


# ---------------------------------------------------------------- live
@pytest.mark.usefixtures("funded")
def test_it_holds_money_while_it_runs_and_charges_once(wallet: Wallet, call: Call) -> None:
    run = call()
    assert standing(wallet) == (10 * DOLLAR, 3 * MINUTE_OUT)
    answered(run, seconds=29.5)

    for _ in range(3):
        run = hang_up(run.pk)

    assert run.live_micros == MINUTE_OUT // 2
    assert standing(wallet) == (10 * DOLLAR - MINUTE_OUT // 2, 0)
    assert Transfer.objects.filter(kind="call_out").count() == 1
    assert Hold.objects.get().status == Hold.Status.CAPTURED


@pytest.mark.usefixtures("funded")
def test_it_gives_the_money_back_where_nobody_answered(wallet: Wallet, call: Call) -> None:
    run = hang_up(call().pk)

    assert (run.end_reason, run.live_micros) == (End.UNANSWERED, 0)
    assert standing(wallet) == (10 * DOLLAR, 0)
    assert not Transfer.objects.filter(kind="call_out").exists()


@pytest.mark.usefixtures("funded")
def test_it_starts_one_call_for_a_form_that_is_sent_twice(wallet: Wallet, call: Call) -> None:
    first, second = call(request_id="a" * 32), call(request_id="a" * 32)

    assert first == second
    assert Hold.objects.count() == 1


@pytest.mark.usefixtures("funded")
def test_it_pays_ahead_while_the_page_is_there(wallet: Wallet, call: Call) -> None:
    run = call()
    assert held_seconds(run) == 180
    answered(run, seconds=61)

    watch_call(run.pk)

    assert held_seconds(run) == 300
    assert standing(wallet) == (10 * DOLLAR, 5 * MINUTE_OUT)


def test_it_ends_when_the_money_for_it_is_gone(wallet: Wallet, call: Call, fund: Fund) -> None:
    fund(MINUTE_OUT)
    run = call()
    assert money_seconds(run) == 60
    answered(run, seconds=59)
    assert watch_call(run.pk).ended_at is None

    pass_time(run, seconds=30)
    run = watch_call(run.pk)

    assert (run.end_reason, run.seconds, run.live_micros) == (End.MONEY_GONE, 60, MINUTE_OUT)
    assert standing(wallet) == (0, 0)


def test_it_goes_on_when_money_comes_in_time(wallet: Wallet, call: Call, fund: Fund) -> None:
    fund(MINUTE_OUT)
    run = call()
    answered(run, seconds=59)
    fund(DOLLAR)

    watch_call(run.pk)
    pass_time(run, seconds=30)

    assert watch_call(run.pk).ended_at is None
    seconds = money_seconds(run)
    assert seconds is not None
    assert seconds > 3600


@pytest.mark.usefixtures("funded")
def test_it_ends_at_the_longest_time_of_a_test_call(call: Call) -> None:
    run = call()
    for _ in range(5):
        pass_time(run, seconds=100)
        watch_call(run.pk)
    pass_time(run, seconds=150)

    run = watch_call(run.pk)

    assert (run.end_reason, run.seconds) == (End.TIME_LIMIT, CALL_MAX.seconds)
    assert run.live_micros == 10 * MINUTE_OUT


@pytest.mark.usefixtures("funded")
def test_it_ends_and_charges_a_call_whose_page_is_gone(wallet: Wallet, call: Call) -> None:
    run = call()
    answered(run, seconds=3600, seen=False)

    assert settle_calls_left_alone() == 1
    assert settle_calls_left_alone() == 0

    run.refresh_from_db()
    assert run.end_reason == End.PAGE_GONE
    # Ninety seconds after it was last heard of, three of which it rang.
    assert run.seconds == PAGE_GONE_AFTER.seconds - 3
    assert run.live_micros == 90 * MINUTE_OUT // 60
    assert standing(wallet) == (10 * DOLLAR - 21_000, 0)


@pytest.mark.usefixtures("funded")
def test_it_leaves_a_call_alone_whose_page_is_there(call: Call) -> None:
    run = call()
    answered(run, seconds=30)
    watch_call(run.pk)

    assert settle_calls_left_alone() == 0
    assert LabRun.objects.get().ended_at is None


@pytest.mark.usefixtures("funded")
def test_it_does_not_come_back_to_life(call: Call) -> None:
    run = call()
    answered(run, seconds=3600, seen=False)

    run = watch_call(run.pk)

    assert run.end_reason == End.PAGE_GONE
    assert watch_call(run.pk).ended_at == run.ended_at


@pytest.mark.usefixtures("funded")
def test_it_keeps_its_end_where_it_cannot_be_charged_now(wallet: Wallet, call: Call) -> None:
    run = call()
    answered(run, seconds=29.5)
    with patch.object(lab_calls, "charge_live", side_effect=Overloaded("busy")), pytest.raises(Overloaded):
        hang_up(run.pk)
    run.refresh_from_db()
    assert (run.end_reason, run.settled_at) == (End.HUNG_UP, None)

    pass_time(run, seconds=0)
    assert settle_calls_left_alone() == 1

    run.refresh_from_db()
    assert run.live_micros == MINUTE_OUT // 2


@pytest.mark.usefixtures("funded")
def test_it_charges_a_call_whose_hold_has_expired(wallet: Wallet, call: Call) -> None:
    run = call()
    answered(run, seconds=29.5)
    Hold.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    run = hang_up(run.pk)

    assert run.live_micros == MINUTE_OUT // 2
    assert standing(wallet)[0] == 10 * DOLLAR - MINUTE_OUT // 2


# ---------------------------------------------------------------- at zero
def test_it_refuses_an_outbound_call_at_zero(wallet: Wallet, call: Call) -> None:
    with pytest.raises(NotAllowed) as refused:
        call(request_id="b" * 32)

    assert refused.value.reason is Reason.INSUFFICIENT_FUNDS
    assert not LabRun.objects.exists()
    assert not Hold.objects.exists()


def test_it_lets_inbound_ring_through_the_grace_time_and_then_pauses(wallet: Wallet, call: Call, fund: Fund) -> None:
    first = call(direction="in")
    wallet.refresh_from_db()
    assert wallet.grace_until is not None
    answered(first, seconds=59.5)
    assert hang_up(first.pk).live_micros == MINUTE_IN
    assert standing(wallet) == (-MINUTE_IN, 0)

    wallet.depleted_at = timezone.now() - timedelta(minutes=wallet.grace_minutes)
    wallet.save(update_fields=["depleted_at"])
    with pytest.raises(NotAllowed) as refused:
        call(direction="in")
    assert refused.value.reason is Reason.CALLS_PAUSED

    fund(DOLLAR)
    assert call(direction="in").hold_id is not None
    assert call(direction="out").hold_id is not None


def test_it_lets_a_running_inbound_call_finish_to_its_hold_when_the_grace_time_ends(wallet: Wallet, call: Call) -> None:
    run = call(direction="in")
    answered(run, seconds=170)
    wallet.refresh_from_db()
    wallet.depleted_at = timezone.now() - timedelta(minutes=wallet.grace_minutes)
    wallet.save(update_fields=["depleted_at"])

    assert watch_call(run.pk).ended_at is None
    pass_time(run, seconds=20)

    run = watch_call(run.pk)
    assert (run.end_reason, run.seconds) == (End.MONEY_GONE, 180)


def test_it_limits_how_many_calls_are_open(call: Call) -> None:
    first, *_ = [call(is_live=False) for _ in range(RUNNING_MAX)]
    with pytest.raises(TooManyCalls):
        call(is_live=False)

    hang_up(first.pk)

    assert call(is_live=False).ended_at is None

"""Races of uses for one wallet, and for several: each with the twin that fails once the wallet's lock is off."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models.functions import Now

from usage import ingest
from usage.models import Budget, Event
from usage.services import charging
from usage.services import holds as usage_holds
from usage.services.budgets import set_budget
from usage.tests.stage import CENT, DOLLAR, MINUTE_MICROS, Metering, make_metering
from wallet import ledger
from wallet.models import Hold, Transfer, Wallet
from wallet.services import holds as wallet_holds
from wallet.services.holds import expire_due_holds
from wallet.tests.books import assert_books_balance
from wallet.tests.builders import paid_top_up
from workspaces.tests.api_caller import Answer, Caller
from workspaces.tests.threads import at_once, errors

# One after the other even where tests run side by side: the server has connections for one race at a time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]

AT_ONCE = 25
"""Threads, each with a connection of its own."""


@pytest.fixture
def lock_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wallets are read without their locks: what a race test must notice."""

    def unlocked(wallet_id: int) -> Wallet:
        return Wallet.objects.get(pk=wallet_id)

    def all_unlocked(wallet_ids: Sequence[int]) -> dict[int, Wallet]:
        return {wallet.pk: wallet for wallet in Wallet.objects.filter(pk__in=set(wallet_ids))}

    for module in (ledger, usage_holds, wallet_holds):
        monkeypatch.setattr(module, "lock_wallet", unlocked)
    monkeypatch.setattr(charging, "lock_wallets", all_unlocked)


def statuses(outcomes: Sequence[object]) -> Counter[int]:
    """How many answers there were of each status; nothing may have raised."""
    assert errors(outcomes) == []
    return Counter(answer.status for answer in outcomes if isinstance(answer, Answer))


def callers(metering: Metering, count: int) -> list[Caller]:
    """As many clients with the platform's key, as a client is no thread's to share."""
    return [Caller(metering.platform.secret) for _ in range(count)]


def many(metering: Metering, count: int, act: Callable[[Caller, int], object]) -> list[object]:
    """`act` so often, AT_ONCE at a time."""
    each = count // AT_ONCE

    def some(by: Caller, first: int) -> list[object]:
        return [act(by, first + number) for number in range(each)]

    found = at_once([partial(some, by, place * each) for place, by in enumerate(callers(metering, AT_ONCE))])
    assert errors(found) == []
    return [one for several in found if isinstance(several, list) for one in several]


# ---------------------------------------------------------------- holds for the last of the money


def ask_a_hundred_times(metering: Metering) -> Counter[int]:
    return statuses(many(metering, 100, lambda by, number: metering.hold(by=by, key=f"call-{number}")))


def test_it_lets_ten_of_a_hundred_through_on_the_money_for_ten(metering: Metering) -> None:
    """D2, S20."""
    metering.leave(10 * MINUTE_MICROS)

    assert ask_a_hundred_times(metering) == {201: 10, 402: 90}
    assert metering.held == metering.balance == 10 * MINUTE_MICROS
    assert_books_balance()


def test_it_would_promise_the_same_money_twice_without_the_lock(metering: Metering, lock_is_off: None) -> None:
    metering.leave(10 * MINUTE_MICROS)

    ask_a_hundred_times(metering)

    assert Hold.objects.count() > 10


def test_it_spends_a_hot_wallet_to_the_last_and_no_further(metering: Metering) -> None:
    """C12: a hundred holds of one from sixty, each captured: sixty went through, and nothing is left."""
    metering.leave(60 * MINUTE_MICROS)

    def call(by: Caller, number: int) -> Answer:
        answer = metering.hold(by=by, key=f"call-{number}")
        if answer.status == 201:
            body = {"subject": metering.subject, "quantity": 60}
            assert by.post(f"/holds/{answer.body['hold']}/capture", body, key=f"capture-{number}").status == 200
        return answer

    assert statuses(many(metering, 100, call)) == {201: 60, 402: 40}
    assert (metering.balance, metering.held, metering.charged) == (0, 0, 60 * MINUTE_MICROS)
    assert_books_balance()


# ---------------------------------------------------------------- the last of a budget


def spend_a_budget(metering: Metering) -> Counter[int]:
    set_budget(metering.wallet, scope=Budget.Scope.AGENT, value="Sales agent", monthly_cap_micros=5 * MINUTE_MICROS)
    return statuses(many(metering, 50, lambda by, number: metering.hold(by=by, key=f"call-{number}", agent="Sales agent")))


def test_it_keeps_a_budget_under_any_race(metering: Metering) -> None:
    metering.leave(100 * DOLLAR)

    assert spend_a_budget(metering) == {201: 5, 402: 45}
    assert metering.held == 5 * MINUTE_MICROS


def test_it_would_pass_a_budget_without_the_lock(metering: Metering, lock_is_off: None) -> None:
    metering.leave(100 * DOLLAR)

    spend_a_budget(metering)

    assert Hold.objects.count() > 5


# ---------------------------------------------------------------- one report by many, many reports at once


def report_one_batch_by_ten(metering: Metering) -> list[object]:
    batch = [metering.event(data={"agent": "Sales agent"}) for _ in range(50)]
    return at_once([partial(metering.report, *batch, by=by) for by in callers(metering, 10)])


def test_it_charges_a_batch_once_that_ten_clients_send_at_once(metering: Metering) -> None:
    """C3, S19: one row each; those who come later are answered that all is taken."""
    assert statuses(report_one_batch_by_ten(metering)) == {204: 10}
    assert (metering.events, metering.charged) == (50, 50 * MINUTE_MICROS)
    assert_books_balance()


def test_it_would_fail_those_who_come_later_without_the_lock(metering: Metering, lock_is_off: None) -> None:
    """The database's keys still keep the books right; the answers are what suffers."""
    assert statuses(report_one_batch_by_ten(metering))[500] > 0


def report_many_batches(metering: Metering) -> list[object]:
    batches = [[metering.event(type="ai_task") for _ in range(20)] for _ in range(20)]
    return at_once([partial(metering.report, *batch, by=by) for batch, by in zip(batches, callers(metering, 20), strict=True)])


def test_it_takes_batch_after_batch_for_one_wallet(metering: Metering) -> None:
    """Each sees what the one before it used of the month's tiers: ten at five cents, all others at two."""
    assert statuses(report_many_batches(metering)) == {204: 20}
    assert metering.charged == 10 * 5 * CENT + 390 * 2 * CENT
    assert sorted(Event.objects.values_list("used_before", flat=True)) == list(range(400))
    assert_books_balance()


def test_it_would_lose_batches_without_the_lock(metering: Metering, lock_is_off: None) -> None:
    assert statuses(report_many_batches(metering))[500] > 0
    assert metering.events < 400


def report_crosswise(everyone: list[Metering]) -> list[object]:
    """Twenty batches over the same wallets, every other one in the opposite order."""
    batches = [[one.event() for one in everyone[:: 1 if number % 2 else -1] for _ in range(5)] for number in range(20)]
    return at_once([partial(everyone[0].report, *batch, by=by) for batch, by in zip(batches, callers(everyone[0], 20), strict=True)])


def test_it_never_waits_in_a_circle(metering: Metering) -> None:
    """Batches over the same wallets in opposite order lock them in one order: no deadlock, on the first try."""
    everyone = [metering, *(make_metering(name=f"Customer {number}") for number in range(5))]

    assert statuses(report_crosswise(everyone)) == {204: 20}
    assert [one.charged for one in everyone] == [100 * MINUTE_MICROS] * 6
    assert_books_balance()


def test_it_would_wait_in_a_circle_if_each_locked_as_it_came(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the same batches, whose wallets are locked one after the other in the order of their events."""
    everyone = [metering, *(make_metering(name=f"Customer {number}") for number in range(5))]
    monkeypatch.setattr("usage.services.ingestion.TRIES_MAX", 1)
    monkeypatch.setattr(charging, "lock_wallets", lambda wallet_ids: {pk: ledger.lock_wallet(pk) for pk in dict.fromkeys(wallet_ids)})

    assert statuses(report_crosswise(everyone))[503] > 0


# ---------------------------------------------------------------- what becomes of one hold


def placed(metering: Metering) -> str:
    hold: str = metering.hold().body["hold"]
    return hold


def capture(metering: Metering, hold: str, by: Caller, *, key: str) -> Answer:
    return by.post(f"/holds/{hold}/capture", {"subject": metering.subject, "quantity": 60}, key=key)


def capture_twenty_times(metering: Metering) -> list[object]:
    hold = placed(metering)
    return at_once([partial(capture, metering, hold, by, key=f"key-{number}") for number, by in enumerate(callers(metering, 20))])


def test_it_captures_once_however_many_do(metering: Metering) -> None:
    """D3."""
    outcomes = capture_twenty_times(metering)

    assert statuses(outcomes) == {200: 20}
    assert len({answer.raw for answer in outcomes if isinstance(answer, Answer)}) == 1
    assert (metering.charged, metering.held, metering.events) == (MINUTE_MICROS, 0, 1)
    assert_books_balance()


def test_it_would_fail_captures_without_the_lock(metering: Metering, lock_is_off: None) -> None:
    assert statuses(capture_twenty_times(metering))[500] > 0


def capture_by_call_and_by_event(metering: Metering) -> list[object]:
    """Ten holds, each captured by a call and by an event of another id at the same moment."""
    acts: list[Callable[[], object]] = []
    for number in range(10):
        hold = placed(metering)
        one, other = callers(metering, 2)
        acts += [
            partial(capture, metering, hold, one, key=f"key-{number}"),
            partial(metering.report, metering.event(data={"hold": hold}), by=other),
        ]
    return at_once(acts)


def test_it_does_not_charge_a_call_twice_that_an_event_has_captured(metering: Metering) -> None:
    """D3: whichever comes second is told so, and what it told is kept aside."""
    found = statuses(capture_by_call_and_by_event(metering))

    assert found[200] + found[204] == found[409] + found[207] == 10
    assert (metering.events, metering.charged) == (10, 10 * MINUTE_MICROS)
    assert (Hold.objects.filter(status="captured").count(), metering.held) == (10, 0)
    assert_books_balance()


def test_it_would_charge_it_twice_without_the_lock(metering: Metering, lock_is_off: None, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = placed(metering)
    charged_under_holds, others = ingest.charged_under_holds, [metering.event(data={"hold": hold})]

    def while_an_event_comes(holds: Any) -> Any:
        """Between the capture's look at what was charged under the hold and its own charge."""
        found = charged_under_holds(holds)
        if others:
            at_once([partial(metering.report, others.pop(), by=Caller(metering.platform.secret))])
        return found

    monkeypatch.setattr(ingest, "charged_under_holds", while_an_event_comes)
    # Its seq was read without the lock, so the database's keys refuse it: what the lock spares is the failure.
    assert metering.act("capture", hold, quantity=60).status == 500


def resolve_against(metering: Metering, *, rival: Callable[[str, Caller], object]) -> list[object]:
    """Ten holds whose time is just over or whose call is just given up, each captured and resolved otherwise at the same moment."""
    acts: list[Callable[[], object]] = []
    for number in range(10):
        hold = placed(metering)
        one, other = callers(metering, 2)
        acts += [partial(capture, metering, hold, one, key=f"key-{number}"), partial(rival, hold, other)]
    return at_once(acts)


def test_it_captures_or_releases(metering: Metering) -> None:
    """D7: one wins, the other is told so, and no money is held or charged besides."""

    def release(hold: str, by: Caller) -> Answer:
        return by.post(f"/holds/{hold}/release", {"subject": metering.subject}, key=f"release-{hold}")

    found = statuses(resolve_against(metering, rival=release))

    captured, released = (Hold.objects.filter(status=status).count() for status in ("captured", "released"))
    assert found == {200: 10, 409: 10}
    assert (captured + released, metering.held) == (10, 0)
    assert metering.charged == captured * MINUTE_MICROS
    assert_books_balance()


def test_it_captures_or_expires(metering: Metering) -> None:
    """D6: the use is charged once either way, and the money given back once."""

    def expire(hold: str, by: Caller) -> None:
        Hold.objects.filter(id=hold).update(expires_at=Now())
        expire_due_holds()

    assert statuses(resolve_against(metering, rival=expire)) == {200: 10}
    assert Hold.objects.filter(status__in=["captured", "expired"]).count() == 10
    assert (metering.charged, metering.held) == (10 * MINUTE_MICROS, 0)
    assert_books_balance()


def test_it_would_give_money_back_twice_without_the_lock(metering: Metering, lock_is_off: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expiry decides on what it read, while a release that it did not wait for has given the money back."""
    hold = Hold.objects.get(id=placed(metering))
    placed(metering)
    Hold.objects.filter(id=hold.id).update(expires_at=Now())
    resolve = wallet_holds._resolve

    def while_another_does(wallet: Wallet, one: Hold, status: Hold.Status) -> None:
        monkeypatch.setattr(wallet_holds, "_resolve", resolve)
        at_once([expire_due_holds])
        resolve(wallet, one, status)

    monkeypatch.setattr(wallet_holds, "_resolve", while_another_does)

    with pytest.raises(AssertionError):
        expire_due_holds()


# ---------------------------------------------------------------- money in and money out


def report_and_top_up(metering: Metering) -> list[object]:
    acts: list[Callable[[], object]] = []
    for by in callers(metering, 10):
        acts += [partial(metering.report, *[metering.event() for _ in range(10)], by=by), partial(paid_top_up, metering.wallet, DOLLAR)]
    return at_once(acts)


def test_it_charges_and_credits_at_once(metering: Metering) -> None:
    outcomes = report_and_top_up(metering)

    assert errors(outcomes) == []
    assert metering.balance == 10 * DOLLAR + 10 * DOLLAR - 100 * MINUTE_MICROS
    assert_books_balance()


def test_it_would_lose_one_of_them_without_the_lock(metering: Metering, lock_is_off: None) -> None:
    outcomes = report_and_top_up(metering)

    failed = [
        outcome for outcome in outcomes if isinstance(outcome, IntegrityError) or (isinstance(outcome, Answer) and outcome.status == 500)
    ]
    assert failed
    assert Transfer.objects.filter(wallet=metering.wallet).count() < 1 + 100 + 10

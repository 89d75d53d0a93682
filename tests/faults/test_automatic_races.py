"""Automatic payments under races: many at once lead to one effect, no cap is ever passed, and the twins without the lock fail."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models import Sum

from stripe_sandbox.testing import RunningSandbox
from tests.faults.automatic import CHARGE
from tests.payments import DOLLAR, MoneyIn, make_wallet
from wallet.automatic_rule import size_charge
from wallet.errors import GatewayError, LinkUnusable
from wallet.ledger import lock_wallet
from wallet.models import Origin, TopUp, Transfer
from wallet.services import automatic_charges, automatic_sending, charging_switch
from wallet.services.automatic_charges import consider_charges
from wallet.services.automatic_payments import switch_off, try_again
from wallet.services.charging_switch import resume_charging
from wallet.services.checkout import open_checkout
from wallet.services.top_ups import send_claimed
from wallet.tasks import charge_top_up as charge_top_up_task
from wallet.tasks import sweep
from wallet_billing.celery import app
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.xdist_group("races")
MANY = 50
Act = Callable[[], object]


@pytest.fixture
def slow_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading how things stand and writing, there is time for others to step in."""

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.03)
        return size_charge(*arguments, **options)

    monkeypatch.setattr(automatic_charges, "size_charge", slowly)


def decide(money_in: MoneyIn) -> None:
    """What a use does once it is charged."""
    with transaction.atomic():
        consider_charges([lock_wallet(money_in.wallet.pk)])


def charge_all(money_in: MoneyIn) -> None:
    for top_up in money_in.automatic():
        charge_top_up_task(str(top_up.pk))


def work_at_once(money_in: MoneyIn, *, workers: int = 2) -> list[object]:
    """Several workers empty the queue together."""

    def work() -> None:
        while message := money_in.next_message():
            name, arguments = message
            app.tasks[name](*arguments)

    return at_once([work] * workers)


# ---------------------------------------------------------------- one charge of many uses
def test_it_makes_one_charge_of_fifty_uses_at_once(active: MoneyIn) -> None:
    """B1."""
    assert errors(at_once([lambda: active.use(1)] * MANY)) == []

    assert active.outcomes() == [("created", 25)]
    active.work()
    assert (active.charges(), active.balance) == (1, 5)


def test_it_decides_once_when_fifty_decide_at_once(active: MoneyIn, slow_decision: None) -> None:
    """B1: the twin below is this one without the lock."""
    active.take(25)

    assert errors(at_once([lambda: decide(active)] * 20)) == []
    assert len(active.automatic()) == 1


def test_it_needs_the_lock_to_decide_once(active: MoneyIn, slow_decision: None, no_row_locks: None) -> None:
    """B1: without it they all decide, and the unique index is what they meet."""
    active.take(25)

    refused = errors(at_once([lambda: decide(active)] * 20))

    assert refused
    assert {type(error) for error in refused} == {IntegrityError}
    assert all("top_up_automatic_is_one_open_per_wallet" in str(error) for error in refused)
    assert len(active.automatic()) == 1


# ---------------------------------------------------------------- law 6: the caps
def use_and_charge(money_in: MoneyIn, *, dollars: int, times: int) -> None:
    for _ in range(times):
        money_in.use(dollars)
        charge_all(money_in)


@pytest.mark.parametrize("terms", [{"monthly_cap": 1000, "daily": 2}, {"monthly_cap": 60, "daily": 10}, {"monthly_cap": 110, "daily": 4}])
def test_it_never_passes_a_cap(money_in: MoneyIn, terms: dict[str, int]) -> None:
    """Law 6: twenty report and charge at once, and every use takes the wallet far below again."""
    money_in.give(11)
    money_in.switch_on(money_in.connect_card(), **terms)

    faults = errors(at_once([lambda: use_and_charge(money_in, dollars=2, times=4)] * 20))
    money_in.work()

    taken: int | None = TopUp.objects.filter(status="succeeded").aggregate(sum=Sum("amount_micros"))["sum"]
    assert faults == []
    assert taken is not None
    charges, left = money_in.charges(), terms["monthly_cap"] - taken / DOLLAR
    assert charges <= terms["daily"]
    assert left >= 0
    assert charges == terms["daily"] or left < 25, "no cap was reached, so none was tried"


def charge_while_one_is_still_deciding(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """One has counted what was charged today and not written yet; another decides and charges meanwhile, if nothing stops it."""
    counted, charged = threading.Event(), threading.Event()

    def hesitate(*arguments: Any, **options: Any) -> Any:
        answer = size_charge(*arguments, **options)
        if not counted.is_set():
            counted.set()
            charged.wait(1)
        return answer

    def follow() -> None:
        assert counted.wait(10)
        decide(money_in)
        charge_all(money_in)
        charged.set()

    monkeypatch.setattr(automatic_charges, "size_charge", hesitate)
    return errors(at_once([lambda: decide(money_in), follow]))


def test_it_counts_and_writes_under_one_lock(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 6: one a day, and it is one."""
    money_in.give(30)
    money_in.switch_on(money_in.connect_card(), daily=1, monthly_cap=25)
    money_in.take(100)

    assert charge_while_one_is_still_deciding(money_in, monkeypatch) == []
    charge_all(money_in)

    assert [status for status, _ in money_in.outcomes()] == ["succeeded"]


def test_it_needs_the_lock_to_keep_the_cap(money_in: MoneyIn, monkeypatch: pytest.MonkeyPatch, no_row_locks: None) -> None:
    """The twin of the one above: the index lets one be open after the other, and the cap is passed; but for one more look before
    each is sent, which is left out here.
    """
    monkeypatch.setattr(automatic_sending, "is_allowed", lambda *_, **__: True)
    money_in.give(30)
    money_in.switch_on(money_in.connect_card(), daily=1, monthly_cap=25)
    money_in.take(100)

    charge_while_one_is_still_deciding(money_in, monkeypatch)
    charge_all(money_in)

    assert [status for status, _ in money_in.outcomes()] == ["succeeded"] * 2


# ---------------------------------------------------------------- workers and beats
def test_it_sends_one_request_however_many_workers_have_the_message(active: MoneyIn) -> None:
    """B12."""
    active.use(25)

    assert errors(at_once([lambda: charge_all(active)] * 20)) == []

    assert len(active.requests(CHARGE)) == active.charges() == 1
    assert active.moves()[-1] == ("automatic_payment", 25)


def test_it_needs_the_claim_to_send_one_request(active: MoneyIn) -> None:
    """The twin of the one above: without it all of them send, and only Stripe's key keeps it at one charge."""
    active.use(25)
    (top_up,) = active.automatic()

    at_once([lambda: send_claimed(top_up.pk)] * 10)

    assert len(active.requests(CHARGE)) > 1
    assert active.charges() == 1


def test_it_charges_once_with_two_beats_and_two_workers(active: MoneyIn) -> None:
    """B12, B16: both beats fire at once, each message is there twice, both workers are at it."""
    active.use(25)
    active.lose_messages()
    active.pass_time(seconds=61)

    assert errors(at_once([sweep, sweep])) == []
    assert errors(work_at_once(active)) == []

    assert len(active.requests(CHARGE)) == active.charges() == 1
    assert active.outcomes() == [("succeeded", 25)]


def test_it_breaks_off_after_exactly_so_many(money_in: MoneyIn, settings: Any) -> None:
    """The breaker counts under its lock, over all wallets."""
    settings.AUTOMATIC_CHARGES_PER_HOUR_MAX = 4

    assert errors(charge_in_many_wallets(money_in, wallets=8)) == []

    assert money_in.charges() == 4
    assert TopUp.objects.filter(origin=Origin.AUTOMATIC, status="created").count() == 4


def test_it_needs_the_switch_s_lock_to_break_off(
    money_in: MoneyIn, settings: Any, no_row_locks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the one above."""
    settings.AUTOMATIC_CHARGES_PER_HOUR_MAX = 4
    count, all_have_counted = charging_switch._breaker, threading.Barrier(8, timeout=30)

    def together() -> str:
        reason = count()
        all_have_counted.wait()
        return reason

    monkeypatch.setattr(charging_switch, "_breaker", together)
    charge_in_many_wallets(money_in, wallets=8)

    assert money_in.charges() > 4


def charge_in_many_wallets(money_in: MoneyIn, *, wallets: int) -> list[object]:
    """Each has a charge of its own that is due; all are sent at once."""
    resume_charging()
    others = [money_in]
    for number in range(wallets - 1):
        wallet, owner = make_wallet(name=f"Workspace {number}", owner=f"owner-{number}@example.com")
        others.append(MoneyIn(sandbox=money_in.sandbox, wallet=wallet, alice=owner))
    for other in others:
        other.switch_on(other.connect_card())
    return at_once([partial(charge_all, other) for other in others])


def leave_little(money_in: MoneyIn) -> None:
    """Twelve dollars, whatever there was."""
    more = 12 - money_in.balance
    money_in.give(more) if more > 0 else money_in.take(-more) if more else None


# ---------------------------------------------------------------- the owner
def test_it_either_charges_or_is_off(active: MoneyIn) -> None:
    """B21: raced again and again, what was canceled was not charged, and what was charged is credited."""
    card = active.default_card
    for _ in range(6):
        active.switch_on(card, daily=10, monthly_cap=500)
        leave_little(active)
        active.use(5)
        assert errors(at_once([lambda: switch_off(active.wallet), lambda: charge_all(active)])) == []

    statuses = [status for status, _ in active.outcomes()]
    assert set(statuses) <= {"succeeded", "canceled"}
    assert len(statuses) == 6
    assert statuses.count("succeeded") == active.charges()


@pytest.mark.parametrize("what", ["try again", "save"])
def test_it_charges_once_however_often_a_button_is_pressed(active: MoneyIn, what: str) -> None:
    """S19: twenty clicks at once. Two locks stop them, the wallet's and that of the rule's row, which each of them writes."""
    active.sandbox.set_card_behaviour(active.default_card.payment_method_id, "lost_card")
    active.use(25)
    active.work()
    active.sandbox.set_card_behaviour(active.default_card.payment_method_id, "succeeds")
    before = len(active.automatic())

    assert errors(at_once([_press(active, what)] * 20)) == []
    assert errors(work_at_once(active)) == []

    assert active.outcomes()[before:] == [("succeeded", 25)]
    assert active.rule.suspended_at is None


def _press(money_in: MoneyIn, what: str) -> Act:
    if what == "try again":
        return lambda: try_again(money_in.wallet)
    return lambda: money_in.switch_on(money_in.default_card, amount=25, monthly_cap=90)


# ---------------------------------------------------------------- a link for the same need
@pytest.mark.parametrize("first", ["payer", "charge", "nobody"])
def test_it_takes_the_money_once_when_a_payer_and_the_charge_meet(active: MoneyIn, sandbox: RunningSandbox, first: str) -> None:
    """Whoever comes first, and both at once: the need is paid once, and each payment has its credit."""
    link = active.ask_for_link(dollars=40)
    page = open_checkout(link)
    active.use(25)
    acts: list[Act] = [partial(sandbox.pay_checkout, page), partial(charge_all, active)]
    if first == "nobody":
        assert errors(at_once(acts)) == []
    else:
        for act in acts if first == "payer" else acts[::-1]:
            act()
    active.deliver()
    active.work()

    assert active.charges() == 1
    credits_of = [move for move in active.moves() if move[0] in ("top_up", "automatic_payment")]
    assert credits_of in ([("top_up", 40)], [("automatic_payment", 25)])
    if first != "nobody":
        assert credits_of[0][0] == ("top_up" if first == "payer" else "automatic_payment")


def test_it_opens_no_page_for_what_is_being_charged(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """Opened while the charge clears the way: ended, refused, or paid before the charge began. Again and again."""
    card = active.default_card
    for number in range(4):
        active.switch_on(card, daily=10, monthly_cap=500 + number)
        link = active.ask_for_link(dollars=40)
        leave_little(active)
        before = active.charges()

        def open_and_pay(link: Any = link) -> None:
            try:
                sandbox.pay_checkout(open_checkout(link))
            except (LinkUnusable, GatewayError):
                return

        assert errors(at_once([open_and_pay, lambda: use_and_charge(active, dollars=5, times=1)])) == []
        active.deliver()
        active.sweep()
        paid = TopUp.objects.filter(payment_link=link, status="succeeded").first()
        charged = active.automatic()[-1]
        assert active.charges() - before in (1, 2)
        if active.charges() - before == 2:
            assert paid is not None
            assert charged.resolved_at is not None
            assert paid.created_at > charged.resolved_at, "the page was opened while the card was being charged"


# ---------------------------------------------------------------- everything at once
def test_it_never_waits_in_a_circle(active: MoneyIn, sandbox: RunningSandbox) -> None:
    """design: one order of locks. Uses, charges, webhooks, sweeps and the owner's buttons, all on one wallet."""
    backup = active.connect_card("pm_card_mastercard")
    active.switch_on(active.default_card, daily=10, monthly_cap=500)
    sandbox.pay_checkout(open_checkout(active.ask_for_link(dollars=40)))
    active.use(24)

    def owner() -> None:
        for number in range(3):
            try_again(active.wallet)
            switch_off(active.wallet)
            active.switch_on(backup, daily=10, monthly_cap=500 + number)

    acts: list[Act] = [owner, sweep, sweep, active.deliver, *[lambda: use_and_charge(active, dollars=7, times=4)] * 6]
    faults = errors(at_once(acts))
    for _ in range(2):
        active.pass_time(minutes=2)
        active.sweep()
        active.deliver()

    assert faults == []
    assert active.charges() == Transfer.objects.filter(wallet=active.wallet, debit="stripe").count()
    assert active.charges() == TopUp.objects.filter(wallet=active.wallet, status="succeeded").count()
    connections.close_all()

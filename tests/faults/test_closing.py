"""The end of a wallet: what was paid and not used goes back, whoever is killed in between."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.refunds import GivingBack
from tests.payments import DOLLAR, Alerts
from wallet.errors import ActRefused, AlreadyResolved, SecondPersonNeeded
from wallet.models import AutomaticPayments, Hold, Promotion, RefundRequest, TopUp, Wallet, WalletClosing
from wallet.services import closing as closing_module
from wallet.services.checkout import open_checkout
from wallet.services.closing import approve_closing, continue_closing, request_closing
from wallet.services.holds import place_hold, release_hold
from wallet.services.reconciliation import reconcile_since
from wallet.services.refund_requests import reject_refund
from wallet.services.second_person import reject, withdraw
from wallet.tests.builders import promotion_of
from wallet.tests.staff import new_form
from workspaces.models import AuditEntry
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.thorough

Status = WalletClosing.Status


def ask(office: GivingBack, **more: Any) -> WalletClosing:
    given: dict[str, Any] = {"reason": "They go elsewhere", "request_id": new_form(), "by": office.frances}
    return request_closing(office.money_in.wallet, **given | more)


def close(office: GivingBack) -> WalletClosing:
    """As the console does it: asked for, continued, and the workers do their work."""
    closing = continue_closing(ask(office).pk)
    office.money_in.work()
    return closing


def look_again(office: GivingBack, closing: WalletClosing) -> WalletClosing:
    """The sweep comes by when it is due."""
    office.money_in.pass_time(minutes=1)
    office.money_in.sweep()
    return WalletClosing.objects.get(pk=closing.pk)


def audit() -> list[tuple[str, str]]:
    rows = AuditEntry.objects.filter(action__startswith="closing.").order_by("pk")
    return list(rows.values_list("action", "actor_kind"))


def test_it_sends_back_what_is_unspent_newest_first(office: GivingBack) -> None:
    old, new = office.paid(20), office.paid(30)
    promotion_of(office.money_in.wallet, 5 * DOLLAR)
    office.money_in.use(16.2575)

    closing = look_again(office, close(office))

    assert closing.status == Status.DONE
    refunds = {request.top_up_id: request.amount_micros / DOLLAR for request in RefundRequest.objects.all()}
    assert refunds == {new.pk: 30, old.pk: 8.74}
    assert sorted(office.at_stripe()) == [(874, "succeeded"), (3000, "succeeded")]
    # What is left is less than a cent, and no card takes it.
    assert (closing.left_micros, office.money_in.balance, office.held) == (2_500, 0.0025, 0)
    assert audit() == [("closing.requested", "system"), ("closing.done", "system")]
    done = AuditEntry.objects.get(action="closing.done")
    assert (done.after["refunded_micros"], done.after["balance_micros"]) == (38_740_000, 2_500)


def test_it_lets_given_credit_lapse(office: GivingBack) -> None:
    promotion_of(office.money_in.wallet, 5 * DOLLAR, expires_in=timedelta(days=300))
    promotion_of(office.money_in.wallet, 7 * DOLLAR)

    closing = close(office)

    assert (closing.status, closing.left_micros, office.money_in.balance) == (Status.DONE, 0, 0)
    assert set(Promotion.objects.values_list("remaining_micros", flat=True)) == {0}
    assert office.money_in.moves()[2:] == [("promotion_expired", -5), ("promotion_expired", -7)]


def test_it_takes_no_more_money_from_the_first_step_on(office: GivingBack) -> None:
    card = office.money_in.connect_card()
    office.money_in.give(50)
    office.money_in.switch_on(card)

    close(office)

    assert Wallet.objects.get().closed_at is not None
    assert not AutomaticPayments.objects.get().is_active


def test_it_waits_for_a_call_that_is_running(office: GivingBack) -> None:
    office.paid(20)
    wallet = office.money_in.wallet
    hold = place_hold(wallet.pk, amount_micros=3 * DOLLAR, reference="call", idempotency_key="call", lifetime=timedelta(hours=1))
    promotion_of(wallet, DOLLAR)

    closing = close(office)
    assert (closing.status, closing.waits_for) == (Status.ENDING, "a call or task that is still running")
    assert (office.at_stripe(), Promotion.objects.get().remaining_micros) == ([], DOLLAR)
    closing = look_again(office, closing)
    assert closing.status == Status.ENDING
    release_hold(hold)

    closing = look_again(office, look_again(office, closing))

    assert (closing.status, closing.waits_for, office.at_stripe()) == (Status.DONE, "", [(2000, "succeeded")])


def test_it_waits_for_a_payment_that_is_under_way(office: GivingBack, sandbox: RunningSandbox) -> None:
    """Its session is ended; where it was paid at the last moment the money is credited, and goes back with the rest."""
    address = open_checkout(office.money_in.ask_for_link())
    sandbox.pay_checkout(address)

    closing = continue_closing(ask(office).pk)
    assert closing.waits_for == "a payment that is under way"
    office.money_in.sweep()
    closing = look_again(office, look_again(office, closing))

    assert (closing.status, office.at_stripe(), office.money_in.balance) == (Status.DONE, [(2000, "succeeded")], 0)


def test_it_waits_for_a_refund_that_waits_for_its_second_person(office: GivingBack) -> None:
    asked = office.ask(office.paid(200), 150)
    closing = continue_closing(ask(office, by=office.felix).pk)
    assert closing.waits_for == "a refund that somebody of finance must look at"
    reject_refund(asked.pk, by=office.felix, reason="All of it goes back")
    closing = look_again(office, closing)
    assert (closing.status, closing.amount_micros, office.at_stripe()) == (Status.WAITING, 200 * DOLLAR, []), (
        "no one gives back so much alone"
    )

    continue_closing(approve_closing(closing.pk, by=office.frances).pk)
    office.money_in.work()
    closing = look_again(office, look_again(office, closing))

    assert (closing.status, office.at_stripe()) == (Status.DONE, [(20_000, "succeeded")])


def test_it_keeps_what_no_card_takes(office: GivingBack, sandbox: RunningSandbox, alerts: Alerts) -> None:
    """A disputed top-up is left alone, one that Stripe refuses is tried once, and the rest goes back."""
    disputed, refused, good = office.paid(20), office.paid(10), office.paid(5)
    sandbox.open_dispute(str(disputed.payment_intent_id), inquiry=True)
    office.money_in.deliver()
    sandbox.refund(str(refused.payment_intent_id))

    closing = look_again(office, close(office))

    assert (closing.status, closing.left_micros) == (Status.DONE, 30 * DOLLAR)
    assert {request.top_up_id: request.status for request in RefundRequest.objects.all()} == {refused.pk: "failed", good.pk: "done"}
    assert "refund_rejected" in alerts()
    office.money_in.deliver()
    assert office.money_in.balance == 20


def test_it_goes_on_in_steps_where_there_are_many(office: GivingBack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing_module, "REFUNDED_AT_ONCE", 2)
    for _ in range(3):
        office.paid(10)

    closing = close(office)
    assert len(office.at_stripe()) == 2
    closing = look_again(office, look_again(office, closing))

    assert (closing.status, len(office.at_stripe()), office.money_in.balance) == (Status.DONE, 3, 0)


@pytest.mark.parametrize("dies_at", ["close_wallet", "switch_off", "_take_step", "_go_on", "_ask_for_refund", "_finish"])
def test_it_goes_on_wherever_it_was_killed(office: GivingBack, monkeypatch: pytest.MonkeyPatch, dies_at: str) -> None:
    """Each step is one transaction, and the sweep comes back."""
    office.paid(20)
    promotion_of(office.money_in.wallet, DOLLAR)
    closing = ask(office)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as dying:
            dying.setattr(closing_module, dies_at, die)
            try:
                continue_closing(closing.pk)
                office.money_in.work()
                continue_closing(closing.pk)
            except KeyboardInterrupt:
                pass
    for _ in range(3):
        closing = look_again(office, closing)

    assert (closing.status, office.at_stripe(), office.money_in.balance) == (Status.DONE, [(2000, "succeeded")], 0)
    assert audit().count(("closing.done", "system")) == 1


def test_it_is_done_once_however_many_continue_it_at_once(office: GivingBack) -> None:
    office.paid(20)
    closing = ask(office)

    outcomes = at_once([lambda: continue_closing(closing.pk)] * 6)
    office.money_in.work()
    at_once([lambda: continue_closing(closing.pk)] * 6)

    assert errors(outcomes) == []
    assert (WalletClosing.objects.get().status, office.at_stripe()) == (Status.DONE, [(2000, "succeeded")])


def test_it_never_waits_in_a_circle_with_payments_that_settle(office: GivingBack, sandbox: RunningSandbox) -> None:
    """Closing and booking lock the same top-ups. What Stripe refuses because it knows more than we did is asked for anew."""
    top_up = office.paid(20)
    for _ in range(3):
        sandbox.refund(str(top_up.payment_intent_id), amount=100)
    closing = ask(office)

    outcomes = at_once([lambda: continue_closing(closing.pk), reconcile_since] * 3)
    assert errors(outcomes) == []
    office.money_in.work()
    closing = look_again(office, look_again(office, closing))

    assert (closing.status, office.money_in.balance) == (Status.DONE, 0)


# ---------------------------------------------------------------- who may
def test_it_waits_for_a_second_person_above_the_limit(office: GivingBack) -> None:
    office.paid(60)
    office.paid(60)
    closing = continue_closing(ask(office).pk)
    assert (closing.status, closing.amount_micros, Wallet.objects.get().closed_at) == (Status.WAITING, 120 * DOLLAR, None)
    with pytest.raises(SecondPersonNeeded):
        approve_closing(closing.pk, by=office.frances)
    office.money_in.sweep()
    assert Wallet.objects.get().closed_at is None

    for _ in range(2):
        approve_closing(closing.pk, by=office.felix)
    continue_closing(closing.pk)
    office.money_in.work()
    closing = look_again(office, closing)

    assert (closing.status, sum(cents for cents, _ in office.at_stripe())) == (Status.DONE, 12_000)
    assert [action for action, _ in audit()] == ["closing.requested", "closing.approved", "closing.done"]


@pytest.mark.parametrize("how", [reject, withdraw])
def test_it_stays_open_where_it_is_turned_down(office: GivingBack, how: Any) -> None:
    office.paid(120)
    closing = ask(office)

    how(WalletClosing, closing.pk, by=office.felix if how is reject else office.frances, reason="They stay")

    continue_closing(closing.pk)
    assert (Wallet.objects.get().closed_at, office.at_stripe()) == (None, [])
    with pytest.raises(AlreadyResolved):
        approve_closing(closing.pk, by=office.felix)
    assert ask(office).status == Status.WAITING


def test_it_is_asked_for_once(office: GivingBack) -> None:
    office.paid(120)
    first = ask(office, request_id="form")

    assert ask(office, request_id="form") == first
    with pytest.raises(ActRefused):
        ask(office)
    assert [action for action, _ in audit()] == ["closing.requested"]


def test_it_finishes_what_the_command_has_closed(office: GivingBack) -> None:
    """Closed long ago and left with its money; and once more where money came in later."""
    office.paid(20)
    closed_at = timezone.now() - timedelta(days=9)
    Wallet.objects.update(closed_at=closed_at)

    look_again(office, close(office))
    assert (office.money_in.balance, Wallet.objects.get().closed_at) == (0, closed_at)
    office.money_in.give(0.5)
    again = look_again(office, close(office))

    assert (again.status, again.left_micros) == (Status.DONE, 500_000)
    assert Hold.objects.exclude(status=Hold.Status.RELEASED).count() == 0
    assert TopUp.objects.count() == 1

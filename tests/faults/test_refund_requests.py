"""Refunds that the operator asks for: sent once, whatever is lost on the way, and never of money that was spent meanwhile."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.refunds import GivingBack
from tests.faults.test_killed import process_that, wait_until
from tests.payments import DOLLAR, Alerts, MoneyIn, make_wallet
from wallet import unspent_queries
from wallet.errors import (
    ActRefused,
    AlreadyResolved,
    GatewayError,
    IdempotencyConflict,
    InsufficientFunds,
    PaymentDisputed,
    RefundTooLarge,
    SecondPersonNeeded,
)
from wallet.ledger import lock_wallet
from wallet.models import Hold, Refund, RefundRequest, TopUp, Wallet
from wallet.money import InexactAmount
from wallet.services import refund_requests
from wallet.services.holds import capture_holds, expire_due_holds, place_hold
from wallet.services.reconciliation import reconcile_since
from wallet.services.refund_requests import approve_refund, reject_refund, withdraw_refund
from wallet.services.refund_sending import give_up_refund, send_refund
from wallet.tests.builders import promotion_of
from wallet.tests.staff import new_form, staff
from wallet.tests.threads import at_once, errors
from workspaces.models import AuditEntry

pytestmark = pytest.mark.thorough

Status = RefundRequest.Status
SEND = "from wallet.services.refund_sending import send_refund as act"


@pytest.fixture
def office(money_in: MoneyIn, sandbox: RunningSandbox) -> GivingBack:
    return GivingBack(money_in, sandbox, staff("frances"), staff("felix"))


def acts() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="refund.").order_by("pk").values_list("action", flat=True))


# ---------------------------------------------------------------- the good way
def test_it_refunds_in_part_and_then_the_rest(office: GivingBack) -> None:
    top_up = office.paid(20)

    part, rest = office.refund(top_up, 5), office.refund(top_up, 15)

    assert [part.status, rest.status] == [Status.DONE, Status.DONE]
    assert office.at_stripe() == [(500, "succeeded"), (1500, "succeeded")]
    assert office.money_in.moves() == [("top_up", 20), ("refund", -5), ("refund", -15)]
    assert (office.held, office.holds()) == (0, [Hold.Status.RELEASED] * 2)
    assert part.refund is not None
    assert part.refund.stripe_refund_id.startswith("re_")
    assert acts() == ["refund.requested"] * 2


def test_it_tells_the_audit_log_what_was_so_before_and_after(office: GivingBack) -> None:
    top_up = office.paid(20)
    request = office.ask(top_up, 5)

    entry = AuditEntry.objects.get(action="refund.requested")
    assert (entry.target, entry.reason, entry.is_staff_act) == (top_up.receipt_number, "Moved to another plan", True)
    assert (entry.before["held_micros"], entry.after["held_micros"]) == (0, 5 * DOLLAR)
    assert (entry.after["id"], entry.after["status"]) == (str(request.pk), "created")


def test_it_is_booked_once_though_the_webhooks_tell_of_it_too(office: GivingBack) -> None:
    office.refund(office.paid(20), 5)

    office.money_in.deliver()
    reconcile_since()

    assert office.money_in.moves() == [("top_up", 20), ("refund", -5)]
    assert (Refund.objects.count(), office.held) == (1, 0)


def test_it_is_booked_by_the_webhook_before_the_answer(office: GivingBack, sandbox: RunningSandbox, impatient: None) -> None:
    """B23: the row was committed first, so it is found by our id in the refund's metadata."""
    top_up = office.paid(20)
    sandbox.fault("hang_after", match="refunds.create", seconds=3)

    request = office.refund(top_up, 5)
    assert (request.status, office.held) == (Status.UNKNOWN, 5)
    office.money_in.deliver()

    assert office.read(request).status == Status.DONE
    assert (office.money_in.moves()[1:], office.held) == ([("refund", -5)], 0)


# ---------------------------------------------------------------- how much
def test_it_refunds_no_more_than_the_unspent_part(office: GivingBack) -> None:
    top_up = office.paid(20)
    office.money_in.use(12.345)

    with pytest.raises(RefundTooLarge, match=r"\$7\.65 of this top-up is unspent"):
        office.ask(top_up, 7.66)

    assert (RefundRequest.objects.count(), office.held) == (0, 0)
    assert office.refund(top_up, 7.65).status == Status.DONE


def test_it_refunds_more_where_a_reason_says_why(office: GivingBack) -> None:
    """A20: it was spent; the wallet goes below zero."""
    top_up = office.paid(20)
    office.money_in.use(18)

    request = office.refund(top_up, 20, override_reason="Bad audio on every call")

    assert (request.status, request.override_reason, office.money_in.balance) == (Status.DONE, "Bad audio on every call", -18)
    assert AuditEntry.objects.get(action="refund.requested").after["overrides_unspent"]


def test_it_refunds_no_more_than_was_paid_whatever_the_reason(office: GivingBack) -> None:
    top_up = office.paid(20)
    office.refund(top_up, 5)

    with pytest.raises(RefundTooLarge, match=r"No more than \$15\.00"):
        office.ask(top_up, 15.01, override_reason="Bad audio")


@pytest.mark.parametrize("dollars", [0.001, 0, -5])
def test_it_refunds_coins(office: GivingBack, dollars: float) -> None:
    with pytest.raises(InexactAmount):
        office.ask(office.paid(20), dollars)


def test_it_leaves_given_credit_where_it_is(office: GivingBack) -> None:
    top_up = office.paid(20)
    promotion_of(office.money_in.wallet, 30 * DOLLAR)

    with pytest.raises(RefundTooLarge):
        office.ask(top_up, 20.01)
    office.refund(top_up, 20)

    assert office.money_in.balance == 30


def test_it_refuses_while_the_payers_bank_is_asking(office: GivingBack, sandbox: RunningSandbox) -> None:
    top_up = office.paid(20)
    waiting = office.ask(office.paid(200), 150)
    for paid in (top_up, waiting.top_up):
        sandbox.open_dispute(str(paid.payment_intent_id))
    office.money_in.deliver()

    with pytest.raises(PaymentDisputed):
        office.ask(top_up, 5, override_reason="Whatever")
    with pytest.raises(PaymentDisputed):
        approve_refund(waiting.pk, by=office.felix)

    assert office.at_stripe() == []
    assert office.read(waiting).status == Status.WAITING
    reject_refund(waiting.pk, by=office.felix, reason="Disputed")


# ---------------------------------------------------------------- set aside
def test_it_keeps_the_money_from_being_spent_meanwhile(office: GivingBack) -> None:
    request = office.ask(office.paid(20), 15)

    with pytest.raises(InsufficientFunds):
        place_hold(
            office.money_in.wallet.pk,
            amount_micros=6 * DOLLAR,
            reference="call",
            idempotency_key="call",
            lifetime=refund_requests.FIRST_LOOK_AFTER,
        )
    send_refund(request.pk)

    assert (office.money_in.balance, office.held) == (5, 0)


def test_it_sets_aside_for_as_long_as_it_takes(office: GivingBack) -> None:
    """Neither the sweep nor a captured use ends it."""
    office.ask(office.paid(20), 15)
    hold = Hold.objects.get()

    expire_due_holds()
    with transaction.atomic():
        wallet = lock_wallet(office.money_in.wallet.pk)
        assert capture_holds({wallet.pk: wallet}, {(wallet.pk, hold.id.hex): DOLLAR}) == set()

    assert (office.held, office.holds()) == (15, [Hold.Status.OPEN])
    assert (hold.expires_at - timezone.now()).days > 30_000


@pytest.mark.parametrize("column", ["frozen_at", "closed_at"])
def test_it_refunds_from_frozen_and_closed_wallets(office: GivingBack, column: str) -> None:
    top_up = office.paid(20)
    Wallet.objects.update(**{column: timezone.now()})

    assert office.refund(top_up, 20).status == Status.DONE


def test_it_does_not_say_in_between_that_the_money_ran_out_or_came_back(office: GivingBack) -> None:
    """What is available does not change when what was set aside is taken."""
    top_up = office.paid(20)
    office.refund(top_up, 12)

    wallet = Wallet.objects.get()
    assert (wallet.depleted_at, wallet.announced) == (None, "fine")
    office.refund(top_up, 8)
    assert Wallet.objects.get().announced == "depleted"


# ---------------------------------------------------------------- two people
def test_it_waits_for_a_second_person_above_the_limit(office: GivingBack, sandbox: RunningSandbox) -> None:
    request = office.refund(office.paid(200), 150)
    assert (request.status, office.held, office.at_stripe()) == (Status.WAITING, 150, [])
    with pytest.raises(SecondPersonNeeded):
        approve_refund(request.pk, by=office.frances)
    office.money_in.pass_time(days=3)
    office.money_in.sweep()
    assert office.at_stripe() == []

    for _ in range(2):
        approve_refund(request.pk, by=office.felix)
        send_refund(request.pk)

    assert (office.read(request).status, office.at_stripe()) == (Status.DONE, [(15_000, "succeeded")])
    assert acts() == ["refund.requested", "refund.approved"]


@pytest.mark.parametrize("by_whom", ["felix", "frances"])
def test_it_lets_the_money_be_spent_again_once_it_is_turned_down(office: GivingBack, by_whom: str) -> None:
    request = office.ask(office.paid(200), 150)

    for _ in range(2):
        if by_whom == "felix":
            reject_refund(request.pk, by=office.felix, reason="Not agreed")
        else:
            withdraw_refund(request.pk, by=office.frances)

    assert (office.held, office.holds(), len(acts())) == (0, [Hold.Status.RELEASED], 2)
    with pytest.raises(AlreadyResolved):
        approve_refund(request.pk, by=office.felix)
    assert send_refund(request.pk).status in (Status.REJECTED, Status.WITHDRAWN)
    assert office.at_stripe() == []


# ---------------------------------------------------------------- what may be lost
def test_it_asks_under_the_same_key_after_a_lost_answer(office: GivingBack, sandbox: RunningSandbox, impatient: None) -> None:
    """B4: unknown, never failed, never sent under another key."""
    top_up = office.paid(20)
    sandbox.fault("reset_after", match="refunds.create")

    request = office.refund(top_up, 5)
    assert request.status == Status.UNKNOWN
    office.money_in.pass_time(minutes=1)
    office.money_in.sweep()

    assert (office.read(request).status, office.at_stripe()) == (Status.DONE, [(500, "succeeded")])
    assert (office.money_in.moves()[1:], office.held) == ([("refund", -5)], 0)


def test_it_sends_what_never_reached_stripe_again(office: GivingBack, sandbox: RunningSandbox) -> None:
    top_up = office.paid(20)
    sandbox.fault("drop_before", match="refunds.create")

    request = office.refund(top_up, 5)
    assert (request.status, office.at_stripe()) == (Status.UNKNOWN, [])
    office.money_in.pass_time(minutes=1)
    office.money_in.sweep()

    keys = {made["idempotency_key"] for made in office.money_in.requests("refunds.create")}
    assert (office.read(request).status, keys) == (Status.DONE, {f"refund-{request.pk}"})


@pytest.mark.parametrize("fault", ["rate_limit", "conflict"])
def test_it_sends_the_same_later_when_stripe_is_busy(office: GivingBack, sandbox: RunningSandbox, fault: str) -> None:
    top_up = office.paid(20)
    sandbox.fault(fault, match="refunds.create")

    request = office.refund(top_up, 5)
    office.money_in.pass_time(minutes=1)
    office.money_in.sweep()

    assert (office.read(request).status, len(office.at_stripe())) == (Status.DONE, 1)


def test_it_sends_what_a_killed_request_left_behind(office: GivingBack) -> None:
    """B2: after the row, before Stripe."""
    request = office.ask(office.paid(20), 5)

    office.money_in.sweep()
    assert office.at_stripe() == []
    office.money_in.pass_time(minutes=2)
    office.money_in.sweep()

    assert office.read(request).status == Status.DONE


def test_it_books_once_when_killed_before_stripes_yes_was_read(office: GivingBack, sandbox: RunningSandbox) -> None:
    """B3, with kill -9."""
    request = office.ask(office.paid(20), 5)
    sandbox.fault("delay_after", match="refunds.create", seconds=8)
    with process_that(SEND, request.pk, sandbox=sandbox):
        wait_until(office.at_stripe)
    assert office.read(request).status == Status.SENDING

    office.money_in.pass_time(minutes=2)
    office.money_in.sweep()

    assert (office.at_stripe(), office.money_in.moves()[1:]) == ([(500, "succeeded")], [("refund", -5)])


def test_it_gives_the_money_free_once_stripe_says_no(office: GivingBack, sandbox: RunningSandbox, alerts: Alerts) -> None:
    """Somebody refunded it in the dashboard meanwhile."""
    top_up = office.paid(20)
    request = office.ask(top_up, 15)
    sandbox.refund(str(top_up.payment_intent_id), amount=1000)

    request = send_refund(request.pk)

    assert request.status == Status.FAILED
    assert "greater than unrefunded amount" in request.failure_message
    assert (office.held, alerts()) == (0, ["refund_rejected"])
    office.money_in.deliver()
    assert office.money_in.balance == 10


def test_it_fails_only_what_stripe_replays_as_500_and_does_not_list(office: GivingBack, sandbox: RunningSandbox) -> None:
    """B5: the saved 500 is believed after a minute."""
    top_up = office.paid(20)
    sandbox.fault("error_before", match="refunds.create")
    request = office.refund(top_up, 5)
    assert request.status == Status.UNKNOWN
    office.money_in.pass_time(seconds=30)
    office.money_in.sweep()
    assert office.read(request).status == Status.UNKNOWN

    office.money_in.pass_time(minutes=5)
    office.money_in.sweep()

    assert (office.read(request).status, office.held, office.at_stripe()) == (Status.FAILED, 0, [])


def test_it_finds_what_came_of_a_500(office: GivingBack, sandbox: RunningSandbox) -> None:
    top_up = office.paid(20)
    sandbox.fault("error_after", match="refunds.create")
    request = office.refund(top_up, 5)

    office.money_in.pass_time(minutes=5)
    office.money_in.sweep()

    assert (office.read(request).status, len(office.at_stripe()), office.money_in.balance) == (Status.DONE, 1, 15)


def test_it_never_sends_again_once_stripe_may_have_forgotten_the_key(office: GivingBack, sandbox: RunningSandbox, alerts: Alerts) -> None:
    """B22: looked up, then a person looks, who may end it once Stripe has none."""
    top_up = office.paid(20)
    sandbox.fault("drop_before", match="refunds.create")
    request = office.refund(top_up, 5)
    with pytest.raises(ActRefused):
        give_up_refund(request.pk, by=office.frances)

    office.money_in.pass_time(hours=24)
    office.money_in.sweep()
    assert (office.read(request).status, alerts(), office.held) == (Status.MANUAL_REVIEW, ["refund_without_outcome"], 5)
    office.money_in.pass_time(hours=24)
    office.money_in.sweep()
    sandbox.fault("drop_before", match="refunds.list")
    with pytest.raises(GatewayError):
        give_up_refund(request.pk, by=office.frances)
    assert office.held == 5

    for _ in range(2):
        assert give_up_refund(request.pk, by=office.frances).status == Status.FAILED

    assert (office.held, len(office.money_in.requests("refunds.create")), acts()[-1]) == (0, 1, "refund.given_up")


def test_it_finds_a_refund_whose_key_was_forgotten(office: GivingBack, sandbox: RunningSandbox, impatient: None) -> None:
    top_up = office.paid(20)
    sandbox.fault("hang_after", match="refunds.create", seconds=2)
    request = office.refund(top_up, 5)
    sandbox.forget_keys()

    office.money_in.pass_time(hours=24)
    office.money_in.sweep()

    assert (office.read(request).status, office.at_stripe()) == (Status.DONE, [(500, "succeeded")])


def test_it_looks_before_it_sends_what_a_restored_database_calls_unsent(office: GivingBack, sandbox: RunningSandbox) -> None:
    """B25: it was sent, and the backup is from before. Stripe has forgotten the key since."""
    request = office.refund(office.paid(20), 5)
    sandbox.forget_keys()
    with transaction.atomic():
        wallet = lock_wallet(office.money_in.wallet.pk)
        RefundRequest.objects.update(status=Status.CREATED, sent_at=None, resolved_at=None, refund=None, next_check_at=timezone.now())
        Hold.objects.update(status=Hold.Status.OPEN, resolved_at=None)
        wallet.held_micros = 5 * DOLLAR
        wallet.save(update_fields=["held_micros"])
    office.money_in.pass_time(hours=30)

    office.money_in.sweep()

    assert (office.read(request).status, office.at_stripe(), office.held) == (Status.DONE, [(500, "succeeded")], 0)


# ---------------------------------------------------------------- A17 and A18 stay true
def test_it_is_put_back_when_it_fails_later(office: GivingBack, sandbox: RunningSandbox, alerts: Alerts) -> None:
    """A18: and its page says so."""
    top_up = office.paid(20)
    request = office.refund(top_up, 5)
    assert request.refund is not None

    sandbox.fail_refund(request.refund.stripe_refund_id)
    office.money_in.deliver()

    assert (office.read(request).status, office.read(request).failure_message) == (
        Status.FAILED,
        "The bank did not take the money, so it is back in the wallet.",
    )
    assert (office.money_in.moves()[1:], office.held) == ([("refund", -5), ("refund_failed", 5)], 0)
    assert alerts() == ["refund_failed"], "told once, however many events tell of it"
    assert office.refund(top_up, 20).status == Status.DONE


def test_it_tells_its_own_refunds_from_those_of_the_dashboard(office: GivingBack, sandbox: RunningSandbox) -> None:
    """A17: two refunds of one payment and one amount; the dashboard's ends no request."""
    top_up = office.paid(20)
    request = office.ask(top_up, 5)
    sandbox.refund(str(top_up.payment_intent_id), amount=500)
    office.money_in.deliver()
    assert (office.read(request).status, office.held) == (Status.CREATED, 5)

    send_refund(request.pk)

    assert (office.money_in.balance, len(office.at_stripe())) == (10, 2)


@pytest.mark.parametrize("metadata", ["nonsense", "another's"])
def test_it_is_not_fooled_by_metadata(office: GivingBack, sandbox: RunningSandbox, metadata: str) -> None:
    top_up, other = office.paid(20), office.paid(30)
    request = office.ask(other, 5)
    name = str(request.pk) if metadata == "another's" else metadata
    sandbox.refund(str(top_up.payment_intent_id), amount=500, metadata={"refund_request_id": name})

    office.money_in.deliver()

    assert (office.read(request).status, office.held, office.money_in.balance) == (Status.CREATED, 5, 45)


# ---------------------------------------------------------------- at once
def test_it_gives_the_same_money_back_once(office: GivingBack) -> None:
    top_up = office.paid(20)

    outcomes = at_once([lambda: office.refund(top_up, 15)] * 4)

    assert [type(error) for error in errors(outcomes)] == [RefundTooLarge] * 3
    assert (office.at_stripe(), office.money_in.balance) == ([(1500, "succeeded")], 5)


def test_it_would_set_the_same_money_aside_twice_without_the_lock(office: GivingBack, monkeypatch: pytest.MonkeyPatch) -> None:
    top_up, read, barrier = office.paid(20), unspent_queries.unspent_top_ups, threading.Barrier(2, timeout=10)

    def meet(wallet: Wallet) -> Any:
        found = read(wallet)
        barrier.wait()
        return found

    monkeypatch.setattr(refund_requests, "unspent_top_ups", meet)
    monkeypatch.setattr(refund_requests, "lock_wallet", lambda wallet_id: Wallet.objects.get(pk=wallet_id))
    monkeypatch.setattr(TopUp.objects, "select_for_update", TopUp.objects.all, raising=False)

    at_once([lambda: office.ask(top_up, 15)] * 2)

    assert RefundRequest.objects.count() == 2
    # Which the books would tell: one of them overwrote what the other had set aside.
    Hold.objects.all().delete()
    RefundRequest.objects.all().delete()
    Wallet.objects.update(held_micros=0)


def test_it_sends_one_request_however_many_workers_have_the_task(office: GivingBack) -> None:
    request = office.ask(office.paid(20), 5)

    at_once([lambda: send_refund(request.pk)] * 6)

    assert len(office.money_in.requests("refunds.create")) == 1
    assert office.read(request).status == Status.DONE


def test_it_makes_one_of_a_form_that_is_sent_many_times_at_once(office: GivingBack) -> None:
    top_up, form = office.paid(20), new_form()

    outcomes = at_once([lambda: office.refund(top_up, 5, request_id=form)] * 6)

    assert (errors(outcomes), RefundRequest.objects.count(), office.at_stripe()) == ([], 1, [(500, "succeeded")])
    with pytest.raises(IdempotencyConflict):
        office.ask(top_up, 6, request_id=form)
    assert acts() == ["refund.requested"]


def test_it_never_waits_in_a_circle_with_what_stripe_tells(office: GivingBack, sandbox: RunningSandbox) -> None:
    """Refunds of the dashboard are booked while others are asked for here, of the same top-up."""
    top_up = office.paid(50)
    for _ in range(4):
        sandbox.refund(str(top_up.payment_intent_id), amount=100)

    outcomes = at_once([lambda: office.ask(top_up, 1), reconcile_since] * 4)

    assert errors(outcomes) == []
    assert (office.money_in.balance, office.held) == (46, 4)


def test_it_is_held_to_its_states_by_the_database(office: GivingBack) -> None:
    office.ask(office.paid(20), 5)

    for changes in (
        {"status": "done"},
        {"status": "done", "resolved_at": timezone.now()},
        {"status": "failed"},
        {"amount_micros": 0},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            RefundRequest.objects.update(**changes)


def test_it_knows_the_request_of_another_wallet_by_nothing(office: GivingBack) -> None:
    """One form's id in two wallets is two forms."""
    wallet, bob = make_wallet(name="Other", owner="bob@example.com")
    others = GivingBack(MoneyIn(office.sandbox, wallet, bob), office.sandbox, office.frances, office.felix)

    office.refund(office.paid(20), 5, request_id="form")
    others.refund(others.paid(30), 6, request_id="form")

    assert (office.money_in.balance, others.money_in.balance) == (15, 24)

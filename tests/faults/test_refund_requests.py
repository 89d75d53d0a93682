"""Refunds that the operator asks for: how much, set aside meanwhile, by two people above a limit, and told from the dashboard's."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.refunds import GivingBack, acts
from tests.payments import DOLLAR, Alerts, MoneyIn, make_wallet
from wallet.errors import AlreadyResolved, InsufficientFunds, PaymentDisputed, RefundTooLarge, SecondPersonNeeded
from wallet.ledger import lock_wallet
from wallet.models import Hold, Refund, RefundRequest, Wallet
from wallet.money import InexactAmount
from wallet.services import refund_requests
from wallet.services.holds import capture_holds, expire_due_holds, place_hold
from wallet.services.reconciliation import reconcile_since
from wallet.services.refund_requests import approve_refund, reject_refund, withdraw_refund
from wallet.services.refund_sending import send_refund
from wallet.tests.builders import promotion_of
from workspaces.models import AuditEntry

pytestmark = pytest.mark.thorough
Status = RefundRequest.Status


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


# ---------------------------------------------------------------- the rows
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

"""Refunds on their way to Stripe: sent once and under one key, whatever is lost, killed or forgotten on the way."""

import pytest
from django.db import transaction
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox
from tests.faults.processes import process_that, wait_until
from tests.faults.refunds import GivingBack, acts
from tests.payments import DOLLAR, Alerts
from wallet.errors import ActRefused, GatewayError
from wallet.ledger import lock_wallet
from wallet.models import Hold, RefundRequest
from wallet.services.refund_sending import give_up_refund, send_refund

pytestmark = pytest.mark.thorough
Status = RefundRequest.Status
SEND = "from wallet.services.refund_sending import send_refund as act"


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

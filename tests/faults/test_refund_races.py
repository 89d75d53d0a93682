"""Refunds at once: of the same money, by the same form, by many workers, and beside those that Stripe tells of."""

import threading
from typing import Any

import pytest

from stripe_sandbox.testing import RunningSandbox
from tests.faults.refunds import GivingBack, acts
from wallet import unspent_queries
from wallet.errors import IdempotencyConflict, RefundTooLarge
from wallet.models import Hold, RefundRequest, TopUp, Wallet
from wallet.services import refund_requests
from wallet.services.reconciliation import reconcile_since
from wallet.services.refund_sending import send_refund
from wallet.tests.staff import new_form
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.thorough
Status = RefundRequest.Status


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

"""Closing gives back no more than two people have agreed to, whatever was under way when it was asked for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from wallet.errors import SecondPersonNeeded
from wallet.models import RefundRequest, TopUp, Wallet, WalletClosing
from wallet.services.closing import approve_closing, continue_closing, request_closing
from wallet.services.refund_requests import request_refund, withdraw_refund
from wallet.services.second_person import reject
from wallet.tests.builders import DOLLAR, paid_top_up
from wallet.tests.staff import new_form, staff, staff_acts
from workspaces.models import User

pytestmark = pytest.mark.django_db
Status = WalletClosing.Status


@pytest.fixture
def frances() -> User:
    return staff("frances")


@pytest.fixture
def felix() -> User:
    return staff("felix")


def ask(wallet: Wallet, by: User) -> WalletClosing:
    return request_closing(wallet, reason="They go elsewhere", request_id=new_form(), by=by)


def hidden_behind_a_refund(top_up: TopUp, by: User) -> RefundRequest:
    """The whole of it, asked for the day before: it waits, and what it has set aside looks as though it were spent."""
    asked = request_refund(top_up, amount_micros=top_up.amount_micros, reason="r", request_id=new_form(), by=by)
    RefundRequest.objects.filter(pk=asked.pk).update(requested_at=timezone.now() - timedelta(hours=25))
    return asked


def test_it_waits_for_a_second_person_where_more_goes_back_than_could_be_seen(wallet: Wallet, frances: User, felix: User) -> None:
    asked = hidden_behind_a_refund(paid_top_up(wallet, 150 * DOLLAR), frances)
    closing = ask(wallet, frances)
    assert (closing.amount_micros, closing.status) == (0, Status.ENDING)
    withdraw_refund(asked.pk, by=frances)

    closing = continue_closing(closing.pk)

    assert (closing.status, closing.amount_micros, closing.next_check_at) == (Status.WAITING, 150 * DOLLAR, None)
    assert closing.refund_requests.count() == 0
    assert staff_acts().get(action="closing.grew").before == {"amount_micros": 0}
    with pytest.raises(SecondPersonNeeded):
        approve_closing(closing.pk, by=frances)
    approve_closing(closing.pk, by=felix)
    continue_closing(closing.pk)
    assert [request.amount_micros for request in closing.refund_requests.all()] == [150 * DOLLAR]


def test_it_goes_on_where_it_is_one_persons_to_give_back(wallet: Wallet, frances: User) -> None:
    paid_top_up(wallet, 40 * DOLLAR)
    closing = ask(wallet, frances)
    paid_top_up(wallet, 50 * DOLLAR)

    closing = continue_closing(closing.pk)

    assert (closing.status, closing.amount_micros) == (Status.REFUNDING, 90 * DOLLAR)
    assert sum(request.amount_micros for request in closing.refund_requests.all()) == 90 * DOLLAR


def test_it_can_be_asked_for_anew_where_the_second_one_says_no(wallet: Wallet, frances: User, felix: User) -> None:
    closing = ask(wallet, frances)
    paid_top_up(wallet, 150 * DOLLAR)
    continue_closing(closing.pk)

    reject(WalletClosing, closing.pk, by=felix, reason="Ask them first")

    assert continue_closing(closing.pk).status == Status.REJECTED
    assert ask(wallet, felix).status == Status.WAITING

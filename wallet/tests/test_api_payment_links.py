"""Payment links through the API: made, listed and withdrawn."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from wallet.models import PaymentLink, TopUp, Wallet
from wallet.services.payment_links import find_payment_link, link_state
from wallet.tests.api_bodies import PAY_20
from wallet.tests.builders import DOLLAR
from workspaces.tests.api_caller import Caller, new_key

pytestmark = pytest.mark.django_db


def test_it_makes_a_link_that_opens(own: Caller, wallet: Wallet, path: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())

    link = PaymentLink.objects.get()
    assert answer.status == 201
    assert answer.body["id"] == str(link.pk)
    assert (answer.body["purpose"], answer.body["amount_micros"], answer.body["currency"]) == ("pay", 20 * DOLLAR, "usd")
    assert (answer.body["state"], answer.body["top_up"], answer.body["used_at"]) == ("open", None, None)
    assert find_payment_link(answer.body["url"].rpartition("/")[2]) == link
    assert link.wallet == wallet


def test_it_makes_a_link_to_connect_a_card(own: Caller, path: str) -> None:
    answer = own.post(f"{path}/payment-links", {"purpose": "connect_card"}, key=new_key())

    assert (answer.status, answer.body["amount_micros"]) == (201, None)


@pytest.mark.parametrize(
    ("amount_micros", "code"), [(1, "amount_out_of_range"), (10_000 * DOLLAR, "amount_out_of_range"), (20_000_001, "inexact_amount")]
)
def test_it_says_which_amounts_can_be_paid(own: Caller, path: str, amount_micros: int, code: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20 | {"amount_micros": amount_micros}, key=new_key())

    assert (answer.status, answer.code) == (422, code)


def test_it_makes_no_link_for_a_wallet_that_is_closed(own: Caller, path: str) -> None:
    Wallet.objects.update(closed_at=timezone.now())

    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())

    assert (answer.status, answer.code) == (409, "wallet_closed")


def test_it_lists_links_newest_first_in_two_queries_more_than_one(own: Caller, path: str) -> None:
    made = [own.post(f"{path}/payment-links", PAY_20, key=new_key()).body["id"] for _ in range(5)]

    with CaptureQueriesContext(connection) as few:
        first = own.get(f"{path}/payment-links?limit=1").body
    with CaptureQueriesContext(connection) as many:
        rest = own.get(f"{path}/payment-links?limit=4&cursor={first['next']}").body

    assert [link["id"] for page in (first, rest) for link in page["data"]] == made[::-1]
    assert rest["next"] is None
    # One more, to find where the page before ended.
    assert len(many) == len(few) + 1


def test_it_shows_no_address_once_a_link_is_over(own: Caller, path: str) -> None:
    answer = own.post(f"{path}/payment-links", PAY_20, key=new_key())
    PaymentLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    link = own.get(f"{path}/payment-links/{answer.body['id']}").body

    assert (link["state"], link["url"]) == ("expired", None)


def test_it_withdraws_a_link_as_often_as_it_is_asked(own: Caller, path: str) -> None:
    made = own.post(f"{path}/payment-links", PAY_20, key=new_key()).body

    answers = [own.post(f"{path}/payment-links/{made['id']}/withdraw") for _ in range(2)]

    assert [(answer.status, answer.body["state"], answer.body["url"]) for answer in answers] == [(200, "withdrawn", None)] * 2
    assert link_state(PaymentLink.objects.get()) == "withdrawn"


def test_it_withdraws_although_stripe_is_away(own: Caller, path: str) -> None:
    made = own.post(f"{path}/payment-links", PAY_20, key=new_key()).body
    link = PaymentLink.objects.get()
    TopUp.objects.create(
        wallet=link.wallet,
        origin="payment_link",
        amount_micros=link.amount_micros or 0,
        request_id="r",
        payment_link=link,
        checkout_session_id="cs_1",
        checkout_expires_at=timezone.now() + timedelta(hours=1),
        next_check_at=timezone.now() + timedelta(hours=1),
    )

    answer = own.post(f"{path}/payment-links/{made['id']}/withdraw")

    assert (answer.status, answer.body["state"]) == (200, "withdrawn")
    assert answer.body["top_up"] == str(TopUp.objects.get().pk)

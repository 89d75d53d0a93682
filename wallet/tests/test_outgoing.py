"""What there is to tell: kept with what it tells, once, for those who listen, and for nobody else."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models.functions import Now

from wallet.errors import Decline
from wallet.ledger import post
from wallet.models import CHOSEN_TYPES, Delivery, EventType, Hold, OutgoingEvent, TopUp, Wallet
from wallet.services.holds import expire_due_holds, place_hold
from wallet.services.outgoing import announce
from wallet.services.settlement import end_top_up, fail_top_up, settle_payment
from wallet.services.webhook_endpoints import remove_endpoint, send_test, switch_off
from wallet.tests.builders import DOLLAR, adjustment, make_wallet, open_top_up, payment_of
from wallet.tests.hooks import endpoint_of, tell, waiting
from workspaces.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db
with_real_commits = pytest.mark.django_db(transaction=True)

URL = "https://hooks.example.com/"
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def wallet() -> Wallet:
    wallet = make_wallet(name="Acme Calls")
    wallet.workspace.external_id = "customer-1042"
    wallet.workspace.save(update_fields=["external_id"])
    return wallet


def kept() -> list[tuple[str, dict[str, Any]]]:
    """Type and data of every event, oldest first."""
    return list(OutgoingEvent.objects.order_by("occurred_at").values_list("type", "data"))


def test_it_keeps_nothing_where_nobody_listens(wallet: Wallet) -> None:
    endpoint_of(make_wallet(name="Other").workspace, URL)
    switch_off(endpoint_of(wallet.workspace, URL).endpoint)
    remove_endpoint(endpoint_of(wallet.workspace, URL).endpoint)
    endpoint_of(wallet.workspace, URL, EventType.TOP_UP_FAILED)

    tell(wallet, event=EventType.LOW_BALANCE)

    assert (kept(), waiting()) == ([], [])


@with_real_commits
def test_it_tells_the_workspaces_endpoints_and_the_platforms(wallet: Wallet) -> None:
    own = endpoint_of(wallet.workspace, URL, EventType.LOW_BALANCE, EventType.DEPLETED).endpoint
    platforms = endpoint_of(None, URL).endpoint
    endpoint_of(make_wallet(name="Other").workspace, URL)

    tell(wallet, event=EventType.DEPLETED)

    assert set(Delivery.objects.values_list("endpoint_id", flat=True)) == {own.pk, platforms.pk}
    deliveries = Delivery.objects.order_by("pk").values_list("pk", flat=True)
    assert waiting() == [("wallet.tasks.deliver_webhook", [pk]) for pk in deliveries]


def test_it_says_whose_money_it_is_about(wallet: Wallet) -> None:
    endpoint_of(wallet.workspace, URL)
    post(wallet.pk, [adjustment(20 * DOLLAR)])
    place_hold(wallet.pk, amount_micros=5 * DOLLAR, reference="call-1", idempotency_key="h", lifetime=AN_HOUR)

    tell(wallet, threshold_micros=7)

    ((_, data),) = kept()
    assert data == {
        "workspace": wallet.workspace.public_id,
        "external_id": "customer-1042",
        "currency": "usd",
        "balance_micros": 20 * DOLLAR,
        "available_micros": 15 * DOLLAR,
        "threshold_micros": 7,
    }


def test_it_keeps_one_thing_once(wallet: Wallet) -> None:
    endpoint_of(wallet.workspace, URL)

    for _ in range(2):
        tell(wallet, key="low-1")
    tell(wallet, key="low-2")

    assert (OutgoingEvent.objects.count(), Delivery.objects.count()) == (2, 2)


@with_real_commits
def test_it_keeps_one_thing_once_when_many_tell_it(wallet: Wallet) -> None:
    endpoint_of(wallet.workspace, URL)

    assert errors(at_once([lambda: tell(wallet, key="low")] * 8)) == []

    assert (OutgoingEvent.objects.count(), Delivery.objects.count(), len(waiting())) == (1, 1, 1)


def test_it_tells_the_same_key_of_another_wallet_too(wallet: Wallet) -> None:
    endpoint_of(None, URL)
    for each in (wallet, make_wallet(name="Other")):
        tell(each, key="low")

    assert OutgoingEvent.objects.count() == 2


@with_real_commits
def test_it_tells_nothing_of_what_did_not_happen(wallet: Wallet) -> None:
    endpoint_of(wallet.workspace, URL)

    class NoMore(Exception):
        """Something else of the transaction went wrong."""

    def tell_and_fail() -> None:
        with transaction.atomic():
            announce(wallet.pk, event=EventType.DEPLETED, data={}, key="depleted")
            raise NoMore

    with pytest.raises(NoMore):
        tell_and_fail()

    assert (kept(), waiting()) == ([], [])


def test_it_tests_one_endpoint_whatever_it_listens_to(wallet: Wallet) -> None:
    tested = endpoint_of(wallet.workspace, URL, EventType.TOP_UP_FAILED).endpoint
    endpoint_of(None, URL)

    delivery = send_test(tested)

    assert (delivery.endpoint_id, delivery.event.type) == (tested.pk, "test.ping")
    assert Delivery.objects.count() == 1
    assert EventType.PING not in CHOSEN_TYPES


def test_it_tests_the_platforms_endpoint_without_a_wallet() -> None:
    delivery = send_test(endpoint_of(None, URL).endpoint)

    assert (delivery.event.wallet, delivery.event.data) == (None, {"message": "This is a test. Nothing has happened."})


# ---------------------------------------------------------------- what the wallet itself tells


def test_it_tells_of_a_top_up_that_was_credited(wallet: Wallet) -> None:
    endpoint_of(None, URL)
    top_up = open_top_up(wallet, 20 * DOLLAR)
    for _ in range(2):
        settle_payment(payment_of(top_up))

    ((kind, data),) = kept()
    top_up.refresh_from_db()
    assert kind == "top_up.succeeded"
    assert (
        data
        | {
            "top_up": str(top_up.pk),
            "origin": "manual",
            "amount_micros": 20 * DOLLAR,
            "balance_micros": 20 * DOLLAR,
            "receipt_number": top_up.receipt_number,
            "payment_link": None,
            "decline_code": "",
        }
        == data
    )


def test_it_tells_of_a_top_up_that_failed_and_of_its_money_if_it_comes_after_all(wallet: Wallet) -> None:
    endpoint_of(None, URL)
    top_up = open_top_up(wallet, 20 * DOLLAR)
    for _ in range(2):
        fail_top_up(top_up.pk, decline=Decline(code="card_declined", decline_code="insufficient_funds"))
    settle_payment(payment_of(TopUp.objects.get(pk=top_up.pk)))

    (failed, data), (succeeded, _) = kept()
    assert (failed, succeeded) == ("top_up.failed", "top_up.succeeded")
    assert (data["decline_code"], data["balance_micros"], data["receipt_number"]) == ("insufficient_funds", 0, None)


@pytest.mark.parametrize("status", [TopUp.Status.EXPIRED, TopUp.Status.CANCELED])
def test_it_says_nothing_of_what_nobody_paid(wallet: Wallet, status: TopUp.Status) -> None:
    endpoint_of(None, URL)
    end_top_up(open_top_up(wallet, 20 * DOLLAR).pk, status=status)

    assert kept() == []


def test_it_tells_of_a_hold_that_expired(wallet: Wallet) -> None:
    endpoint_of(wallet.workspace, URL)
    post(wallet.pk, [adjustment(20 * DOLLAR)])
    hold = place_hold(wallet.pk, amount_micros=5 * DOLLAR, reference="call-1", idempotency_key=uuid4().hex, lifetime=AN_HOUR)
    Hold.objects.update(expires_at=Now())

    assert [expire_due_holds() for _ in range(2)] == [1, 0]

    ((kind, data),) = kept()
    assert kind == "hold.expired"
    assert (data["hold"], data["reference"], data["amount_micros"]) == (str(hold.id), "call-1", 5 * DOLLAR)
    assert data["available_micros"] == 20 * DOLLAR
    assert data["expired_at"].endswith("Z")

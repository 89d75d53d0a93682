"""Messages on their way: signed, once each where all goes well, to where they may go; sent again by hand, and forgotten."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from standardwebhooks.webhooks import WebhookVerificationError

from wallet.errors import EndpointDisabled
from wallet.models import Delivery, DeliveryAttempt, EventType, OutgoingEvent, Wallet
from wallet.services import deliveries
from wallet.services.deliveries import ATTEMPTS_MAX, deliver, forget_old_events, message_of, send_again
from wallet.services.webhook_endpoints import NewEndpoint, rotate_secret, switch_off
from wallet.tasks import tidy_webhooks
from wallet.tests.hooks import endpoint_of, fresh, grow_old, pass_time, tell, told, work
from wallet.tests.receiver import Receiver, made_up_names
from workspaces.tests.threads import at_once, errors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_targets")]
with_real_commits = pytest.mark.django_db(transaction=True)


def test_it_sends_a_message_that_the_receivers_library_verifies(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    delivery = told(wallet, event=EventType.LOW_BALANCE, threshold_micros=10_000_000)
    assert work() == 1

    (received,) = receiver.received
    message = received.verified(hook.secret)
    assert (message["type"], message["data"]["threshold_micros"]) == ("wallet.low_balance", 10_000_000)
    assert message["data"]["workspace"] == wallet.workspace.public_id
    assert message["timestamp"] == delivery.event.occurred_at.isoformat().replace("+00:00", "Z")
    assert received.headers["webhook-id"] == delivery.event_id
    assert received.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        received.verified(endpoint_of(None, receiver.url).secret)
    delivery = fresh(delivery)
    assert (delivery.is_delivered, delivery.attempts, delivery.last_status, delivery.next_attempt_at) == (True, 1, 200, None)
    assert [(attempt.status, attempt.error, attempt.answer) for attempt in delivery.log.all()] == [(200, "", "thanks")]
    assert work() == 0


def test_it_sends_each_message_once_however_often_it_is_asked_to(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    delivery = told(wallet)
    for _ in range(3):
        deliver(delivery.pk)

    assert len(receiver.received) == 1


@with_real_commits
def test_it_sends_once_when_many_workers_have_the_task(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    delivery = told(wallet)

    assert errors(at_once([lambda: deliver(delivery.pk)] * 8)) == []

    assert len(receiver.received) == 1
    assert fresh(delivery).attempts == 1


@with_real_commits
def test_it_would_send_many_times_without_the_claim(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = told(wallet)
    monkeypatch.setattr(deliveries, "_mine", lambda delivery: Delivery.objects.filter(pk=delivery.pk))

    assert errors(at_once([lambda: deliver(delivery.pk)] * 8)) == []

    assert len(receiver.received) > 1


@with_real_commits
def test_it_sends_outside_every_transaction(wallet: Wallet, hook: NewEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def post(*_: object, **__: object) -> deliveries.Outcome:
        assert not connection.in_atomic_block
        return deliveries.Outcome(status=200, error="")

    delivery = told(wallet)
    monkeypatch.setattr(deliveries, "post", post)

    deliver(delivery.pk)

    assert fresh(delivery).is_delivered


# ---------------------------------------------------------------- where it may go, and with what
def test_it_refuses_a_name_that_leads_inside_by_now(
    wallet: Wallet, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S33: public when the endpoint was added, private when the message is sent; and no wait for it, as nobody was asked."""
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = False
    endpoint_of(wallet.workspace, "https://hooks.example.com/")
    with made_up_names(monkeypatch) as names:
        names.lead_to["hooks.example.com"] = [["127.0.0.1"]]
        delivery = told(wallet)
        work()

    delivery = fresh(delivery)
    assert "not public" in delivery.last_error
    assert (delivery.last_status, delivery.is_waiting) == (None, True)
    assert receiver.received == []


def test_it_sends_to_no_private_address_once_the_operator_forbids_it(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, settings: Any
) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = False
    delivery = told(wallet)
    work()

    assert receiver.received == []
    assert "begins with https://" in fresh(delivery).last_error


def test_it_signs_by_both_secrets_for_a_day_after_a_rotation(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    fresh_secret = rotate_secret(hook.endpoint)
    tell(wallet)
    work()
    pass_time(hours=25)
    tell(wallet)
    work()

    during, after = receiver.received
    assert during.verified(hook.secret) == during.verified(fresh_secret)
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert after.verified(fresh_secret)
    with pytest.raises(WebhookVerificationError):
        after.verified(hook.secret)


def test_it_says_when_the_secret_cannot_be_opened(wallet: Wallet, hook: NewEndpoint, receiver: Receiver, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key altogether", []
    delivery = told(wallet)
    work()

    assert receiver.received == []
    assert "Make a new secret" in fresh(delivery).last_error


@pytest.mark.parametrize(
    ("body", "kept"), [(b"a" * 5000, "a" * 1024), (b"\xff\x00<b>", "\ufffd\ufffd<b>"), (b"", "")], ids=["long", "no text", "empty"]
)
def test_it_keeps_how_the_answer_began(wallet: Wallet, hook: NewEndpoint, receiver: Receiver, body: bytes, kept: str) -> None:
    receiver.body = body
    delivery = told(wallet)
    work()

    assert delivery.log.get().answer == kept


# ---------------------------------------------------------------- again by hand, and forgotten
@pytest.mark.parametrize("before", ["delivered", "given up", "waiting"])
def test_it_sends_again_when_somebody_asks(wallet: Wallet, hook: NewEndpoint, receiver: Receiver, before: str) -> None:
    delivery = told(wallet)
    if before == "delivered":
        work()
    Delivery.objects.update(attempts=ATTEMPTS_MAX if before == "given up" else 1)
    if before == "given up":
        Delivery.objects.update(next_attempt_at=None, last_error="It answered 500.")
    receiver.received.clear()

    send_again(fresh(delivery))
    work()

    (received,) = receiver.received
    assert received.headers["webhook-id"] == delivery.event_id
    assert (fresh(delivery).is_delivered, fresh(delivery).attempts) == (True, 1)


def test_it_goes_on_with_a_round_that_was_asked_for_while_one_was_under_way(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = deliveries._send

    def ask_meanwhile(delivery: Delivery) -> deliveries.Outcome:
        monkeypatch.setattr(deliveries, "_send", send)
        send_again(delivery)
        return send(delivery)

    monkeypatch.setattr(deliveries, "_send", ask_meanwhile)
    told(wallet)
    work()
    work()

    assert len(receiver.received) == 2


def test_it_sends_nothing_again_to_an_endpoint_that_is_off(wallet: Wallet, hook: NewEndpoint) -> None:
    delivery = told(wallet)
    switch_off(hook.endpoint)

    with pytest.raises(EndpointDisabled):
        send_again(fresh(delivery))


def test_it_forgets_what_was_told_long_ago_and_nothing_that_waits(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    tell(wallet, key="delivered")
    work()
    tell(wallet, key="waiting")
    grow_old(days=31)
    tell(wallet, key="new")

    tidy_webhooks()

    assert set(OutgoingEvent.objects.values_list("key", flat=True)) == {"waiting", "new"}
    assert DeliveryAttempt.objects.count() == 0


def test_it_forgets_so_many_at_once(wallet: Wallet, hook: NewEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN_AT_ONCE", 2)
    monkeypatch.setattr(deliveries, "FORGET_ROUNDS_MAX", 2)
    for _ in range(7):
        tell(wallet)
    Delivery.objects.update(next_attempt_at=None)
    grow_old(days=31)

    assert [forget_old_events() for _ in range(3)] == [4, 3, 0]


def test_it_writes_the_same_bytes_every_time(wallet: Wallet, hook: NewEndpoint, tmp_path: Path) -> None:
    delivery = told(wallet, name="Zoë & <Co>", amount_micros=2**62)

    assert message_of(fresh(delivery).event) == message_of(fresh(delivery).event)
    assert "Zoë & <Co>" in message_of(delivery.event)
    assert str(2**62) in message_of(delivery.event)

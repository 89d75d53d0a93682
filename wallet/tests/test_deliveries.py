"""Messages on their way: signed, once each where all goes well, again for a day where it does not, and never for ever."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from tests.payments import Alerts
from wallet.errors import EndpointDisabled
from wallet.models import Delivery, DeliveryAttempt, EventType, OutgoingEvent, Wallet, WebhookEndpoint
from wallet.services import deliveries
from wallet.services.deliveries import (
    ATTEMPTS_MAX,
    JITTER,
    RETRY_AFTER_SECONDS,
    deliver,
    due_deliveries,
    forget_old_events,
    message_of,
    send_again,
)
from wallet.services.webhook_endpoints import NewEndpoint, remove_endpoint, rotate_secret, switch_off
from wallet.tasks import sweep, tidy_webhooks
from wallet.tests.builders import make_wallet
from wallet.tests.hooks import endpoint_of, grow_old, pass_time, tell, told, waiting, work
from wallet.tests.receiver import Receiver, made_up_names, running_receiver
from wallet.tests.threads import at_once, errors

pytestmark = pytest.mark.django_db
with_real_commits = pytest.mark.django_db(transaction=True)

DAY_SECONDS = 24 * 3600


@pytest.fixture(autouse=True)
def _private_targets(settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def wallet() -> Wallet:
    return make_wallet(name="Acme Calls")


@pytest.fixture
def hook(wallet: Wallet, receiver: Receiver) -> NewEndpoint:
    return endpoint_of(wallet.workspace, receiver.url)


def fresh(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("event", "endpoint").get(pk=delivery.pk)


def health(hook: NewEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.get(pk=hook.endpoint.pk)


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


# ---------------------------------------------------------------- trying again


def test_it_tries_again_for_a_day_and_then_gives_up(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    receiver.status = 503
    delivery = told(wallet)
    waits: list[float] = []
    for _ in range(ATTEMPTS_MAX):
        work()
        delivery = fresh(delivery)
        if delivery.next_attempt_at is not None:
            waits.append((delivery.next_attempt_at - timezone.now()).total_seconds())
            assert work() == 0, "not before its time"
            pass_time(seconds=waits[-1] + 1)

    assert len(receiver.received) == ATTEMPTS_MAX == len(waits) + 1
    for waited, asked in zip(waits, RETRY_AFTER_SECONDS, strict=True):
        assert asked - 1 <= waited <= asked * (1 + JITTER) + 1
    assert DAY_SECONDS * 0.95 < sum(waits) < DAY_SECONDS * 1.3
    assert (delivery.next_attempt_at, delivery.delivered_at, delivery.last_error) == (None, None, "It answered 503.")
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert len({received.body for received in receiver.received}) == 1
    assert work() == 0


def test_it_delivers_when_the_receiver_is_back(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    receiver.statuses = [500, 429, 302]
    delivery = told(wallet)
    for _ in range(4):
        work()
        pass_time(hours=10)

    delivery = fresh(delivery)
    assert delivery.is_delivered
    assert [attempt.status for attempt in delivery.log.order_by("pk")] == [500, 429, 302, 200]
    assert (health(hook).failing_since, health(hook).failures) == (None, 0)


@with_real_commits
def test_it_comes_back_within_seconds_the_first_time(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    """The worker waits by itself: the sweep comes only every half minute."""
    receiver.status = 500
    delivery = told(wallet)
    assert len(waiting()) == 1, "as soon as it is committed"
    for woken in (2, 3, 4, 4):
        work()
        assert len(waiting()) == woken
        pass_time(minutes=15)

    assert set(map(str, waiting())) == {str(("wallet.tasks.deliver_webhook", [delivery.pk]))}


@with_real_commits
def test_it_is_found_by_the_sweep_where_nobody_was_woken(wallet: Wallet, hook: NewEndpoint, valkey_url: str) -> None:
    delivery = told(wallet)
    client = redis.Redis.from_url(valkey_url)
    client.flushdb()
    client.close()

    sweep()

    assert waiting() == [("wallet.tasks.deliver_webhook", [delivery.pk])]


def test_it_sends_again_what_a_killed_worker_may_not_have_sent(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As SIGKILL: nothing after it runs."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    delivery = told(wallet)
    with monkeypatch.context() as patched:
        patched.setattr(deliveries, "_keep", die)
        with pytest.raises(Killed):
            deliver(delivery.pk)
    assert (work(), len(receiver.received)) == (0, 1)
    pass_time(seconds=deliveries.CLAIMED_FOR.total_seconds() + 1)
    work()

    assert len(receiver.received) == 2
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert fresh(delivery).is_delivered


def test_it_gives_up_what_kills_its_worker_every_time(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = told(wallet)
    monkeypatch.setattr(deliveries, "_keep", lambda *_, **__: None)
    for _ in range(ATTEMPTS_MAX + 3):
        deliver(delivery.pk)
        pass_time(hours=1)

    assert len(receiver.received) == ATTEMPTS_MAX
    assert (fresh(delivery).next_attempt_at, fresh(delivery).last_error) == (None, "The last attempt was cut off.")


def test_it_leaves_a_target_alone_that_does_not_answer_at_all(wallet: Wallet) -> None:
    """One dead target with a thousand messages must not cost a thousand time-outs."""
    hook = endpoint_of(wallet.workspace, "http://127.0.0.1:9/")
    for _ in range(5):
        tell(wallet)
    work()

    assert DeliveryAttempt.objects.count() == 1
    assert sorted(Delivery.objects.values_list("attempts", flat=True)) == [0, 0, 0, 0, 1]
    assert all(delivery.next_attempt_at > timezone.now() for delivery in Delivery.objects.all() if delivery.next_attempt_at)
    with running_receiver() as receiver:
        WebhookEndpoint.objects.update(url=receiver.url)
        pass_time(minutes=2)
        work()
        assert len(receiver.received) == 5
    assert health(hook).quiet_until is None


def test_it_lets_no_endpoint_keep_the_others_waiting(wallet: Wallet, hook: NewEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was away has thousands of messages, older than all others: each gets its turn."""
    monkeypatch.setattr(deliveries, "AT_ONCE_PER_ENDPOINT", 3)
    for _ in range(5):
        tell(wallet)
    pass_time(minutes=5)
    other, quiet = (endpoint_of(wallet.workspace, f"https://{name}.example.com/") for name in ("other", "quiet"))
    tell(wallet)
    WebhookEndpoint.objects.filter(pk=quiet.endpoint.pk).update(quiet_until=timezone.now() + timedelta(minutes=1))

    due = [delivery.endpoint_id for delivery in due_deliveries()]

    assert due[:2] == [hook.endpoint.pk, other.endpoint.pk]
    assert (len(due), due.count(hook.endpoint.pk)) == (4, 3)


# ---------------------------------------------------------------- switching off


def test_it_switches_off_an_endpoint_that_says_it_is_gone(wallet: Wallet, hook: NewEndpoint, receiver: Receiver, alerts: Alerts) -> None:
    receiver.status = 410
    delivery = told(wallet)
    tell(wallet)
    work()

    assert (health(hook).disabled_reason, len(receiver.received)) == ("gone", 1)
    assert alerts() == ["webhook_endpoint_disabled"]
    assert not Delivery.objects.filter(next_attempt_at__isnull=False).exists()
    assert fresh(delivery).last_error == str(EndpointDisabled())
    tell(wallet)
    assert OutgoingEvent.objects.count() == 2, "nobody listens any more"


@pytest.mark.parametrize(("days", "failures", "is_switched_off"), [(4, 25, True), (4, 5, False), (1, 25, False)])
def test_it_switches_off_what_failed_often_over_days(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, alerts: Alerts, days: int, failures: int, is_switched_off: bool
) -> None:
    receiver.status = 500
    WebhookEndpoint.objects.update(failures=failures, failing_since=timezone.now() - timedelta(days=days))
    told(wallet)
    work()

    assert (health(hook).disabled_at is not None) == is_switched_off
    assert alerts() == (["webhook_endpoint_disabled"] if is_switched_off else [])


def test_it_sends_nothing_to_what_was_switched_off_or_removed_meanwhile(wallet: Wallet, hook: NewEndpoint, receiver: Receiver) -> None:
    for end in (switch_off, remove_endpoint):
        tell(wallet)
        end(hook.endpoint)
        # As if the delivery had been made by a transaction that had not seen it.
        Delivery.objects.update(next_attempt_at=timezone.now())
        work()

    assert receiver.received == []
    assert not Delivery.objects.filter(next_attempt_at__isnull=False).exists()


def test_it_keeps_a_success_that_came_while_the_endpoint_was_switched_off(
    wallet: Wallet, hook: NewEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = deliveries._send

    def send_and_switch_off(delivery: Delivery) -> deliveries.Outcome:
        outcome = send(delivery)
        switch_off(hook.endpoint)
        return outcome

    monkeypatch.setattr(deliveries, "_send", send_and_switch_off)
    delivery = told(wallet)
    work()

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

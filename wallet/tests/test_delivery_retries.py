"""Messages that do not arrive: sent again for a day and never for ever, whoever is killed; what stays away is switched off."""

from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from tests.payments import Alerts
from wallet.errors import EndpointDisabled
from wallet.models import Delivery, DeliveryAttempt, OutgoingEvent, Wallet, WebhookEndpoint
from wallet.services import deliveries
from wallet.services.deliveries import ATTEMPTS_MAX, JITTER, RETRY_AFTER_SECONDS, deliver, due_deliveries
from wallet.services.webhook_endpoints import NewEndpoint, remove_endpoint, switch_off
from wallet.tasks import sweep
from wallet.tests.hooks import endpoint_of, fresh, health, pass_time, tell, told, waiting, work
from wallet.tests.receiver import Receiver, running_receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_targets")]
with_real_commits = pytest.mark.django_db(transaction=True)

DAY_SECONDS = 24 * 3600


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

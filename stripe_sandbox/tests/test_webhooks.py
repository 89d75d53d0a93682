"""Events reach the webhook address signed as Stripe signs them: again until they are taken, and as badly as a test wishes."""

import itertools
import time

import pytest
import stripe

from stripe_sandbox import API_VERSION
from stripe_sandbox.testing import TEST_WEBHOOK_SECRET, RunningSandbox
from stripe_sandbox.tests.conftest import Receiver, new_session, wait_for


def test_it_signs_what_it_sends(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    customer = client.v1.customers.create({"email": "owner@example.com"}, {"idempotency_key": "new-customer"})

    wait_for(lambda: receiver.deliveries)

    delivery = receiver.deliveries[0]
    event = stripe.Webhook.construct_event(delivery.body, delivery.signature, TEST_WEBHOOK_SECRET, tolerance=300)
    assert (event.type, event.api_version, event.livemode) == ("customer.created", API_VERSION, False)
    assert event.data.object["id"] == customer.id
    assert delivery.json["request"]["idempotency_key"] == "new-customer"
    assert delivery.json["request"]["id"] == sandbox.state()["requests"][0]["request_id"]


def test_it_lists_what_it_sent(client: stripe.StripeClient, receiver: Receiver) -> None:
    client.v1.customers.create({})
    wait_for(lambda: receiver.deliveries)
    wait_for(lambda: client.v1.events.list().data[0].pending_webhooks == 0)

    listed = client.v1.events.list({"type": "customer.created"}).data

    assert [event.id for event in listed] == [receiver.deliveries[0].json["id"]]


def test_it_sends_again_until_it_is_taken(client: stripe.StripeClient, receiver: Receiver) -> None:
    receiver.answers += [500, 503, 302]

    client.v1.customers.create({})
    wait_for(lambda: len(receiver.deliveries) == 4)

    assert len({delivery.event.id for delivery in receiver.deliveries if delivery.event}) == 1
    wait_for(lambda: client.v1.events.list().data[0].pending_webhooks == 0)


def test_it_says_what_changed(client: stripe.StripeClient, customer: stripe.Customer, receiver: Receiver) -> None:
    client.v1.customers.update(customer.id, {"name": "Alice"})

    assert receiver.first("customer.updated")["data"]["previous_attributes"] == {"name": None}


def test_it_tells_of_a_payment_on_a_page_without_a_request(
    client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    session = new_session(client)

    sandbox.pay_checkout(session.url or "")
    completed = receiver.first("checkout.session.completed")

    assert completed["data"]["object"]["payment_status"] == "paid"
    assert completed["request"] == {"id": None, "idempotency_key": None}
    wait_for(lambda: {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"} <= set(receiver.types()))


def test_it_delays(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.fault("webhook_delay", match="customer.created", seconds=0.6)

    began = time.monotonic()
    client.v1.customers.create({})
    wait_for(lambda: receiver.deliveries)

    assert time.monotonic() - began >= 0.6


def test_it_doubles(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.fault("webhook_duplicate", match="customer.created", copies=3)

    client.v1.customers.create({})
    wait_for(lambda: len(receiver.deliveries) == 3)

    assert len({delivery.body for delivery in receiver.deliveries}) == 1


def test_it_sends_out_of_order(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.fault("webhook_shuffle", count=None, seconds=0.8)

    for index in range(8):
        client.v1.customers.create({"name": str(index)})
    wait_for(lambda: len(receiver.deliveries) == 8)

    order = [delivery.event.data.object["name"] for delivery in receiver.deliveries if delivery.event]
    assert order != sorted(order)
    assert sorted(order) == [str(index) for index in range(8)]


def test_it_loses_an_event_for_good(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.fault("webhook_drop", match="customer.created")

    client.v1.customers.create({"name": "lost"})
    client.v1.customers.create({"name": "sent"})
    wait_for(lambda: receiver.deliveries)
    sandbox.send_webhooks_now()

    assert [d.event.data.object["name"] for d in receiver.deliveries if d.event] == ["sent"]
    assert len(client.v1.events.list({"type": "customer.created"}).data) == 2


def test_it_holds_back_while_paused(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.pause_webhooks()
    client.v1.customers.create({})
    time.sleep(0.6)
    assert receiver.deliveries == []

    sandbox.resume_webhooks()

    wait_for(lambda: receiver.deliveries)


def test_it_sends_at_once_what_waits(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    sandbox.fault("webhook_delay", seconds=600)
    client.v1.customers.create({})
    time.sleep(0.4)
    assert receiver.deliveries == []

    sandbox.send_webhooks_now()

    wait_for(lambda: receiver.deliveries)


def test_it_sends_an_event_once_more(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver) -> None:
    client.v1.customers.create({})
    wait_for(lambda: receiver.deliveries)
    event = client.v1.events.list().data[0]

    sandbox.send_event(event.id)
    wait_for(lambda: len(receiver.deliveries) == 2)

    assert [d.event.id for d in receiver.deliveries if d.event] == [event.id, event.id]


@pytest.mark.parametrize(
    ("signature", "offset"), [("bad", 0), ("missing", 0), ("good", -301)], ids=["wrong secret", "no signature", "too old"]
)
def test_it_forges(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver, signature: str, offset: int) -> None:
    client.v1.customers.create({})
    wait_for(lambda: receiver.deliveries)
    receiver.deliveries.clear()

    sandbox.send_event(client.v1.events.list().data[0].id, signature=signature, timestamp_offset=offset)
    wait_for(lambda: receiver.deliveries)

    assert receiver.deliveries[0].event is None
    wait_for(lambda: any(delivery["state"] == "given_up" for delivery in sandbox.state()["deliveries"]))


@pytest.mark.parametrize("kind", ["webhook_bad_signature", "webhook_old_timestamp"])
def test_it_signs_badly_once_and_then_well(client: stripe.StripeClient, sandbox: RunningSandbox, receiver: Receiver, kind: str) -> None:
    sandbox.fault(kind, match="customer.created")

    client.v1.customers.create({})
    wait_for(lambda: len(receiver.deliveries) == 2)

    assert [delivery.event is None for delivery in receiver.deliveries] == [True, False]


def test_it_grows_more_patient_and_gives_up_after_three_days() -> None:
    from stripe_sandbox import outbox

    waits = list(itertools.takewhile(lambda wait: wait is not None, (outbox.retry_seconds(n, speed=1.0) for n in itertools.count(1))))

    assert waits == sorted(waits, key=lambda wait: wait or 0)
    assert sum(wait or 0 for wait in waits) <= outbox.AGE_SECONDS_MAX
    assert 8 <= len(waits) <= 30

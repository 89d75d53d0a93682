"""A sandbox for the whole run, forgotten between tests, and a place where its webhooks arrive."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar, cast

import pytest
import stripe

from stripe_sandbox.testing import TEST_KEY, TEST_WEBHOOK_SECRET, RunningSandbox, running_sandbox

WAIT_SECONDS_MAX = 15.0
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One webhook as it arrived."""

    body: bytes
    signature: str
    event: stripe.Event | None

    @property
    def json(self) -> dict[str, Any]:
        """As it was written; the SDK's object hides `request` behind a method."""
        return cast(dict[str, Any], json.loads(self.body))


@dataclass
class Receiver:
    """An endpoint for webhooks. `answers` are given out first, one each; then 200."""

    url: str
    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def take(self, body: bytes, *, signature: str) -> int:
        try:
            event = stripe.Webhook.construct_event(body, signature, TEST_WEBHOOK_SECRET)
        except stripe.SignatureVerificationError:
            event = None
        self.deliveries.append(Delivery(body=body, signature=signature, event=event))
        if event is None:
            return 400
        return self.answers.pop(0) if self.answers else 200

    def types(self) -> list[str]:
        return [delivery.event.type for delivery in self.deliveries if delivery.event]

    def first(self, event_type: str) -> dict[str, Any]:
        """The first event of a type, once it has arrived."""
        wait_for(lambda: event_type in self.types())
        return next(delivery.json for delivery in self.deliveries if delivery.event and delivery.event.type == event_type)


def wait_for(look: Callable[[], Found], *, seconds: float = WAIT_SECONDS_MAX) -> Found:
    """The first thing that is not falsy, or an error."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(own.take(body, signature=self.headers.get("Stripe-Signature", "")))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any, **__: Any) -> None:
            """Tests look at the deliveries, not at a log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own = Receiver(url=f"http://127.0.0.1:{server.server_port}/webhooks/stripe")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield own
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def _sandbox(_receiver: Receiver) -> Iterator[RunningSandbox]:
    with running_sandbox(webhook_url=_receiver.url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: RunningSandbox) -> RunningSandbox:
    # What is on its way for the test before must have arrived, or it would be taken for this test's.
    _sandbox.pause_webhooks()
    wait_for(lambda: all(delivery["state"] != "sending" for delivery in _sandbox.state()["deliveries"]))
    _sandbox.reset(seed=1)
    return _sandbox


@pytest.fixture
def receiver(sandbox: RunningSandbox, _receiver: Receiver) -> Receiver:
    """What arrives from here on."""
    _receiver.deliveries.clear()
    _receiver.answers.clear()
    return _receiver


def error_of(error: stripe.StripeError) -> dict[str, Any]:
    """Stripe's error object, as it came."""
    return cast(dict[str, Any], cast(dict[str, Any], error.json_body)["error"])


def header_of(error: stripe.StripeError, name: str) -> str:
    return cast(dict[str, str], error.headers)[name]


def client_of(sandbox: RunningSandbox, *, retries: int = 0) -> stripe.StripeClient:
    return stripe.StripeClient(TEST_KEY, base_addresses={"api": sandbox.api_url}, max_network_retries=retries)


@pytest.fixture
def client(sandbox: RunningSandbox) -> stripe.StripeClient:
    return client_of(sandbox)


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return client.v1.customers.create({"email": "owner@example.com"})


SUCCESS_URL = "http://127.0.0.1:9/done?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://127.0.0.1:9/back"


def new_session(client: stripe.StripeClient, *, amount: int = 2000, currency: str = "usd", **more: Any) -> stripe.checkout.Session:
    """A Checkout Session for one amount."""
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Wallet balance"}}
    wish: Any = {
        "mode": "payment",
        "success_url": SUCCESS_URL,
        "cancel_url": CANCEL_URL,
        "line_items": [{"price_data": price, "quantity": 1}],
        **more,
    }
    return client.v1.checkout.sessions.create(wish)


def new_setup_session(client: stripe.StripeClient, **more: Any) -> stripe.checkout.Session:
    """A Checkout Session that only saves a card."""
    wish: Any = {"mode": "setup", "currency": "usd", "success_url": SUCCESS_URL, "cancel_url": CANCEL_URL, **more}
    return client.v1.checkout.sessions.create(wish)


def charge_off_session(client: stripe.StripeClient, *, customer: str, method: str, amount: int = 2500, **more: Any) -> stripe.PaymentIntent:
    """What an automatic payment does."""
    wish: Any = {
        "amount": amount,
        "currency": "usd",
        "customer": customer,
        "payment_method": method,
        "off_session": True,
        "confirm": True,
        **more,
    }
    return client.v1.payment_intents.create(wish)

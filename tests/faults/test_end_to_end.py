"""The real processes together: gunicorn takes the sandbox's webhooks, a Celery worker credits. Nothing is called by hand."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.core.management import call_command

from stripe_sandbox.testing import RunningSandbox
from tests.faults.processes import wait_until
from tests.payments import DOLLAR, make_wallet
from tests.stack import RunningStack
from wallet import stripe_gateway
from wallet.models import PaymentLink, Transfer, Wallet, WebhookEvent
from wallet.services.checkout import open_checkout
from wallet.services.payment_links import request_payment_link

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def link(stack: RunningStack, settings: Any) -> Iterator[PaymentLink]:
    """A link of Alice's to pay $20; Stripe is the stack's own sandbox."""
    settings.STRIPE_API_BASE = stack.sandbox.api_url
    stripe_gateway._client.cache_clear()
    wallet, alice = make_wallet(name="Acme Calls", owner="alice@example.com")
    yield request_payment_link(wallet, purpose=PaymentLink.Purpose.PAY, amount_micros=20 * DOLLAR, request_id="form-1", requested_by=alice)
    stripe_gateway._client.cache_clear()


def all_told(sandbox: RunningSandbox) -> bool:
    """Whether every webhook has arrived."""
    return all(delivery["state"] == "delivered" for delivery in sandbox.state()["deliveries"])


@pytest.mark.parametrize("fault", ["", "webhook_duplicate", "webhook_shuffle", "webhook_bad_signature", "webhook_old_timestamp"])
def test_it_credits_once_by_webhook_alone(stack: RunningStack, link: PaymentLink, fault: str) -> None:
    """A5, A10, A11, X2: whatever the delivery is like, over HTTP."""
    if fault:
        stack.sandbox.fault(fault, match="*", count=None, seconds=0.5, copies=3)
    address = open_checkout(link)
    stack.sandbox.pay_checkout(address)

    wait_until(lambda: Wallet.objects.get().balance_micros)
    stack.sandbox.clear_faults()
    stack.sandbox.send_webhooks_now()
    wait_until(lambda: all_told(stack.sandbox))
    wait_until(lambda: not WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists())

    assert Transfer.objects.count() == 1
    assert Wallet.objects.get().balance_micros == 20 * DOLLAR
    wait_until(stack.mails)
    (mail,) = stack.mails()
    assert mail["To"] == "alice@example.com"
    call_command("check_books")


def test_it_refuses_a_large_body_before_reading_it(stack: RunningStack) -> None:
    """S18."""
    answer = requests.post(f"{stack.site_url}/webhooks/stripe", data=b"x" * (5 * 1024 * 1024), timeout=10)

    assert answer.status_code == 413


def test_it_takes_no_body_of_unknown_length(stack: RunningStack) -> None:
    """S18: sent in chunks, so that no length is told."""
    answer = requests.post(f"{stack.site_url}/webhooks/stripe", data=iter([b"x" * 65_536] * 40), timeout=10)

    assert answer.status_code in (400, 411, 413)

"""Money coming in, for tests: a Stripe sandbox that the gateway speaks to over HTTP, and a hand on webhooks, queue, sweep and clock.

Nothing moves by itself: a test delivers the webhooks, runs the queue and lets time pass when it wants them to.
"""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
import stripe
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone

from stripe_sandbox.testing import RunningSandbox, running_sandbox
from wallet import stripe_gateway
from wallet.automatic_rule import Terms
from wallet.ledger import lock_wallet, post, post_new
from wallet.models import (
    Account,
    AutomaticPayments,
    Card,
    CardSetup,
    FormerCustomer,
    Notice,
    Origin,
    PaymentLink,
    RefundRequest,
    TopUp,
    Transfer,
    Wallet,
    WalletClosing,
    WebhookEvent,
)
from wallet.services.automatic_charges import consider_charges
from wallet.services.automatic_payments import Switched, switch_on
from wallet.services.cards import save_card
from wallet.services.customers import stripe_customer
from wallet.services.payment_links import request_payment_link
from wallet.services.standing import announce_standings
from wallet.services.top_ups import request_top_up
from wallet.services.wallets import open_wallet
from wallet.tasks import sweep
from wallet.tests.builders import adjustment, entry
from wallet_billing.celery import app
from workspaces.models import Membership, Role, User, Workspace

WEBHOOK = "/webhooks/stripe"
DOLLAR = 1_000_000
MESSAGES_MAX = 500

Alerts = Callable[[], list[str]]


def signed(body: bytes, *, secret: str = "", age_seconds: int = 0) -> str:
    """Stripe's signature header for a body, as old as wished; negative: from the future."""
    secret = secret or settings.STRIPE_WEBHOOK_SECRETS[0]
    header: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=int(time.time()) - age_seconds)
    return header


@dataclass
class MoneyIn:
    """A wallet, its owner Alice, and the world around them."""

    sandbox: RunningSandbox
    wallet: Wallet
    alice: User
    client: Client = field(default_factory=Client)
    delivered: set[str] = field(default_factory=set)

    # ---------------------------------------------------------------- what Alice does
    def connect_card(self, name: str = "pm_card_visa", *, behaviour: str = "") -> Card:
        """A card saved at Stripe and here; `behaviour` (of stripe_sandbox.cards.BEHAVIOURS) is what it does from now on."""
        api = stripe_gateway._client().v1
        method = api.payment_methods.attach(name, {"customer": stripe_customer(self.wallet)})
        if behaviour:
            self.sandbox.set_card_behaviour(method.id, behaviour)
        details = stripe_gateway.retrieve_card(method.id)
        assert details is not None
        return save_card(self.wallet.pk, details, connected_by=self.alice)

    def ask_for_top_up(self, card: Card, *, dollars: int = 20, request_id: str = "") -> TopUp:
        """The committed row of a top-up that nobody has sent yet."""
        request_id = request_id or uuid4().hex
        return request_top_up(self.wallet, amount_micros=dollars * DOLLAR, card=card, request_id=request_id, requested_by=self.alice)

    def ask_for_link(self, *, dollars: int | None = 20, request_id: str = "") -> PaymentLink:
        """A link to pay, or without dollars one to connect a card."""
        return request_payment_link(
            self.wallet,
            purpose=PaymentLink.Purpose.PAY if dollars else PaymentLink.Purpose.CONNECT_CARD,
            amount_micros=dollars * DOLLAR if dollars else None,
            request_id=request_id or uuid4().hex,
            requested_by=self.alice,
        )

    def switch_on(self, card: Card, **terms: int) -> Switched:
        """Automatic payments: below 10 dollars charge 25, at most 100 a month, unless other dollars are given."""
        dollars = {"threshold": 10, "amount": 25, "monthly_cap": 100} | terms
        daily = {"daily_charges_max": dollars.pop("daily")} if "daily" in dollars else {}
        if "target" in dollars:
            del dollars["amount"]
        micros = {f"{name}_micros": value * DOLLAR for name, value in dollars.items()}
        return switch_on(self.wallet, terms=Terms(**micros, **daily), card=card, consent_text="Charge my card.", consented_by=self.alice)

    def give(self, dollars: float) -> None:
        """Money by the operator's hand, which is no top-up."""
        post(self.wallet.pk, [adjustment(int(dollars * DOLLAR))])

    def take(self, dollars: float) -> None:
        """Money out by the operator's hand, which is no use."""
        post(self.wallet.pk, [entry(int(dollars * DOLLAR), kind="adjustment", credit=Account.ADJUSTMENTS)])

    def use(self, dollars: float) -> None:
        """A use is charged, as the ingest does it: in one transaction with the decision on an automatic payment and what is told."""
        with transaction.atomic():
            wallet = lock_wallet(self.wallet.pk)
            post_new({wallet.pk: wallet}, {wallet.pk: [entry(int(dollars * DOLLAR))]})
            consider_charges([wallet])
            announce_standings([wallet])

    @property
    def default_card(self) -> Card:
        """The card that is charged first."""
        return Card.objects.get(wallet=self.wallet, is_default=True)

    @property
    def rule(self) -> AutomaticPayments:
        """The rule as it stands."""
        return AutomaticPayments.objects.get(wallet=self.wallet)

    def automatic(self) -> list[TopUp]:
        """Automatic top-ups, oldest first."""
        return list(TopUp.objects.filter(wallet=self.wallet, origin=Origin.AUTOMATIC).select_related("card").order_by("created_at"))

    def outcomes(self) -> list[tuple[str, float]]:
        """Status and dollars of each."""
        return [(top_up.status, top_up.amount_micros / DOLLAR) for top_up in self.automatic()]

    # ---------------------------------------------------------------- what the world does
    def delete_customer(self) -> str:
        """Somebody deletes the wallet's customer in Stripe's dashboard; its id."""
        self.wallet.refresh_from_db()
        customer_id = stripe_customer(self.wallet)
        stripe_gateway._client().v1.customers.delete(customer_id)
        return customer_id

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What Stripe has to tell, oldest first; of some types or all."""
        return [event for event in self.sandbox.state()["events"] if not types or event["type"] in types]

    def post(self, event: dict[str, Any]) -> HttpResponseBase:
        """One webhook arrives, well signed."""
        body = json.dumps(event).encode()
        return self.post_raw(body, signature=signed(body))

    def post_raw(self, body: bytes, *, signature: str) -> HttpResponseBase:
        """One request at the webhook's address, signed as it may be."""
        headers = {"Stripe-Signature": signature} if signature else {}
        return self.client.post(WEBHOOK, data=body, content_type="application/json", headers=headers)

    def deliver(self, *types: str) -> int:
        """Every event that was not delivered yet arrives, and a worker does its work; how many they were."""
        fresh = [event for event in self.events(*types) if event["id"] not in self.delivered]
        for event in fresh:
            self.delivered.add(event["id"])
            assert self.post(event).status_code == 200
        self.work()
        return len(fresh)

    def work(self) -> list[str]:
        """Runs what waits in the queue, in its order, as a worker would; the names of the tasks."""
        done: list[str] = []
        for _ in range(MESSAGES_MAX):
            message = self.next_message()
            if message is None:
                return done
            name, arguments = message
            done.append(name)
            app.tasks[name](*arguments)
        raise AssertionError("the queue does not come to rest")

    def next_message(self) -> tuple[str, list[Any]] | None:
        """Takes the oldest message from the queue; None where it is empty."""
        client = redis.Redis.from_url(settings.REDIS_URL)
        raw = client.rpop("celery")
        client.close()
        if raw is None:
            return None
        assert isinstance(raw, bytes)
        message = json.loads(raw)
        arguments, *_ = json.loads(base64.b64decode(message["body"]))
        return message["headers"]["task"], arguments

    def lose_messages(self) -> None:
        """As if the queue had been flushed."""
        client = redis.Redis.from_url(settings.REDIS_URL)
        client.delete("celery")
        client.close()

    def sweep(self) -> list[str]:
        """Celery beat's round, and what comes of it."""
        sweep()
        return self.work()

    def pass_time(self, **time_passed: float) -> None:
        """As if so much time had passed for every row that waits or is remembered by age."""
        passed = timedelta(**time_passed)
        TopUp.objects.update(
            next_check_at=F("next_check_at") - passed,
            created_at=F("created_at") - passed,
            sent_at=F("sent_at") - passed,
            checkout_expires_at=F("checkout_expires_at") - passed,
            stripe_unclear_at=F("stripe_unclear_at") - passed,
        )
        CardSetup.objects.update(
            next_check_at=F("next_check_at") - passed,
            created_at=F("created_at") - passed,
            checkout_expires_at=F("checkout_expires_at") - passed,
            stripe_unclear_at=F("stripe_unclear_at") - passed,
        )
        RefundRequest.objects.update(
            next_check_at=F("next_check_at") - passed,
            requested_at=F("requested_at") - passed,
            decided_at=F("decided_at") - passed,
            sent_at=F("sent_at") - passed,
        )
        WalletClosing.objects.update(next_check_at=F("next_check_at") - passed)
        Wallet.objects.update(stripe_unclear_at=F("stripe_unclear_at") - passed)
        FormerCustomer.objects.update(let_go_at=F("let_go_at") - passed)
        AutomaticPayments.objects.update(next_try_at=F("next_try_at") - passed)
        WebhookEvent.objects.update(next_attempt_at=F("next_attempt_at") - passed)
        Notice.objects.update(next_attempt_at=F("next_attempt_at") - passed)
        PaymentLink.objects.update(expires_at=F("expires_at") - passed)

    def is_due(self, top_up: TopUp) -> TopUp:
        """As if the time of the top-up's next look had come, and nothing else."""
        TopUp.objects.filter(pk=top_up.pk, next_check_at__isnull=False).update(next_check_at=timezone.now())
        return self.read(top_up)

    # ---------------------------------------------------------------- what is so
    @property
    def balance(self) -> float:
        """The wallet's balance in dollars."""
        self.wallet.refresh_from_db()
        return self.wallet.balance_micros / DOLLAR

    def read(self, top_up: TopUp) -> TopUp:
        """The row as it stands."""
        return TopUp.objects.select_related("wallet__workspace", "card", "payment_link").get(pk=top_up.pk)

    def moves(self, wallet: Wallet | None = None) -> list[tuple[str, float]]:
        """Kind and dollars of every transfer, in the book's order."""
        rows = Transfer.objects.filter(wallet=wallet or self.wallet).order_by("seq")
        return [(row.kind, row.amount_micros / DOLLAR * (1 if row.credit == Account.WALLET else -1)) for row in rows]

    def charges(self) -> int:
        """How many payments succeeded at Stripe."""
        return sum(intent["status"] == "succeeded" for intent in self.sandbox.state()["payment_intents"])

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """What the sandbox was asked, of one operation."""
        return [request for request in self.sandbox.state()["requests"] if request["operation"] == operation]


@pytest.fixture(scope="session")
def _stripe_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_stripe_sandbox: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox that remembers nothing, and the gateway speaking to it. A request inside a database transaction fails the test."""
    _stripe_sandbox.reset(seed=1)
    settings.STRIPE_API_BASE = _stripe_sandbox.api_url
    stripe_gateway._client.cache_clear()
    ask = stripe.RequestsClient.request

    def ask_outside_transactions(self: stripe.RequestsClient, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        assert not connection.in_atomic_block, f"{method} {url} was asked inside a database transaction"
        return ask(self, method, url, *arguments, **options)

    monkeypatch.setattr(stripe.RequestsClient, "request", ask_outside_transactions)

    yield _stripe_sandbox

    stripe_gateway._client.cache_clear()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> None:
    """The gateway gives up after half a second, so that a time-out need not be waited for."""
    monkeypatch.setattr(stripe_gateway, "ANSWER_TIMEOUT_SECONDS", 0.5)
    stripe_gateway._client.cache_clear()


@pytest.fixture
def alerts(caplog: pytest.LogCaptureFixture) -> Alerts:
    """A function that lists the codes of what the operator was told, in order."""

    def codes() -> list[str]:
        records = [record for record in caplog.records if record.name == "wallet.alerts"]
        return [record.msg["event"] for record in records if isinstance(record.msg, dict)]

    return codes


def make_wallet(*, name: str, owner: str, currency: str = "usd") -> tuple[Wallet, User]:
    """A workspace with its owner and its wallet."""
    user = User.objects.create_user(owner, "correct horse battery")
    workspace = Workspace.objects.create(name=name, time_zone="UTC")
    Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    return open_wallet(workspace, currency=currency), user


@pytest.fixture
def money_in(transactional_db: None, sandbox: RunningSandbox) -> Iterator[MoneyIn]:
    """Alice's wallet beside a sandbox. At the end the books must balance, whatever the test did."""
    wallet, alice = make_wallet(name="Acme Calls", owner="alice@example.com")

    yield MoneyIn(sandbox=sandbox, wallet=wallet, alice=alice)

    call_command("check_books", stdout=io.StringIO())

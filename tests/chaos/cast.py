"""Who is there: workspaces whose owners agreed to automatic payments, each under other terms, and the platform that reports their uses."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.test import Client

from stripe_sandbox.testing import RunningSandbox
from usage.tests.stage import seed_prices
from wallet import stripe_gateway
from wallet.automatic_rule import Terms
from wallet.models import Card, Wallet
from wallet.services.automatic_payments import switch_on
from wallet.services.cards import save_card, set_backup_card
from wallet.services.customers import stripe_customer
from wallet.services.wallets import open_wallet
from workspaces.models import Membership, Role, Scope, User, Workspace
from workspaces.services import create_api_key

DOLLAR = 1_000_000
TERMS = (
    Terms(threshold_micros=10 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=5_000 * DOLLAR, daily_charges_max=10),
    Terms(threshold_micros=10 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=300 * DOLLAR, daily_charges_max=10),
    Terms(threshold_micros=20 * DOLLAR, target_micros=60 * DOLLAR, monthly_cap_micros=1_000 * DOLLAR, daily_charges_max=5),
    Terms(threshold_micros=10 * DOLLAR, amount_micros=30 * DOLLAR, monthly_cap_micros=2_000 * DOLLAR, daily_charges_max=2),
    Terms(threshold_micros=15 * DOLLAR, target_micros=45 * DOLLAR, monthly_cap_micros=400 * DOLLAR, daily_charges_max=4),
    Terms(threshold_micros=10 * DOLLAR, amount_micros=20 * DOLLAR, monthly_cap_micros=800 * DOLLAR, daily_charges_max=3),
)
CONSENT = "Charge my card."


@dataclass(frozen=True)
class Customer:
    """One workspace: events call it `subject`, `cookie` signs its owner in."""

    wallet: Wallet
    subject: str
    owner: User
    terms: Terms
    cookie: str


@dataclass
class Tally:
    """What happened how often, and what should never have happened. Written by many threads."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, number: int = 1) -> None:
        """One more of it."""
        with self._lock:
            self.counts[what] += number

    def fault(self, what: str) -> None:
        """Something that breaks a law."""
        with self._lock:
            self.faults.append(what)


@dataclass(frozen=True)
class Cast:
    """All of them, and the platform's key."""

    customers: list[Customer]
    secret: str
    tally: Tally
    stop: threading.Event
    dice: Callable[[str], random.Random]


def assemble(sandbox: RunningSandbox, *, customers: int, seed: int) -> Cast:
    """Everybody takes their place, before anything goes wrong."""
    seed_prices()
    key = create_api_key(None, name="chaos", scopes=[Scope.EVENTS_WRITE, Scope.WALLET_WRITE], created_by=None, expires_at=None)
    made = [_customer(number, sandbox) for number in range(customers)]
    return Cast(made, key.secret, Tally(), threading.Event(), lambda name: random.Random(f"{seed} {name}"))


def _customer(number: int, sandbox: RunningSandbox) -> Customer:
    owner = User.objects.create_user(f"owner-{number}@example.com", None)
    workspace = Workspace.objects.create(name=f"Workspace {number}", time_zone="UTC")
    Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
    wallet = open_wallet(workspace, currency="usd")
    card = connect_card(wallet, owner)
    if number % 2:
        set_backup_card(connect_card(wallet, owner, name="pm_card_mastercard"))
    terms = TERMS[number % len(TERMS)]
    switch_on(wallet, terms=terms, card=card, consent_text=CONSENT, consented_by=owner)
    client = Client()
    client.force_login(owner, backend=settings.AUTHENTICATION_BACKENDS[0])
    return Customer(wallet, workspace.public_id, owner, terms, client.cookies[settings.SESSION_COOKIE_NAME].value)


def connect_card(wallet: Wallet, owner: User, *, name: str = "pm_card_visa") -> Card:
    """A card saved at Stripe and here."""
    method = stripe_gateway._client().v1.payment_methods.attach(name, {"customer": stripe_customer(wallet)})
    details = stripe_gateway.retrieve_card(method.id)
    assert details is not None
    return save_card(wallet.pk, details, connected_by=owner)

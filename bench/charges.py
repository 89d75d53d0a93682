"""How soon the saved card is charged: from the debit that leaves too little to the request at Stripe, with a real worker between them.

Measured by two clocks of one machine: the ledger's row is stamped just before its commit, the sandbox stamps a request as it arrives.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from bench.load import Client, Request, percentile
from bench.stage import event
from stripe_sandbox.testing import RunningSandbox, running_sandbox
from usage.cloud_events import SINGLE
from wallet import stripe_gateway
from wallet.automatic_rule import Terms
from wallet.ledger import Entry, post
from wallet.models import Account, ChargingSwitch, Kind, Origin, TopUp, Transfer, Wallet
from wallet.services.automatic_payments import switch_on
from wallet.services.cards import save_card
from wallet.services.customers import stripe_customer
from wallet.services.wallets import open_wallet
from wallet_billing.local import product
from wallet_billing.local.child import start_child
from wallet_billing.local.product import ROOT
from workspaces.models import User, Workspace

CHARGES, WARM_UP, PAUSE_SECONDS = 110, 10, 0.2
ANSWER_SECONDS_MAX = 120.0
DOLLAR = 1_000_000
TERMS = Terms(threshold_micros=10 * DOLLAR, amount_micros=25 * DOLLAR, monthly_cap_micros=100 * DOLLAR)


def measure_charges(make_client: Callable[[], Client]) -> dict[str, float]:
    """Seconds from debit to charge of wallets that one use each takes below their threshold, five in a second."""
    with tempfile.TemporaryDirectory() as folder, running_sandbox() as sandbox:
        settings.STRIPE_API_BASE = sandbox.api_url
        owner = User.objects.create_user("cardholder@example.com", None)
        wallets = [_wallet_on_the_edge(number, owner) for number in range(CHARGES)]
        worker = start_child(
            "worker",
            command=product.worker(concurrency=2).command,
            log_path=Path(folder) / "worker.log",
            environment={**os.environ, "STRIPE_API_BASE": sandbox.api_url},
            folder=ROOT,
        )
        try:
            _use(wallets[:WARM_UP], make_client())
            _wait_for_charges(sandbox, WARM_UP)
            _use(wallets[WARM_UP:], make_client())
            waits = _waits(_wait_for_charges(sandbox, CHARGES), wallets[WARM_UP:])
        finally:
            worker.stop(patience_seconds=30)
    return {f"charge_p{percent}_seconds": percentile(waits, percent=percent) for percent in (50, 95)}


def _wallet_on_the_edge(number: int, owner: User) -> Wallet:
    """A cent above its threshold, with a card and automatic payments."""
    wallet = open_wallet(Workspace.objects.create(name=f"Edge {number}"), currency="usd")
    entry = Entry(
        debit=Account.ADJUSTMENTS,
        credit=Account.WALLET,
        amount_micros=TERMS.threshold_micros + 10_000,
        kind=Kind.ADJUSTMENT,
        reference="bench",
        description="Opening balance",
        happened_at=wallet.workspace.created_at,
        idempotency_key="bench",
    )
    post(wallet.pk, [entry])
    method = stripe_gateway._client().v1.payment_methods.attach("pm_card_visa", {"customer": stripe_customer(wallet)})
    details = stripe_gateway.retrieve_card(method.id)
    assert details is not None, "The sandbox's Visa is a card."
    card = save_card(wallet.pk, details, connected_by=owner)
    switch_on(wallet, terms=TERMS, card=card, consent_text="Charge my card.", consented_by=owner)
    return wallet


def _use(wallets: list[Wallet], client: Client) -> None:
    for wallet in wallets:
        call = event(wallet.workspace.public_id, duration_seconds=600)
        client.send(Request("/api/v1/events", json.dumps(call).encode(), SINGLE))
        time.sleep(PAUSE_SECONDS)


def _wait_for_charges(sandbox: RunningSandbox, number: int) -> dict[str, float]:
    """When the request of each charge arrived, by its idempotency key. Raises RuntimeError where they do not come."""
    give_up_at = time.monotonic() + ANSWER_SECONDS_MAX
    while time.monotonic() < give_up_at:
        asked = [request for request in sandbox.state()["requests"] if request["operation"] == "payment_intents.create"]
        if len(asked) >= number:
            return {str(request["idempotency_key"]): float(request["received_at"]) for request in asked}
        time.sleep(0.5)
    raise RuntimeError(f"Only {len(asked)} of {number} cards were charged; the switch: {list(ChargingSwitch.objects.values())}")


def _waits(arrived: dict[str, float], wallets: list[Wallet]) -> list[float]:
    """Of each wallet: from its debit to its charge."""
    debited = dict(Transfer.objects.filter(wallet__in=wallets, credit=Account.USAGE_REVENUE).values_list("wallet_id", "posted_at"))
    charges = TopUp.objects.filter(wallet__in=wallets, origin=Origin.AUTOMATIC)
    return [arrived[f"top-up-{charge.pk}"] - debited[charge.wallet_id].timestamp() for charge in charges]

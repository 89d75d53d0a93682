"""Opening wallets, and their customer at Stripe."""

from hashlib import sha256

from wallet import stripe_gateway
from wallet.models import Wallet
from wallet.money import currency_of
from workspaces.models import Workspace


def open_wallet(workspace: Workspace, *, currency: str) -> Wallet:
    """The workspace's wallet, opened in that currency if it has none.

    Idempotent by: the workspace. Raises: UnknownCurrency.
    """
    known = currency_of(currency)
    # Until an operator decides otherwise, inbound calls may go as far below zero as the least top-up mends.
    wallet, _ = Wallet.objects.get_or_create(
        workspace=workspace, defaults={"currency": known.code, "overdraft_micros": known.top_up_least_micros}
    )
    return wallet


def stripe_customer(wallet: Wallet) -> str:
    """The id of the wallet's customer at Stripe, made on first need.

    Two at once send the same idempotency key and get the same customer; the first to write wins (facts: B26).
    Not inside a transaction: asks Stripe. Raises: GatewayError.
    """
    if wallet.stripe_customer_id:
        return wallet.stripe_customer_id
    name, public_id = wallet.workspace.name, wallet.workspace.public_id
    # A workspace that was renamed meanwhile asks for something else, which Stripe refuses under the same key.
    key = f"cust-{public_id}-{sha256(name.encode()).hexdigest()[:8]}"
    customer_id = stripe_gateway.create_customer(name=name, workspace=public_id, idempotency_key=key)
    Wallet.objects.filter(pk=wallet.pk, stripe_customer_id=None).update(stripe_customer_id=customer_id)
    wallet.refresh_from_db(fields=["stripe_customer_id"])
    assert wallet.stripe_customer_id is not None
    return wallet.stripe_customer_id

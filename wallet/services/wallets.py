"""Opening wallets, and their customer at Stripe."""

from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models.functions import Now

from wallet import stripe_gateway
from wallet.errors import GatewayError
from wallet.ledger import lock_wallet
from wallet.models import CardSetup, TopUp, Wallet
from wallet.money import currency_of
from wallet.services.renewed_keys import is_certain, is_used_up, key_of, renew_key
from workspaces.models import Workspace
from workspaces.services.audit import record

LOOK_BACK = timedelta(hours=25)
"""How long before the last unclear answer a customer may have been made: Stripe remembers a key for a day, and clocks differ."""


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


@transaction.atomic
def close_wallet(wallet: Wallet) -> Wallet:
    """No more money comes in from here on, and no use begins: its links are as good as withdrawn, and the sweep ends their sessions.

    What somebody had paid by then is still credited, and balance and book stay as they are.
    Locks: top-up → wallet. Idempotent: the first time counts.
    """
    for attempts in (TopUp.objects.filter(payment_link__isnull=False), CardSetup.objects.all()):
        attempts.filter(wallet=wallet, next_check_at__isnull=False).update(next_check_at=Now())
    lock_wallet(wallet.pk)
    if Wallet.objects.filter(pk=wallet.pk, closed_at=None).update(closed_at=Now()):
        record("wallet.closed", workspace=wallet.pk, before={"is_closed": False}, after={"is_closed": True}, as_staff=True)
    wallet.refresh_from_db()
    return wallet


def stripe_customer(wallet: Wallet) -> str:
    """The id of the wallet's customer at Stripe, made on first need.

    Two at once send the same idempotency key and get the same customer; the first to write wins (faults: B26).
    Not inside a transaction: asks Stripe. Raises: GatewayError, after which the same call is safe to repeat.
    """
    if wallet.stripe_customer_id:
        return wallet.stripe_customer_id
    customer_id = _customer_at_stripe(wallet)
    Wallet.objects.filter(pk=wallet.pk, stripe_customer_id=None).update(stripe_customer_id=customer_id)
    wallet.refresh_from_db(fields=["stripe_customer_id"])
    assert wallet.stripe_customer_id is not None
    return wallet.stripe_customer_id


def _customer_at_stripe(wallet: Wallet) -> str:
    """A new customer; where the key is used up, the one that came of it, or one under the next key (faults: B5)."""
    try:
        return _make_customer(wallet)
    except GatewayError as error:
        if not is_used_up(wallet, error):
            raise
        assert wallet.stripe_unclear_at is not None, "is_used_up has noted when."
        found = stripe_gateway.find_customer(workspace=wallet.workspace.public_id, since=wallet.stripe_unclear_at - LOOK_BACK)
        if found is not None:
            return found
        if not is_certain(wallet):
            raise
    renew_key(wallet)
    return _make_customer(wallet)


def _make_customer(wallet: Wallet) -> str:
    name, public_id = wallet.workspace.name, wallet.workspace.public_id
    # A workspace that was renamed meanwhile asks for something else, which Stripe refuses under the same key.
    stem = f"cust-{public_id}-{sha256(name.encode()).hexdigest()[:8]}"
    return stripe_gateway.create_customer(name=name, workspace=public_id, idempotency_key=key_of(wallet, stem=stem))

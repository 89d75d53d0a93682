"""A wallet's customer at Stripe: made on first need, let go of once it was deleted there, and known ever after.

Only Stripe's own word that a customer was deleted counts. That it knows no such customer proves nothing: under the key of another
account, or of the other mode, it knows none at all (faults: B7), and no wallet may lose its cards for that.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from hashlib import sha256
from typing import TypeVar

from django.db import transaction

from wallet import stripe_gateway
from wallet.alerts import alert
from wallet.errors import GatewayError, GatewayRejected, GatewayUnavailable
from wallet.ledger import lock_wallet
from wallet.models import CardSetup, FormerCustomer, TopUp, Wallet
from wallet.queries import database_time
from wallet.services.cards import forget_cards
from wallet.services.payment_links import look_after_attempts
from wallet.services.renewed_keys import is_certain, is_used_up, key_of, renew_key
from workspaces.acting import SYSTEM, acting_as
from workspaces.services.audit import record

LOOK_BACK = timedelta(hours=25)
"""How long before the last unclear answer a customer may have been made: Stripe remembers a key for a day, and clocks differ."""
_FIELDS = ["stripe_customer_id", "stripe_key_renewals", "stripe_unclear_at"]

Done = TypeVar("Done")


def stripe_customer(wallet: Wallet) -> str:
    """The id of the wallet's customer at Stripe, made on first need.

    Two at once send the same idempotency key and get the same customer; the first to write wins (faults: B26).
    Not inside a transaction: asks Stripe. Raises: GatewayError, after which the same call is safe to repeat.
    """
    if wallet.stripe_customer_id:
        return wallet.stripe_customer_id
    customer_id = _customer_at_stripe(wallet)
    # An answer that was slow may name a customer that the wallet has let go of meanwhile.
    without = Wallet.objects.filter(pk=wallet.pk, stripe_customer_id=None).exclude(former_customers=customer_id)
    without.update(stripe_customer_id=customer_id)
    wallet.refresh_from_db(fields=_FIELDS)
    if wallet.stripe_customer_id is None:
        raise GatewayUnavailable("The customer was deleted at Stripe while it was made.")
    return wallet.stripe_customer_id


def with_customer(wallet: Wallet, do: Callable[[], Done]) -> Done:
    """What `do` answers, which asks Stripe for the wallet; where its customer turns out to be deleted, once more without that one.

    Not inside a transaction. Raises: GatewayError.
    """
    try:
        return do()
    except GatewayRejected:
        if not let_go_if_deleted(wallet):
            raise
    return do()


def let_go_if_deleted(wallet: Wallet) -> bool:
    """Whether the customer that `wallet` names was deleted at Stripe: the wallet has let go of it then. For whoever was refused.

    Not inside a transaction: asks Stripe. Where that gives no clear answer, nothing is done.
    """
    customer_id = wallet.stripe_customer_id
    try:
        is_deleted = customer_id is not None and stripe_gateway.is_customer_deleted(customer_id)
    except GatewayError:
        return False
    if customer_id is None or not is_deleted:
        return False
    let_customer_go(wallet.pk, customer_id=customer_id)
    wallet.refresh_from_db(fields=_FIELDS)
    return True


@transaction.atomic
def let_customer_go(wallet_id: int, *, customer_id: str) -> None:
    """The wallet's customer was deleted at Stripe, for good: its cards went with it, and the next payment makes another.

    The former one stays known, for money that was under way. Locks: top-up → wallet. Idempotent by: the customer.
    """
    look_after_attempts(wallet_id)
    wallet = lock_wallet(wallet_id)
    if wallet.stripe_customer_id != customer_id:
        return
    FormerCustomer.objects.create(customer_id=customer_id, wallet=wallet, let_go_at=database_time())
    # Under the key of the former one, Stripe would answer with it for a day.
    wallet.stripe_customer_id, wallet.stripe_unclear_at = None, None
    wallet.stripe_key_renewals += 1
    wallet.save(update_fields=_FIELDS)
    cards = forget_cards(wallet)
    with acting_as(SYSTEM):
        record("customer.deleted", workspace=wallet.pk, target=customer_id, before={"cards": [card.label for card in cards]})
    alert("customer_deleted", wallet=wallet.pk, customer=customer_id, cards=len(cards))


def has_outlived_customer(row: TopUp | CardSetup) -> bool:
    """Whether the wallet has let go of a customer since the row was made, and so of whatever was asked of Stripe for it."""
    return FormerCustomer.objects.filter(wallet_id=row.wallet_id, let_go_at__gte=row.created_at).exists()


def look_up(row: TopUp | CardSetup, find: Callable[[str], Done]) -> Done:
    """What `find` sees of what was asked for the row, in the lists of its customer; in everybody's, named "", where that one is gone.

    Not inside a transaction. Raises: GatewayError.
    """
    return with_customer(row.wallet, lambda: find("" if has_outlived_customer(row) else stripe_customer(row.wallet)))


def is_customer_of(wallet: Wallet, customer_id: str) -> bool:
    """Whether it is the wallet's customer, or was."""
    return customer_id == wallet.stripe_customer_id or wallet.former_customers.filter(pk=customer_id).exists()


def customers_of(wallet: Wallet) -> list[str]:
    """The wallet's customer, if it has one now, and those before it."""
    former = list(wallet.former_customers.order_by("let_go_at").values_list("pk", flat=True))
    return [wallet.stripe_customer_id, *former] if wallet.stripe_customer_id else former


def wallets_of_customers(customer_ids: Iterable[str]) -> dict[str, int]:
    """The wallet of each, be it its customer or a former one; who is no wallet's is left out. Two queries for any number."""
    wanted = set(customer_ids)
    former = FormerCustomer.objects.filter(pk__in=wanted).values_list("pk", "wallet_id")
    present = Wallet.objects.filter(stripe_customer_id__in=wanted).values_list("stripe_customer_id", "pk")
    return dict(former) | {customer_id: wallet_id for customer_id, wallet_id in present if customer_id is not None}


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

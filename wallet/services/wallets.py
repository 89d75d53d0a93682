"""Opening and closing wallets."""

from django.db import transaction
from django.db.models.functions import Now

from wallet.ledger import lock_wallet
from wallet.models import Wallet
from wallet.money import currency_of
from wallet.services.payment_links import look_after_attempts
from workspaces.models import Workspace
from workspaces.services.audit import record


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
    look_after_attempts(wallet.pk)
    lock_wallet(wallet.pk)
    if Wallet.objects.filter(pk=wallet.pk, closed_at=None).update(closed_at=Now()):
        record("wallet.closed", workspace=wallet.pk, before={"is_closed": False}, after={"is_closed": True}, as_staff=True)
    wallet.refresh_from_db()
    return wallet

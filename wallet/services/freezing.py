"""Freezing a wallet and opening it again: nothing new starts and nothing is charged to a card meanwhile; what runs may finish."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from wallet.errors import ActRefused, WalletClosed
from wallet.ledger import lock_wallet
from wallet.models import AutomaticPayments, Wallet, WalletFreeze
from wallet.services.automatic_charges import look_again
from workspaces.models import User
from workspaces.services.audit import record


@transaction.atomic
def freeze_wallet(wallet: Wallet, *, reason: str, request_id: str, by: User) -> WalletFreeze:
    """Stop everything new from now on.

    Locks: wallet. Idempotent by: `request_id`, in its wallet: a form that comes again after the wallet was opened freezes nothing.
    Raises: ActRefused where it is frozen already; WalletClosed.
    """
    locked = lock_wallet(wallet.pk)
    standing = WalletFreeze.objects.filter(wallet=locked, request_id=request_id).first()
    if standing is not None:
        return standing
    if locked.closed_at is not None:
        raise WalletClosed("This workspace was closed: nothing can start in it anyway.")
    if open_freeze(locked) is not None:
        raise ActRefused("This wallet is frozen already.")
    freeze = WalletFreeze.objects.create(wallet=locked, request_id=request_id, reason=reason, frozen_by=by)
    # Where it was frozen by other hands, it stays so from then on, and can now be opened here.
    locked.frozen_at = locked.frozen_at or timezone.now()
    locked.save(update_fields=["frozen_at"])
    record("wallet.frozen", workspace=locked.pk, before={"is_frozen": False}, after={"is_frozen": True}, reason=reason, as_staff=True)
    return freeze


@transaction.atomic
def unfreeze_wallet(freeze_id: UUID, *, reason: str, by: User) -> WalletFreeze:
    """Let things start again. A rule of automatic payments that rests for no other reason is decided anew.

    Locks: wallet. Idempotent by: the freeze, which ends once.
    """
    wallet = lock_wallet(WalletFreeze.objects.values_list("wallet_id", flat=True).get(pk=freeze_id))
    freeze = WalletFreeze.objects.get(pk=freeze_id)
    if freeze.ended_at is not None:
        return freeze
    freeze.ended_at, freeze.ended_by, freeze.end_reason = timezone.now(), by, reason
    freeze.save(update_fields=["ended_at", "ended_by", "end_reason"])
    wallet.frozen_at = None
    wallet.save(update_fields=["frozen_at"])
    rule = AutomaticPayments.objects.filter(wallet=wallet, is_active=True, suspended_at=None, next_try_at=None).first()
    if rule is not None:
        look_again(rule)
    record("wallet.unfrozen", workspace=wallet.pk, before={"is_frozen": True}, after={"is_frozen": False}, reason=reason, as_staff=True)
    return freeze


def open_freeze(wallet: Wallet) -> WalletFreeze | None:
    """Why it is frozen, where it is."""
    return WalletFreeze.objects.filter(wallet=wallet, ended_at=None).select_related("frozen_by").first()

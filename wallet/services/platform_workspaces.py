"""Workspaces that the platform makes for its customers: who and money at once."""

from dataclasses import dataclass

from django.db import transaction

from wallet.errors import CurrencyFixed
from wallet.models import Wallet
from wallet.services.wallets import open_wallet
from workspaces import services


@dataclass(frozen=True)
class Provided:
    """A workspace's wallet, and whether it was made just now."""

    wallet: Wallet
    is_new: bool


@transaction.atomic
def provide_platform_workspace(external_id: str, *, name: str, currency: str, time_zone: str, owner_email: str | None) -> Provided:
    """The platform's workspace of that id with its wallet, made if there is none. One that is there keeps its name and zone.

    The owner is invited if nobody is in it yet. Idempotent by: `external_id`.
    Raises: ExternalIdRefused, UnknownCurrency, ValidationError (time zone); CurrencyFixed where its wallet has another.
    """
    workspace, is_new = services.provide_workspace(external_id, name=name, time_zone=time_zone)
    wallet = open_wallet(workspace, currency=currency)
    if wallet.currency != currency:
        raise CurrencyFixed(currency=wallet.currency)
    if owner_email is not None:
        services.invite_owner(workspace, email=owner_email)
    return Provided(wallet, is_new)

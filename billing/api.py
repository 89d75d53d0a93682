"""The platform's API, joined: each app brings its router, and the refusals of all of them are put into words here."""

from django.conf import settings
from ninja import NinjaAPI

from usage.api import router as usage_router
from usage.errors import UsageError
from wallet.api import router as wallet_router
from wallet.errors import WalletError
from wallet.money import InexactAmount, UnknownCurrency
from workspaces.api.handlers import add_handlers
from workspaces.api.openapi import DescribedApi
from workspaces.api.parsing import JsonParser
from workspaces.api.problems import problem_of
from workspaces.errors import WorkspaceError

DESCRIPTION = """\
The platform's way into its customers' wallets: ask before a use starts, report what was used, send payment links.

Amounts are integers in micros: 1,000,000 is one major unit of the wallet's currency. Times are ISO 8601 in UTC.
Refusals are `application/problem+json`; programs read `code`.
"""
TAGS = {
    "Uses": "Ask before a call, message or task starts, and report what was used.",
    "Wallets": "What is in a workspace's wallet, and how it came to that.",
    "Payment links": "Ask a customer for money, or for a card, and follow what comes of it.",
    "Workspaces": "The platform's customers, by the platform's own ids for them.",
}


def make_api() -> NinjaAPI:
    """All operations under one roof."""
    api = DescribedApi(
        title="Wallet API",
        version="1",
        description=DESCRIPTION,
        urls_namespace="api",
        docs_url=None,
        parser=JsonParser(),
        servers=[{"url": settings.SITE_URL}],
        openapi_extra={"tags": [{"name": name, "description": words} for name, words in TAGS.items()]},
    )
    add_handlers(api, errors=(WorkspaceError, WalletError, UsageError))
    api.add_exception_handler(InexactAmount, lambda request, error: problem_of("inexact_amount", detail=str(error)))
    api.add_exception_handler(UnknownCurrency, lambda request, error: problem_of("unknown_currency", detail=str(error)))
    api.add_router("", wallet_router)
    api.add_router("", usage_router)
    return api


api = make_api()

"""Finds wallets by whatever a customer quotes. Each way is one look into an index, or one for each book; nothing here scans."""

import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Lower

from billing.history_search import numbers_meant, readable_text
from usage.event_queries import wallets_with_use
from wallet.models import (
    Card,
    CardSetup,
    Dispute,
    FormerCustomer,
    OutgoingEvent,
    PaymentLink,
    Refund,
    RefundRequest,
    TopUp,
    Wallet,
    WebhookEvent,
)
from workspaces.models import Membership, User, Workspace

FOUND_MAX = 50
PART_OF_NAME_LEAST = 3
"""Fewer letters are in most names, and the index over their parts knows none."""
_LAST_FOUR = re.compile(r"[0-9]{4}")
_STRIPE_ID = re.compile(r"(pi|cs|re|pyr|dp|du|cus|pm|seti|evt)_[A-Za-z0-9_]{1,250}")

Found = dict[int, str]
"""Wallets, and by what each was found."""
Way = tuple[str, Iterable[int]]


def wallets_found(text: str) -> Found:
    """At most FOUND_MAX. Exact names of things first; uses are looked for only where nothing else has that name."""
    text = readable_text(text)
    found: Found = {}
    if not text:
        return found
    for ways in (_exact(text), _by_workspace(text), _by_use(text)):
        for words, wallets in ways:
            for wallet in wallets:
                found.setdefault(wallet, words)
        if found:
            break
    return dict(list(found.items())[:FOUND_MAX])


def _exact(text: str) -> Iterator[Way]:
    yield "workspace", Workspace.objects.filter(Q(public_id=text) | Q(external_id=text)).values_list("pk", flat=True)
    yield "receipt", TopUp.objects.filter(receipt_number=text.upper()).values_list("wallet_id", flat=True)
    if "@" in text:
        yield "e-mail", _of_address(text)
    if _LAST_FOUR.fullmatch(text):
        yield "card", Card.objects.filter(last_four=text).order_by("-pk").values_list("wallet_id", flat=True)[:FOUND_MAX]
    if _STRIPE_ID.fullmatch(text):
        yield from _by_stripe_id(text)
    if uuid := _uuid(text):
        yield "top-up", TopUp.objects.filter(pk=uuid).values_list("wallet_id", flat=True)
        yield "payment link", PaymentLink.objects.filter(pk=uuid).values_list("wallet_id", flat=True)
        yield "refund", RefundRequest.objects.filter(pk=uuid).values_list("wallet_id", flat=True)


def _of_address(address: str) -> "Iterable[int]":
    users = User.objects.annotate(lower=Lower("email")).filter(lower=address.lower())
    return Membership.objects.filter(user__in=users).values_list("workspace_id", flat=True)[:FOUND_MAX]


def _by_stripe_id(text: str) -> Iterator[Way]:
    yield "payment", TopUp.objects.filter(Q(payment_intent_id=text) | Q(checkout_session_id=text)).values_list("wallet_id", flat=True)
    yield "refund", Refund.objects.filter(stripe_refund_id=text).values_list("wallet_id", flat=True)
    yield "dispute", Dispute.objects.filter(stripe_dispute_id=text).values_list("wallet_id", flat=True)
    yield "customer", Wallet.objects.filter(stripe_customer_id=text).values_list("pk", flat=True)
    yield "former customer", FormerCustomer.objects.filter(pk=text).values_list("wallet_id", flat=True)
    yield "card", Card.objects.filter(payment_method_id=text).values_list("wallet_id", flat=True)
    yield "card being connected", CardSetup.objects.filter(checkout_session_id=text).values_list("wallet_id", flat=True)
    yield "webhook", OutgoingEvent.objects.filter(pk=text, wallet__isnull=False).values_list("wallet_id", flat=True)
    for object_id in WebhookEvent.objects.filter(pk=text).values_list("object_id", flat=True):
        if _STRIPE_ID.fullmatch(object_id) and not object_id.startswith("evt_"):
            yield from ((f"event about a {words}", wallets) for words, wallets in _by_stripe_id(object_id))


def _by_workspace(text: str) -> Iterator[Way]:
    if len(text) >= PART_OF_NAME_LEAST and "@" not in text:
        yield "name", Workspace.objects.filter(name__icontains=text).order_by("-pk").values_list("pk", flat=True)[:FOUND_MAX]


def _by_use(text: str) -> Iterator[Way]:
    """The other side's number or the workspace's own, and events' ids."""
    numbers = numbers_meant(text)
    if numbers:
        yield "number", wallets_with_use("number", numbers, limit=FOUND_MAX)
        yield "own number", wallets_with_use("own_number", numbers, limit=FOUND_MAX)
    # An id may be all digits.
    yield "event", wallets_with_use("event_id", [text.rpartition(" ")[2]], limit=FOUND_MAX)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Everything that happened around one wallet, newest first: read from the rows that it left, nothing is kept for this page.

Each source is one index walk of a page's length; the pages are told apart by the last entry's time, source and key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from billing.kind_words import kind_name
from console.navigation import address_of
from usage.event_queries import provider_costs_of_rows
from usage.models import ProviderCost
from usage.numbers import readable_numbers
from wallet.decline_words import decline_words
from wallet.models import Card, CardSetup, Dispute, Hold, Notice, OutgoingEvent, PaymentLink, Refund, TopUp, Transfer, Wallet, WebhookEvent
from wallet.money import format_exact, format_money, plain_decimal
from wallet.services.customers import customers_of
from workspaces.activity import act_name
from workspaces.models import AuditEntry

PAGE_ENTRIES = 50
OBJECTS_MAX = 1_000
"""The newest payments, refunds, disputes and cards whose events from Stripe are looked for."""
GROUPS = {
    "money": "Money",
    "payments": "Payments",
    "stripe": "Stripe’s events",
    "mail": "E-mails",
    "webhooks": "Webhooks",
    "holds": "Open holds",
    "acts": "Who did what",
}


@dataclass(frozen=True)
class Entry:
    """One line. `tone` is ok, warn, danger or empty; `href` leads to the row behind it."""

    at: datetime
    source: str
    key: str
    group: str
    icon: str
    title: str
    text: str = ""
    amount: str = ""
    tone: str = ""
    href: str = ""

    @property
    def cursor(self) -> str:
        return f"{self.at.isoformat()}|{self.source}|{self.key}"


@dataclass(frozen=True)
class TimelinePage:
    """Entries, newest first; `next_before` asks for those after them, empty where there are no more."""

    entries: list[Entry]
    next_before: str


@dataclass(frozen=True)
class _Source:
    """Rows of one kind: which, by which time, by which key, and how one is told."""

    name: str
    group: str
    rows: Callable[[Wallet], "QuerySet[Any]"]
    time: str
    key: str
    tell: Callable[[Any, Wallet], dict[str, str]]


def timeline_page(wallet: Wallet, *, groups: Sequence[str] = (), before: str = "") -> TimelinePage:
    """One page of the groups, or of all, after the entry `before`; one that is not readable begins anew."""
    cursor = _read(before)
    sources = [source for source in _SOURCES if not groups or source.group in groups]
    walks = [_walk(source, wallet, cursor) for source in sources]
    newest = merge(*walks, key=lambda entry: entry.at, reverse=True)
    found = list(islice(newest, PAGE_ENTRIES + 1))
    page = found[:PAGE_ENTRIES]
    return TimelinePage(_with_costs(page, wallet), page[-1].cursor if len(found) > PAGE_ENTRIES else "")


def _with_costs(entries: Sequence[Entry], wallet: Wallet) -> list[Entry]:
    """Uses say what they cost the operator, where their provider has told it."""
    costs = provider_costs_of_rows(wallet, [int(entry.key) for entry in entries if entry.source == "transfer"])
    told = {str(seq): f" · the provider took {cost_words(cost)}" for seq, cost in costs.items()}
    return [replace(entry, text=entry.text + told.get(entry.key, "")) if entry.source == "transfer" else entry for entry in entries]


def cost_words(cost: ProviderCost) -> str:
    """In the provider's own currency, which need not be one that a wallet can have."""
    return f"{plain_decimal(cost.amount_micros)} {cost.currency.upper()}"


_Cursor = tuple[datetime, str, str]


def _read(before: str) -> _Cursor | None:
    at, _, rest = before.partition("|")
    source, _, key = rest.partition("|")
    try:
        moment = datetime.fromisoformat(at)
        # At either end of the calendar a moment has no time in other zones.
        is_moment = moment.tzinfo is not None and bool(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return None
    return (moment, source, key) if is_moment and source in _ORDER and key else None


def _walk(source: _Source, wallet: Wallet, cursor: _Cursor | None) -> list[Entry]:
    rows = source.rows(wallet)
    try:
        if cursor is not None:
            rows = rows.filter(_after(source, cursor))
        newest = list(rows.order_by(f"-{source.time}", f"-{source.key}")[: PAGE_ENTRIES + 1])
    except (ValidationError, ValueError):
        return []  # The key in the address is none of this table's.
    return [_entry(source, row, wallet) for row in newest]


def _after(source: _Source, cursor: _Cursor) -> Q:
    """At one moment the sources stand in their order; merge() keeps it, so no entry is shown twice or left out."""
    at, name, key = cursor
    older, same = Q(**{f"{source.time}__lt": at}), Q(**{source.time: at})
    if source.name == name:
        return older | (same & Q(**{f"{source.key}__lt": key}))
    return older | same if _ORDER[source.name] > _ORDER[name] else older


def _entry(source: _Source, row: Model, wallet: Wallet) -> Entry:
    told = source.tell(row, wallet)
    return Entry(at=getattr(row, source.time), source=source.name, key=str(getattr(row, source.key)), group=source.group, **told)


# ---------------------------------------------------------------- how each is told
def _transfer(row: Transfer, wallet: Wallet) -> dict[str, str]:
    amount = format_exact(row.change_micros, currency=wallet.currency, signed=True)
    after = format_exact(row.balance_after_micros, currency=wallet.currency)
    words = f"#{row.seq} · {kind_name(row.kind)} · balance after {after}"
    return {
        "icon": "receipt",
        "title": readable_numbers(row.description),
        "text": words,
        "amount": amount,
        "tone": "ok" if row.change_micros > 0 else "",
    }


def _top_up(row: TopUp, wallet: Wallet) -> dict[str, str]:
    amount = format_money(row.amount_micros, currency=wallet.currency)
    words = f"{row.get_status_display()}{f' · {row.card}' if row.card else ''}"
    href = address_of("admin:wallet_topup_change", row.pk)
    return {"icon": "card", "title": f"{row.get_origin_display()} top-up of {amount} asked for", "text": words, "href": href}


def _top_up_end(row: TopUp, wallet: Wallet) -> dict[str, str]:
    amount = format_money(row.amount_micros, currency=wallet.currency)
    title = f"Top-up of {amount} {row.get_status_display().lower()}"
    href = address_of("admin:wallet_topup_change", row.pk)
    if row.status == TopUp.Status.SUCCEEDED:
        return {"icon": "success", "title": title, "text": f"{row.paid_with} · receipt {row.receipt_number}", "tone": "ok", "href": href}
    codes = [code for code in (row.decline_code, row.advice_code, row.network_decline_code) if code]
    words = " ".join(filter(None, (decline_words(row.decline_code).what if row.decline_code else "", row.failure_message)))
    return {
        "icon": "alert",
        "title": title,
        "text": f"{' · '.join(codes)}{': ' if codes and words else ''}{words}",
        "tone": "danger",
        "href": href,
    }


def _refund(row: Refund, wallet: Wallet) -> dict[str, str]:
    amount = format_money(row.amount_micros, currency=wallet.currency)
    return {"icon": "refund", "title": f"Refund of {amount}", "text": f"{row.status} · {row.stripe_refund_id}",
            "href": address_of("admin:wallet_refund_change", row.pk)}  # fmt: skip


def _dispute(row: Dispute, wallet: Wallet) -> dict[str, str]:
    amount = format_money(row.amount_micros, currency=wallet.currency) if row.amount_micros else "another currency"
    words = " · ".join(filter(None, (row.status, row.reason, row.stripe_dispute_id, row.waits_because)))
    return {"icon": "dispute", "title": f"Dispute of {amount}", "text": words, "tone": "danger",
            "href": address_of("admin:wallet_dispute_change", row.pk)}  # fmt: skip


def _card(row: Card, wallet: Wallet) -> dict[str, str]:
    words = f"expires {row.expiry}{' · default' if row.is_default else ''}{' · backup' if row.is_backup else ''}"
    return {"icon": "card", "title": f"{row.label} connected", "text": words, "href": address_of("admin:wallet_card_change", row.pk)}


def _card_removed(row: Card, wallet: Wallet) -> dict[str, str]:
    return {"icon": "trash", "title": f"{row.label} removed", "href": address_of("admin:wallet_card_change", row.pk)}


def _link(row: PaymentLink, wallet: Wallet) -> dict[str, str]:
    what = f"to pay {format_money(row.amount_micros, currency=wallet.currency)}" if row.amount_micros else "to connect a card"
    state = "used" if row.used_at else "withdrawn" if row.withdrawn_at else f"open until {row.expires_at:%b %-d %Y, %H:%M} UTC"
    declines = f" · {row.declines} declined" if row.declines else ""
    return {"icon": "link", "title": f"Payment link {what}", "text": state + declines,
            "href": address_of("admin:wallet_paymentlink_change", row.pk)}  # fmt: skip


def _webhook(row: WebhookEvent, wallet: Wallet) -> dict[str, str]:
    tone = {"dead": "danger", "received": "warn"}.get(row.status, "")
    words = " · ".join(filter(None, (row.get_status_display(), row.stripe_event_id, row.last_error)))
    return {"icon": "arrow-down-left", "title": row.type, "text": words, "tone": tone,
            "href": address_of("admin:wallet_webhookevent_change", row.pk)}  # fmt: skip


def _notice(row: Notice, wallet: Wallet) -> dict[str, str]:
    state = "sent" if row.sent_at else "on its way" if row.next_attempt_at else f"given up after {row.attempts} tries"
    tone = "" if row.sent_at else "warn" if row.next_attempt_at else "danger"
    words = " · ".join(filter(None, (row.recipient, state, row.last_error)))
    return {"icon": "mail", "title": row.get_kind_display(), "text": words, "tone": tone,
            "href": address_of("admin:wallet_notice_change", row.pk)}  # fmt: skip


def _outgoing(row: OutgoingEvent, wallet: Wallet) -> dict[str, str]:
    deliveries = list(row.deliveries.all())
    failed = [delivery for delivery in deliveries if not delivery.is_delivered and not delivery.is_waiting]
    state = (
        f"{sum(delivery.is_delivered for delivery in deliveries)} of {len(deliveries)} delivered" if deliveries else "no endpoint listens"
    )
    return {"icon": "arrow-up-right", "title": row.get_type_display(), "text": f"{state} · {row.pk}", "tone": "danger" if failed else "",
            "href": address_of("admin:wallet_outgoingevent_change", row.pk)}  # fmt: skip


def _hold(row: Hold, wallet: Wallet) -> dict[str, str]:
    amount = format_exact(row.amount_micros, currency=wallet.currency)
    words = f"for a {row.get_purpose_display().lower()} · {row.reference} · until {row.expires_at:%b %-d %Y, %H:%M} UTC"
    return {"icon": "lock", "title": f"{amount} set aside", "text": words}


def _audit(row: AuditEntry, wallet: Wallet) -> dict[str, str]:
    who = f"{row.actor_label}{' (staff)' if row.is_staff_act else ''}"
    words = " · ".join(filter(None, (who, row.target, row.reason, row.address and f"from {row.address}")))
    return {"icon": "user", "title": act_name(row.action), "text": words,
            "href": address_of("admin:workspaces_auditentry_change", row.pk)}  # fmt: skip


# ---------------------------------------------------------------- where each stands
def _webhooks_of(wallet: Wallet) -> "QuerySet[WebhookEvent]":
    """By the ids of what they are about: an event from Stripe knows no wallet."""
    names = customers_of(wallet)
    for rows, column, order in (
        (TopUp.objects.filter(wallet=wallet), "payment_intent_id", "-created_at"),
        (TopUp.objects.filter(wallet=wallet), "checkout_session_id", "-created_at"),
        (CardSetup.objects.filter(wallet=wallet), "checkout_session_id", "-created_at"),
        (Refund.objects.filter(wallet=wallet), "stripe_refund_id", "-created_at"),
        (Dispute.objects.filter(wallet=wallet), "stripe_dispute_id", "-created_at"),
        (Card.objects.filter(wallet=wallet), "payment_method_id", "-connected_at"),
    ):
        names += [name for name in rows.order_by(order).values_list(column, flat=True)[:OBJECTS_MAX] if name]
    return WebhookEvent.objects.filter(object_id__in=names).defer("payload")


_SOURCES = (
    _Source("transfer", "money", lambda wallet: Transfer.objects.filter(wallet=wallet), "posted_at", "seq", _transfer),
    _Source(
        "top-up-end",
        "payments",
        lambda wallet: TopUp.objects.filter(wallet=wallet, resolved_at__isnull=False),
        "resolved_at",
        "id",
        _top_up_end,
    ),
    _Source("top-up", "payments", lambda wallet: TopUp.objects.filter(wallet=wallet).select_related("card"), "created_at", "id", _top_up),
    _Source("refund", "payments", lambda wallet: Refund.objects.filter(wallet=wallet), "created_at", "id", _refund),
    _Source("dispute", "payments", lambda wallet: Dispute.objects.filter(wallet=wallet), "created_at", "id", _dispute),
    _Source(
        "card-removed",
        "payments",
        lambda wallet: Card.objects.filter(wallet=wallet, removed_at__isnull=False),
        "removed_at",
        "id",
        _card_removed,
    ),
    _Source("card", "payments", lambda wallet: Card.objects.filter(wallet=wallet), "connected_at", "id", _card),
    _Source("link", "payments", lambda wallet: PaymentLink.objects.filter(wallet=wallet), "created_at", "id", _link),
    _Source("stripe", "stripe", _webhooks_of, "received_at", "stripe_event_id", _webhook),
    _Source("notice", "mail", lambda wallet: Notice.objects.filter(wallet=wallet), "created_at", "id", _notice),
    _Source(
        "outgoing",
        "webhooks",
        lambda wallet: OutgoingEvent.objects.filter(wallet=wallet).prefetch_related("deliveries"),
        "occurred_at",
        "id",
        _outgoing,
    ),
    _Source("hold", "holds", lambda wallet: Hold.objects.filter(wallet=wallet, status=Hold.Status.OPEN), "created_at", "id", _hold),
    _Source("audit", "acts", lambda wallet: AuditEntry.objects.filter(workspace_id=wallet.pk), "at", "id", _audit),
)
_ORDER = {source.name: number for number, source in enumerate(_SOURCES)}

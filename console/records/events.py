"""What was told: by Stripe, to people, to platforms, and what was kept aside. Payloads are shown without what identifies a payer."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.records.base import Record
from usage.models import KeptEvent
from wallet.models import Delivery, Notice, OutgoingEvent, WebhookEvent
from workspaces.staff import StaffRole, may_act

SHOWN = frozenset(
    {
        *("id", "object", "type", "created", "livemode", "api_version", "data", "status", "amount", "amount_received", "amount_refunded"),
        *("currency", "payment_intent", "payment_method", "payment_status", "customer", "charge", "mode", "reason", "metadata", "refunded"),
        *("disputed", "decline_code", "code", "last_payment_error", "outcome", "network_status", "seller_message", "expires_at"),
        *("cancellation_reason", "previous_attributes", "setup_intent", "balance_transactions", "net", "fee", "request", "idempotency_key"),
    }
)
"""What is known to name no person and no card. Whatever Stripe adds is left out until somebody has looked at it."""
LEFT_OUT = "…"
DEEP_MAX = 8


def redacted(value: Any, *, depth: int = 0) -> Any:
    """The payload with the keys above alone. Metadata is ours: the ids that we put there."""
    if depth > DEEP_MAX:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {key: redacted(part, depth=depth + 1) if key in SHOWN or _is_our_own(key) else LEFT_OUT for key, part in value.items()}
    if isinstance(value, list):
        return [redacted(part, depth=depth + 1) for part in value]
    return value


def _is_our_own(key: str) -> bool:
    return key in ("top_up", "top_up_id", "workspace", "wallet", "attempt", "card_setup", "refund_request")


def _as_json(value: Any) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False, default=str))


@admin.register(WebhookEvent)
class WebhookEventAdmin(Record):
    """The inbox. An event knows no wallet, so it is found by its own id and by what it is about."""

    list_display = ("received_at", "type", "object_id", "status", "attempts", "handled_at", "last_error")
    list_filter = ("status",)
    ordering = ("-received_at",)
    exact = ("pk", "object_id")
    wallet_column = ""
    search_help_text = "Its id, or the id of the payment, refund, dispute or session that it is about"
    hidden = ("payload",)
    extra = ("what_it_said",)

    @admin.display(description="Payload, without what names a person or card")
    def what_it_said(self, event: WebhookEvent) -> SafeString:
        return _as_json(redacted(event.payload))

    def get_queryset(self, request: HttpRequest) -> Any:
        # A list of payloads would be megabytes.
        rows = super().get_queryset(request)
        return rows if request.resolver_match and "object_id" in request.resolver_match.kwargs else rows.defer("payload")


@admin.register(Notice)
class NoticeAdmin(Record):
    """E-mails, and what became of them."""

    list_display = ("created_at", "kind", "recipient", "wallet", "sent_at", "attempts", "last_error")
    list_filter = ("kind", ("sent_at", admin.EmptyFieldListFilter))
    list_select_related = ("wallet__workspace",)
    ordering = ("-pk",)


@admin.register(OutgoingEvent)
class OutgoingEventAdmin(Record):
    """What there was to tell."""

    list_display = ("occurred_at", "type", "wallet", "id")
    list_filter = ("type",)
    list_select_related = ("wallet__workspace",)
    ordering = ("-occurred_at",)
    exact = ("pk",)


@admin.register(Delivery)
class DeliveryAdmin(Record):
    """How the telling went; of the platform's own endpoints for finance alone, as on their pages."""

    list_display = ("created_at", "event", "endpoint", "attempts", "last_status", "delivered_at", "next_attempt_at", "last_error")
    list_filter = (("delivered_at", admin.EmptyFieldListFilter),)
    list_select_related = ("event", "endpoint")
    ordering = ("-pk",)
    exact = ("event_id",)
    wallet_column = "event__wallet"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows if may_act(request.user, roles=[StaffRole.FINANCE]) else rows.filter(endpoint__workspace__isnull=False)


@admin.register(KeptEvent)
class KeptEventAdmin(Record):
    """All of them, resolved ones as well; one opens on its own page."""

    list_display = ("received_at", "code", "source", "event_id", "subject", "status", "resolved_at")
    list_filter = ("status", "code")
    ordering = ("-pk",)
    wallet_column = ""
    search_fields = ()

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:console_kept_event", kept_id=object_id)

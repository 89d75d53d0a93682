"""Money in and back: top-ups, refunds, disputes, promotions."""

from typing import Any

from django.contrib import admin

from console.records.base import Record, written
from wallet.models import Dispute, Promotion, Refund, TopUp


class _Amounts(Record):
    """Rows with one amount in their wallet's currency."""

    list_select_related = ("wallet__workspace",)
    hidden: tuple[str, ...] = ("amount_micros",)
    extra: tuple[str, ...] = ("amount",)

    @admin.display(description="Amount", ordering="amount_micros")
    def amount(self, row: Any) -> str:
        return written(row.amount_micros, row.wallet.currency)


@admin.register(TopUp)
class TopUpAdmin(_Amounts):
    """Each attempt, with the bank's own codes."""

    list_display = ("created_at", "wallet", "origin", "amount", "status", "decline_code", "paid_with", "receipt_number")
    list_filter = ("status", "origin")
    ordering = ("-created_at",)
    exact = ("receipt_number", "payment_intent_id", "checkout_session_id")
    exact_uuids = ("pk",)
    # Whoever holds the address of an open Checkout page is at the payer's place.
    hidden = ("amount_micros", "checkout_url")


@admin.register(Refund)
class RefundAdmin(_Amounts):
    """What went back, as Stripe tells it."""

    list_display = ("created_at", "wallet", "amount", "status", "reason", "stripe_refund_id")
    list_filter = ("status",)
    ordering = ("-pk",)
    exact = ("stripe_refund_id",)


@admin.register(Dispute)
class DisputeAdmin(_Amounts):
    """What payers' banks asked back."""

    list_display = ("created_at", "wallet", "amount", "status", "reason", "withdrawn", "reinstated", "closed_at")
    list_filter = ("status", ("closed_at", admin.EmptyFieldListFilter))
    ordering = ("-pk",)
    exact = ("stripe_dispute_id",)
    hidden = ("amount_micros", "withdrawn_micros", "reinstated_micros")
    extra = ("amount", "withdrawn", "reinstated")

    @admin.display(description="Taken")
    def withdrawn(self, dispute: Dispute) -> str:
        return written(dispute.withdrawn_micros, dispute.wallet.currency)

    @admin.display(description="Given back")
    def reinstated(self, dispute: Dispute) -> str:
        return written(dispute.reinstated_micros, dispute.wallet.currency)


@admin.register(Promotion)
class PromotionAdmin(_Amounts):
    """Credit that was given, and what is left of it."""

    list_display = ("created_at", "wallet", "amount", "remaining", "reason", "expires_at")
    ordering = ("-pk",)
    hidden = ("amount_micros", "remaining_micros")
    extra = ("amount", "remaining")

    @admin.display(description="Left")
    def remaining(self, promotion: Promotion) -> str:
        return written(promotion.remaining_micros, promotion.wallet.currency)

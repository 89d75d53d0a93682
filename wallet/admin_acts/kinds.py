"""The four kinds of proposal as the pages show them: what each is called, what there is to say of it, and what deciding it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from wallet.admin_acts.pages import amount_words
from wallet.models import Adjustment, PromotionGrant, Proposal, RefundRequest, WalletClosing
from wallet.services import second_person
from wallet.services.adjustments import approve_adjustment
from wallet.services.closing import approve_closing, continue_closing
from wallet.services.promotion_grants import approve_promotion
from wallet.services.refund_requests import approve_refund, reject_refund, withdraw_refund
from wallet.services.refund_sending import send_refund
from workspaces.models import User

Fact = tuple[str, str]
TIME_FORMAT = "%b %-d, %Y, %H:%M"


@dataclass(frozen=True, kw_only=True)
class Act:
    """`approve`, `reject` and `withdraw` take the proposal's id, who decides and why."""

    title: str
    url_name: str
    model: type[Proposal]
    facts: Callable[[Any], list[Fact]]
    approve: Callable[[UUID, User, str], Proposal]
    reject: Callable[[UUID, User, str], Proposal]
    withdraw: Callable[[UUID, User, str], Proposal]


def _adjustment_facts(adjustment: Adjustment) -> list[Fact]:
    below = "Yes, who asked has ticked it" if adjustment.may_go_below_zero else "No"
    return [("Words for the customer", adjustment.words), ("May go below zero", below)]


def _promotion_facts(grant: PromotionGrant) -> list[Fact]:
    ends = grant.expires_at
    zone = grant.wallet.workspace.zone
    lapses = f"{ends.astimezone(zone):{TIME_FORMAT}} ({zone})" if ends else "Never"
    return [("Words for the customer", grant.words), ("Lapses", lapses)]


def _refund_facts(request: RefundRequest) -> list[Fact]:
    facts = [("Top-up", f"{request.top_up.receipt_number} · {amount_words(request.wallet, request.top_up.amount_micros)}")]
    if request.override_reason:
        facts.append(("More than the unspent part, because", request.override_reason))
    if request.refund is not None:
        facts.append(("At Stripe", f"{request.refund.stripe_refund_id} · {request.refund.status}"))
    if request.failure_message:
        facts.append(("Why nothing went back", request.failure_message))
    return facts


def _closing_facts(closing: WalletClosing) -> list[Fact]:
    facts = [("Waits for", closing.waits_for)] if closing.waits_for else []
    facts += [
        (
            f"Refund of {request.top_up.receipt_number}",
            f"{amount_words(closing.wallet, request.amount_micros)} · {RefundRequest.Status(request.status).label}",
        )
        for request in closing.refund_requests.select_related("top_up").order_by("requested_at")
    ]
    if closing.left_micros is not None:
        facts.append(("Left in the wallet", amount_words(closing.wallet, closing.left_micros)))
    return facts


def _approve_and_send(request_id: UUID, by: User, reason: str) -> RefundRequest:
    approve_refund(request_id, by=by, reason=reason)
    return send_refund(request_id)


def _approve_and_close(closing_id: UUID, by: User, reason: str) -> WalletClosing:
    approve_closing(closing_id, by=by, reason=reason)
    return continue_closing(closing_id)


ACTS = {
    "adjustment": Act(
        title="Adjustment",
        url_name="console:adjustment",
        model=Adjustment,
        facts=_adjustment_facts,
        approve=lambda pk, by, reason: approve_adjustment(pk, by=by, reason=reason),
        reject=lambda pk, by, reason: second_person.reject(Adjustment, pk, by=by, reason=reason),
        withdraw=lambda pk, by, reason: second_person.withdraw(Adjustment, pk, by=by, reason=reason),
    ),
    "promotion": Act(
        title="Promotion",
        url_name="console:promotion",
        model=PromotionGrant,
        facts=_promotion_facts,
        approve=lambda pk, by, reason: approve_promotion(pk, by=by, reason=reason),
        reject=lambda pk, by, reason: second_person.reject(PromotionGrant, pk, by=by, reason=reason),
        withdraw=lambda pk, by, reason: second_person.withdraw(PromotionGrant, pk, by=by, reason=reason),
    ),
    "refund": Act(
        title="Refund",
        url_name="console:refund_request",
        model=RefundRequest,
        facts=_refund_facts,
        approve=_approve_and_send,
        reject=lambda pk, by, reason: reject_refund(pk, by=by, reason=reason),
        withdraw=lambda pk, by, reason: withdraw_refund(pk, by=by, reason=reason),
    ),
    "closing": Act(
        title="Closing",
        url_name="console:closing",
        model=WalletClosing,
        facts=_closing_facts,
        approve=_approve_and_close,
        reject=lambda pk, by, reason: second_person.reject(WalletClosing, pk, by=by, reason=reason),
        withdraw=lambda pk, by, reason: second_person.withdraw(WalletClosing, pk, by=by, reason=reason),
    ),
}
"""By what the audit log calls them."""

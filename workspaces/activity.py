"""The audit log in words, for the people whose workspace it is: who did what, when and from where. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from workspaces.models import AuditEntry, Workspace

ROWS_PER_PAGE = 50
VALUE_CHARACTERS_MAX = 80

ACTIONS = {
    "adjustment.approved": "Balance adjusted",
    "adjustment.posted": "Balance adjusted",
    "adjustment.rejected": "Adjustment rejected",
    "adjustment.requested": "Adjustment asked for",
    "adjustment.withdrawn": "Adjustment withdrawn",
    "api_key.made": "API key made",
    "api_key.revoked": "API key revoked",
    "automatic_payments.changed": "Automatic payments changed",
    "automatic_payments.switched_off": "Automatic payments switched off",
    "automatic_payments.switched_on": "Automatic payments switched on",
    "automatic_payments.tried_again": "Automatic payment tried again",
    "card.connected": "Card connected",
    "card.made_backup": "Card made the backup",
    "card.made_default": "Card made the default",
    "card.removed": "Card removed",
    "closing.approved": "Closing of the wallet approved",
    "closing.grew": "Closing of the wallet waits for a second approval",
    "closing.done": "Wallet closed and its money given back",
    "closing.rejected": "Closing of the wallet rejected",
    "closing.requested": "Closing of the wallet asked for",
    "closing.withdrawn": "Closing of the wallet withdrawn",
    "customer.deleted": "Saved cards lost: they were deleted at Stripe",
    "export.made": "Export made",
    "invitation.accepted": "Invitation accepted",
    "invitation.withdrawn": "Invitation withdrawn",
    "kept_event.replayed": "Use charged that could not be before",
    "member.invited": "Member invited",
    "member.left": "Member left",
    "member.removed": "Member removed",
    "member.role_changed": "Role changed",
    "payment_link.made": "Payment link made",
    "payment_link.resent": "Payment link mailed again",
    "payment_link.withdrawn": "Payment link withdrawn",
    "promotion.approved": "Promotion granted",
    "promotion.granted": "Promotion granted",
    "promotion.rejected": "Promotion rejected",
    "promotion.requested": "Promotion asked for",
    "promotion.withdrawn": "Promotion withdrawn",
    "refund.approved": "Refund approved",
    "refund.given_up": "Refund given up",
    "refund.rejected": "Refund rejected",
    "refund.requested": "Refund asked for",
    "refund.withdrawn": "Refund withdrawn",
    "top_up.requested": "Balance added with a saved card",
    "top_up.review_closed": "Top-up closed after a review",
    "dispute.booked": "Dispute booked in the wallet’s currency",
    "wallet.closed": "Wallet closed",
    "webhook_endpoint.added": "Webhook added",
    "webhook_endpoint.changed": "Webhook changed",
    "webhook_endpoint.removed": "Webhook removed",
    "webhook_endpoint.secret_revealed": "Signing secret of a webhook shown",
    "webhook_endpoint.secret_rotated": "Signing secret of a webhook replaced",
    "webhook_endpoint.sent_again": "Webhook messages sent again",
    "webhook_endpoint.switched_off": "Webhook switched off",
    "webhook_endpoint.switched_on": "Webhook switched on",
    "webhook_endpoint.tested": "Webhook tested",
    "wallet.frozen": "Wallet frozen",
    "wallet.unfrozen": "Wallet unfrozen",
    "workspace.made": "Workspace made",
    "workspace.renamed": "Workspace renamed",
    "workspace.time_zone_changed": "Time zone changed",
}


@dataclass(frozen=True)
class Act:
    """One line of the page. Of the operator's people, the customer learns that it was them, not who."""

    entry: AuditEntry
    what: str
    who: str
    details: list[str]


@dataclass(frozen=True)
class ActivityPage:
    """Acts, newest first; `next_before` asks for those after them, None where there are no more."""

    acts: list[Act]
    next_before: int | None


def activity_of(workspace: Workspace, *, before: int | None = None) -> ActivityPage:
    """One page of what was done in the workspace."""
    entries = AuditEntry.objects.filter(workspace=workspace).order_by("-at", "-pk")
    if before is not None:
        last = entries.filter(pk=before).first()
        # Written at one moment, in the order of their keys: later ones may have been begun before, so the time comes first.
        entries = entries.filter(at__lte=last.at).exclude(at=last.at, pk__gte=last.pk) if last else entries.none()
    found = list(entries[: ROWS_PER_PAGE + 1])
    page = found[:ROWS_PER_PAGE]
    return ActivityPage([_act(entry) for entry in page], page[-1].pk if len(found) > ROWS_PER_PAGE else None)


def act_name(action: str) -> str:
    """What was done, as people say it."""
    return ACTIONS.get(action, action.replace(".", ": ").replace("_", " ").capitalize())


def _act(entry: AuditEntry) -> Act:
    who = "The operator" if entry.is_staff_act else entry.actor_label
    return Act(entry, act_name(entry.action), who, _details(entry))


def _details(entry: AuditEntry) -> list[str]:
    """What changed, as before → after; values alone where there was nothing before."""
    names: Sequence[str] = sorted({*entry.before, *entry.after})
    changes = [(name, entry.before.get(name), entry.after.get(name)) for name in names]
    return [_change(name, before, after) for name, before, after in changes if (before or after) and before != after]


def _change(name: str, before: object, after: object) -> str:
    label = name.removesuffix("_micros").replace("_", " ")
    if before is None or after is None:
        return f"{label}: {_value(name, after if before is None else before)}"
    return f"{label}: {_value(name, before)} → {_value(name, after)}"


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)[:VALUE_CHARACTERS_MAX] or "none"
    if name.endswith("_micros") and isinstance(value, int):
        whole, rest = divmod(abs(value), 1_000_000)
        return f"{'−' if value < 0 else ''}{whole:,}.{rest:06d}".rstrip("0").rstrip(".")
    return str(value)[:VALUE_CHARACTERS_MAX]

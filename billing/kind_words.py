"""What people call the kinds of transfer, the wallet's own and those of use: one of them, or several. Words only."""

from usage.kinds import UsageKind
from wallet.models import Kind

_ONE: dict[str, str] = {**{kind.value: kind.label for kind in Kind}, **{kind.value: kind.label for kind in UsageKind}}
_MANY: dict[str, str] = {
    Kind.TOP_UP: "Top-ups",
    Kind.AUTOMATIC_PAYMENT: "Automatic payments",
    Kind.REFUND: "Refunds",
    Kind.REFUND_FAILED: "Refunds failed",
    Kind.DISPUTE: "Disputes",
    Kind.DISPUTE_WON: "Disputes won",
    Kind.DISPUTE_LOST: "Disputes lost",
    Kind.PROMOTION: "Promotions",
    Kind.PROMOTION_EXPIRED: "Promotions expired",
    Kind.ADJUSTMENT: "Adjustments",
    UsageKind.CALL_OUT: "Outbound calls",
    UsageKind.CALL_IN: "Inbound calls",
    UsageKind.MESSAGE_OUT: "Text messages",
    UsageKind.MESSAGE_IN: "Inbound messages",
    UsageKind.AI_TASK: "AI tasks",
}


def kind_name(kind: str, *, count: int = 1) -> str:
    """`Outbound call`, or `Outbound calls` where there is not just one; a kind that is not known, as it is written."""
    return (_ONE if count == 1 else _MANY).get(kind, kind)

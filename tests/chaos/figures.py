"""What a run says of itself: how much happened, and how much of it went wrong."""

import re
from collections import Counter

from tests.chaos.cast import DOLLAR, Cast
from tests.chaos.reporter import Reporter
from tests.chaos.world import World
from wallet.models import Notice, Origin, TopUp, Transfer, WebhookEvent

ALERT = re.compile(r'"event": "([a-z_]+)"[^\n]*"logger": "wallet\.alerts"')
RAISED = re.compile(r"^([A-Za-z_.]+(?:Error|Exception|Lost|Deadlock\w*))\b", re.MULTILINE)


def figures_of(world: World, cast: Cast, reporter: Reporter) -> dict[str, object]:
    """Name and number, in the order in which they are told."""
    state, counts = world.sandbox.state(), cast.tally.counts
    intents, succeeded = state["payment_intents"], TopUp.objects.filter(status="succeeded")
    automatic = Counter(TopUp.objects.filter(origin=Origin.AUTOMATIC).values_list("status", flat=True))
    paid = [intent for intent in intents if intent["status"] == "succeeded"]
    figures: dict[str, object] = {
        "cycles": counts["cycles"],
        **{name: counts[name] for name in sorted(counts) if name.startswith(("killed", "flushed", "Stripe:", "days"))},
        "requests to Stripe": len(state["requests"]),
        "… that failed, were lost or refused": sum(_went_wrong(request) for request in state["requests"]),
        "webhooks sent": sum(delivery["state"] == "delivered" for delivery in state["deliveries"]),
        "… attempts of them": sum(delivery["attempts"] for delivery in state["deliveries"]),
        "webhooks lost for good": sum(delivery["state"] == "lost" for delivery in state["deliveries"]),
        "webhook events kept": WebhookEvent.objects.count(),
        **{name: counts[name] for name in sorted(counts) if name.startswith("reports")},
        "events accepted": len(reporter.accepted),
        "used, dollars": round(reporter.spent_dollars, 2),
        **{f"automatic payments {status}": number for status, number in sorted(automatic.items())},
        "caps reached": Notice.objects.filter(kind=Notice.Kind.CAP_REACHED).count(),
        "top-ups by hand succeeded": succeeded.filter(origin=Origin.MANUAL).count(),
        "payment links paid": succeeded.filter(origin=Origin.PAYMENT_LINK).count(),
        **{name: counts[name] for name in ("try again pressed", "switched off and on", "cards connected", "people hindered")},
        "payments that succeeded at Stripe": len(paid),
        "credits in the ledger": Transfer.objects.filter(debit="stripe").count(),
        "credited, dollars": sum(row.amount_micros for row in Transfer.objects.filter(debit="stripe")) / DOLLAR,
        **{f"alert: {name}": number for name, number in sorted(_in_logs(world, ALERT).items())},
        **{f"raised in a process: {name}": number for name, number in sorted(_in_logs(world, RAISED).items())},
        "looks at caps and open charges": counts["looks at caps and open charges"],
        "seconds to start": counts["seconds to start"],
        "seconds to heal": counts["seconds to heal"],
        "laws broken": len(cast.tally.faults),
    }
    return figures


def printed(figures: dict[str, object]) -> str:
    """A table."""
    return "\n".join(
        f"  {name:<44}{value:>14,}" if isinstance(value, int | float) else f"  {name:<44}{value}" for name, value in figures.items()
    )


def _went_wrong(request: dict[str, object]) -> bool:
    status = request["status"]
    return not isinstance(status, int) or status == 0 or status >= 409


def _in_logs(world: World, pattern: "re.Pattern[str]") -> Counter[str]:
    found: Counter[str] = Counter()
    for log in world.state.folder("logs").glob("*.log*"):
        found.update(pattern.findall(log.read_text(errors="replace")))
    return found

"""What a run says of itself: how much happened, and how much of it went wrong."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.chaos.cast import DOLLAR, Cast
from tests.chaos.reporter import Reporter
from tests.chaos.world import World
from wallet.models import Notice, Origin, TopUp, Transfer, WebhookEvent

MAY_BE_TOLD = {"webhook_signature_refused"}
"""What the sandbox was asked to do. Whatever else the operator is called for in a storm is a fault of the product's."""
MAY_BE_RAISED = ("OperationalError(", "InterfaceError(", "SoftTimeLimitExceeded(", "WorkerLostError(")
"""What a task may end with while PostgreSQL is away or its own process is killed; its row stays, and the sweep comes back."""


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
        **{f"alert: {name}": number for name, number in sorted(_alerts(world).items())},
        "tasks that lost PostgreSQL": sum("raised unexpected" in str(line.get("event")) for line in _lines(world, "worker")),
        "looks at caps and open charges": counts["looks at caps and open charges"],
        "seconds to start": counts["seconds to start"],
        "seconds to heal": counts["seconds to heal"],
        "laws broken": len(cast.tally.faults),
    }
    return figures


def calls_for_help(world: World) -> list[str]:
    """Law 9: nobody has to be called. No money for a charge that we had given up, no dead event; and a 500 is always a bug."""
    faults = [f"the operator was told {name} {number} times" for name, number in _alerts(world).items() if name not in MAY_BE_TOLD]
    requests = [line for line in _lines(world, "web") if line.get("event") == "request" and line.get("status") == 500]
    faults += [f"{line['method']} {line['route']} was answered 500" for line in requests]
    raised = [str(line["event"]) for line in _lines(world, "worker") if "raised unexpected" in str(line.get("event"))]
    return [*faults, *(event[:300] for event in raised if not any(name in event for name in MAY_BE_RAISED))]


def printed(figures: dict[str, object]) -> str:
    """A table."""
    return "\n".join(
        f"  {name:<44}{value:>14,}" if isinstance(value, int | float) else f"  {name:<44}{value}" for name, value in figures.items()
    )


def _went_wrong(request: dict[str, object]) -> bool:
    status = request["status"]
    return not isinstance(status, int) or status == 0 or status >= 409


def _alerts(world: World) -> Counter[str]:
    return Counter(str(line["event"]) for line in _lines(world, "w") if line.get("logger") == "wallet.alerts")


def _lines(world: World, name: str) -> Iterator[dict[str, Any]]:
    """What the processes whose names begin so have logged; what is no JSON is PostgreSQL's or Celery's own."""
    for log in sorted(world.state.folder("logs").glob(f"{name}*.log*")):
        with log.open(errors="replace") as lines:
            for line in lines:
                if line.startswith("{"):
                    with suppress(json.JSONDecodeError):
                        yield json.loads(line)

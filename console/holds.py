"""The holds of one wallet that ended, newest first: what each was for, how it ended, and what was charged under it after that.

Reads only; each page is one walk of an index, and two statements for what belongs to its rows.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from usage.models import HoldTerms
from usage.numbers import readable_numbers
from usage.queries import charged_under_holds
from wallet.models import Hold, Wallet

ENDED_SHOWN = 100


@dataclass(frozen=True)
class EndedHold:
    """`late_micros` was charged for its use beyond the capture: after it had ended, or by another meter."""

    hold: Hold
    was_for: str
    late_micros: int


@dataclass(frozen=True)
class EndedPage:
    """Some of them; `next_before` asks for those after these, empty where there are no more."""

    rows: list[EndedHold]
    next_before: str


def ended_holds(wallet: Wallet, *, before: str = "") -> EndedPage:
    """One page after the hold `before`; one that is not readable begins anew."""
    holds = Hold.objects.filter(wallet=wallet, resolved_at__isnull=False)
    found = list(_after(holds, before).order_by("-resolved_at", "-id")[: ENDED_SHOWN + 1])
    shown = found[:ENDED_SHOWN]
    ids = [hold.id for hold in shown]
    terms = {one.hold_id: one for one in HoldTerms.objects.filter(wallet=wallet, hold_id__in=ids).select_related("meter")}
    charged = charged_under_holds(wallet, ids)
    rows = [EndedHold(hold, _words(hold, terms.get(hold.id)), charged.get(hold.id, 0) - hold.captured_micros) for hold in shown]
    return EndedPage(rows, _cursor(shown[-1]) if len(found) > ENDED_SHOWN else "")


def _words(hold: Hold, terms: HoldTerms | None) -> str:
    if terms is None:
        return hold.get_purpose_display()
    return " · ".join(filter(None, (terms.meter.name, readable_numbers(terms.destination), terms.agent)))


def _cursor(hold: Hold) -> str:
    assert hold.resolved_at is not None, "Only holds that ended are listed here."
    return f"{hold.resolved_at.isoformat()}|{hold.id}"


def _after(holds: "QuerySet[Hold]", before: str) -> "QuerySet[Hold]":
    at, _, key = before.partition("|")
    try:
        # Moments at either end of the calendar have no time in other zones.
        moment, hold_id = datetime.fromisoformat(at).astimezone(UTC), UUID(key)
    except (ValueError, OverflowError):
        return holds
    # A batch of uses ends many at one moment. The first condition alone is what the index walks from.
    return holds.filter(Q(resolved_at__lte=moment) & (Q(resolved_at__lt=moment) | Q(id__lt=hold_id)))

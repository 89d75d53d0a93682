"""What must be so whatever happened, between Stripe's sandbox, the reports and our books. Each check answers what is wrong."""

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone

from usage.models import Event, KeptEvent
from wallet.models import AutomaticPayments, Notice, Origin, TopUp, Transfer, WebhookEvent
from wallet.models.top_ups import OPEN_STATUSES

CENT = 10_000
ONE_OPEN = "top_up_automatic_is_one_open_per_wallet"
Status = TopUp.Status


def payments_and_credits(intents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Law 4: the sandbox's succeeded payments and the ledger's credits, one to one, with the same amount for the same customer."""
    paid = [intent for intent in intents if intent["status"] == "succeeded"]
    rows = {row.payment_intent_id: row for row in TopUp.objects.filter(status=Status.SUCCEEDED).select_related("wallet")}
    booked = defaultdict(list)
    for transfer in Transfer.objects.filter(debit="stripe"):
        booked[transfer.reference].append(transfer.amount_micros)
    faults = [f"{top_up} was paid {times} times" for top_up, times in _times_paid(paid).items() if times > 1]
    for intent in paid:
        row = rows.pop(intent["id"], None)
        found = booked.pop(str(row.pk), []) if row else []
        expected = (intent["customer"], [intent["amount"] * CENT])
        if row is None or (row.wallet.stripe_customer_id, found) != expected:
            faults.append(f"{intent['id']} of {intent['amount'] / 100} is credited {found} by {row}")
    faults += [f"{row} has no payment at Stripe" for row in rows.values()]
    faults += [f"{reference} was credited {amounts} and never paid" for reference, amounts in booked.items()]
    return faults


def _times_paid(paid: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(intent["metadata"].get("top_up_id", intent["id"]) for intent in paid)


def caps(now: datetime | None = None) -> list[str]:
    """Law 6: what automatic payments have taken, or may be taking, in this day and month of UTC, against each owner's caps."""
    today = (now or timezone.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    counted = TopUp.objects.filter(origin=Origin.AUTOMATIC, status__in=(*OPEN_STATUSES, Status.SUCCEEDED))
    sums = counted.filter(created_at__gte=today.replace(day=1)).values("wallet_id")
    taken = sums.annotate(month=Sum("amount_micros"), today=Count("pk", filter=Q(created_at__gte=today)))
    rules = {rule.wallet_id: rule for rule in AutomaticPayments.objects.all()}
    faults = []
    for row in taken:
        rule = rules[row["wallet_id"]]
        if row["month"] > rule.monthly_cap_micros:
            faults.append(f"wallet {rule.wallet_id}: {row['month']} micros this month, the cap is {rule.monthly_cap_micros}")
        if row["today"] > rule.daily_charges_max:
            faults.append(f"wallet {rule.wallet_id}: {row['today']} charges today, the cap is {rule.daily_charges_max}")
    return faults


def one_open_each() -> list[str]:
    """Law 6: at most one open automatic charge per wallet; and the index that makes it so is whole."""
    several = TopUp.objects.filter(origin=Origin.AUTOMATIC, status__in=OPEN_STATUSES).values("wallet_id").annotate(count=Count("pk"))
    faults = [f"wallet {row['wallet_id']} has {row['count']} open charges" for row in several if row["count"] > 1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid AND indisunique FROM pg_index WHERE indexrelid = %s::regclass", [ONE_OPEN])
        if cursor.fetchone() != (True,):
            faults.append(f"{ONE_OPEN} is not valid")
    return faults


def events_and_charges(sent: Mapping[str, tuple[str, int]], accepted: set[str]) -> list[str]:
    """Laws 5 and 8: every accepted event is charged exactly once, at its price, in its wallet; and nothing else is."""
    charged = {
        row["event_id"]: (row["wallet__workspace__public_id"], row["amount_micros"])
        for row in Event.objects.values("event_id", "wallet__workspace__public_id", "amount_micros")
    }
    faults = [
        f"{event} was accepted and is charged {charged.get(event)}" for event in sorted(accepted) if charged.get(event) != sent[event]
    ]
    faults += [f"{event} was never reported" for event in charged.keys() - sent.keys()]
    transfers = Transfer.objects.filter(credit="usage_revenue")
    if transfers.count() != len(charged) or Event.objects.count() != len(charged):
        faults.append(f"{transfers.count()} charges and {Event.objects.count()} events of {len(charged)} ids")
    if taken := transfers.aggregate(sum=Sum("amount_micros"))["sum"] or 0:
        expected = sum(micros for _, micros in charged.values())
        faults += [f"{taken} micros charged, {expected} used"] if taken != expected else []
    faults += [f"{kept.event_id} was kept aside: {kept.reason}" for kept in KeptEvent.objects.all()]
    return faults


def unresolved() -> list[str]:
    """Law 9: after the storm nothing waits for ever: no charge without an outcome, no webhook that is not handled, no mail unsent."""
    open_charges = TopUp.objects.filter(status__in=OPEN_STATUSES).filter(Q(payment_link=None) | Q(status=Status.MANUAL_REVIEW))
    faults = [f"{top_up} has no outcome" for top_up in open_charges]
    waiting = WebhookEvent.objects.filter(status__in=(WebhookEvent.Status.RECEIVED, WebhookEvent.Status.DEAD))
    faults += [f"{event.type} is {event.status} after {event.attempts} tries: {event.last_error}" for event in waiting]
    if unsent := Notice.objects.filter(next_attempt_at__isnull=False).count():
        faults.append(f"{unsent} mails are not sent")
    return faults


def books() -> list[str]:
    """Laws 1 to 4, as the operator checks them."""
    said = io.StringIO()
    try:
        call_command("check_books", stdout=said, stderr=said)
    except (CommandError, SystemExit) as error:
        return [f"check_books: {error} {said.getvalue()[-600:]}"]
    return []

"""What pages, the gate and the API read of usage. Every query starts from one wallet; nothing here writes."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Sum

from usage.models import Budget, BudgetMonth, Event, HoldTerms, Meter, UsageDay
from wallet.models import Wallet
from wallet.queries import database_time
from workspaces.queries import key_prefixes_of

BUDGETS_SHOWN_MAX = 500


def units_this_month(wallet: Wallet, meter: Meter, *, now: datetime) -> int:
    """Billed units of the meter so far in the month of the workspace's zone, late ones too: what graduated tiers count from."""
    first_day = month_of(now, zone=wallet.workspace.zone)
    days = UsageDay.objects.filter(wallet=wallet, meter=meter, day__gte=first_day, day__lt=month_after(first_day))
    return days.aggregate(sum=Sum("billed_quantity"))["sum"] or 0


def budgets_of(wallet: Wallet) -> list[tuple[Budget, int]]:
    """The wallet's budgets, each with what was spent under it this month, in micros."""
    month = month_of(database_time(), zone=wallet.workspace.zone)
    spent = dict(BudgetMonth.objects.filter(wallet=wallet, month=month).values_list("budget_id", "spent_micros"))
    budgets = Budget.objects.filter(wallet=wallet).order_by("scope", "value")[:BUDGETS_SHOWN_MAX]
    return [(budget, spent.get(budget.pk, 0)) for budget in budgets]


def holds_out_of_reach(workspace_id: int, hold_ids: Collection[UUID]) -> set[UUID]:
    """Those of these holds that no key of the workspace placed: the platform's own, and the Lab's.

    A customer may see them and not resolve them: the platform would be told that its use was paid for already.
    """
    terms = HoldTerms.objects.filter(wallet_id=workspace_id, hold_id__in=hold_ids)
    placed_by = dict(terms.values_list("hold_id", "api_key"))
    own = key_prefixes_of(workspace_id, set(placed_by.values()))
    return {hold_id for hold_id, prefix in placed_by.items() if prefix not in own}


def charged_under_holds(wallet: Wallet, hold_ids: Collection[UUID]) -> dict[UUID, int]:
    """What the uses of each of these holds cost, in micros, whenever they were reported; a hold without a use is left out."""
    events = Event.objects.filter(wallet=wallet, hold_id__in=hold_ids).order_by().values("hold_id").annotate(sum=Sum("amount_micros"))
    return {event["hold_id"]: int(event["sum"]) for event in events if event["hold_id"] is not None}


def month_of(moment: datetime, *, zone: ZoneInfo) -> date:
    """The first day of the month that it is then, there."""
    return moment.astimezone(zone).date().replace(day=1)


def month_after(first_day: date) -> date:
    """The first day of the next month."""
    return (first_day + timedelta(days=32)).replace(day=1)

"""What pages, the gate and the API read of usage. Every query starts from one wallet; nothing here writes."""

from datetime import date, datetime, timedelta

from django.db.models import Sum

from usage.models import Meter, UsageDay
from wallet.models import Wallet


def units_this_month(wallet: Wallet, meter: Meter, *, now: datetime) -> int:
    """Billed units of the meter so far in the month of the workspace's zone: what graduated tiers count from."""
    first_day = now.astimezone(wallet.workspace.zone).date().replace(day=1)
    days = UsageDay.objects.filter(wallet=wallet, meter=meter, is_late=False, day__gte=first_day, day__lt=month_after(first_day))
    return days.aggregate(sum=Sum("billed_quantity"))["sum"] or 0


def month_after(first_day: date) -> date:
    """The first day of the next month."""
    return (first_day + timedelta(days=32)).replace(day=1)

"""What pages read of the sums of each day. Every query starts from one wallet and a range of days; nothing here scans events."""

from dataclasses import dataclass
from datetime import date

from django.db.models import Sum

from usage.models import MeterKind, UsageDay
from wallet.models import Wallet


@dataclass(frozen=True, slots=True)
class DayUse:
    """One meter on one day of the workspace's zone; `is_late` sums uses of earlier months, which were closed."""

    day: date
    meter: str
    name: str
    unit: str
    kind: MeterKind
    is_late: bool
    events: int
    quantity: int
    amount_micros: int


def days_of_use(wallet: Wallet, *, since: date, until: date) -> list[DayUse]:
    """What was used on the days in [since, until), day by day; at most a row for each day, meter and lateness."""
    rows = (
        UsageDay.objects.filter(wallet=wallet, day__gte=since, day__lt=until)
        .order_by("day", "meter_id", "is_late")
        .values_list("day", "meter_id", "meter__name", "meter__unit", "meter__kind", "is_late", "events", "quantity", "amount_micros")
    )
    return [DayUse(day, meter, name, unit, MeterKind(kind), late, *sums) for day, meter, name, unit, kind, late, *sums in rows]


def first_day_of_use(wallet: Wallet) -> date | None:
    """The first day that anything was used on; None where nothing ever was."""
    return UsageDay.objects.filter(wallet=wallet).order_by("day").values_list("day", flat=True).first()


def spent_by_day(wallet: Wallet, *, since: date, until: date) -> dict[date, int]:
    """What the days in [since, until) cost, in micros, where anything was charged; late uses left out, as they tell of other days."""
    days = UsageDay.objects.filter(wallet=wallet, day__gte=since, day__lt=until, is_late=False, amount_micros__gt=0)
    return dict(days.values_list("day").annotate(sum=Sum("amount_micros")).order_by("day"))

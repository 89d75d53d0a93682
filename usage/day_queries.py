"""What pages, and what watches over use, read of the sums of each day, by wallet and a range of days; nothing here scans events."""

from collections import defaultdict
from collections.abc import Sequence
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


def wallets_used(*, since: date, until: date) -> list[int]:
    """The wallets that were charged anything on the days in [since, until)."""
    days = UsageDay.objects.filter(day__gte=since, day__lt=until, is_late=False, amount_micros__gt=0)
    return list(days.values_list("wallet_id", flat=True).distinct().order_by("wallet_id"))


def spent_by_wallet(wallet_ids: Sequence[int], *, since: date, until: date) -> dict[int, dict[date, int]]:
    """spent_by_day of each of these wallets, in one query."""
    days = UsageDay.objects.filter(wallet_id__in=wallet_ids, day__gte=since, day__lt=until, is_late=False, amount_micros__gt=0)
    spent: dict[int, dict[date, int]] = defaultdict(dict)
    for wallet_id, day, micros in days.values_list("wallet_id", "day").annotate(sum=Sum("amount_micros")).order_by():
        spent[wallet_id][day] = micros
    return spent

"""Budgets: caps on what one agent, number or API key may spend in a month. Everything here runs under the wallet's lock."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import or_

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from usage import ingest
from usage.errors import BudgetReached
from usage.ingest import BudgetKey, EventRow
from usage.models import Budget, BudgetMonth, Event, HoldTerms
from usage.queries import month_of
from wallet.ledger import lock_wallet
from wallet.models import Hold, Wallet

Scoped = Mapping[str, str]
"""What a use runs on, by the column of Event and HoldTerms: {"agent": …, "own_number": …, "api_key": …}; empty has no budget."""

NO_SCOPE: Scoped = {"agent": "", "own_number": "", "api_key": ""}
COLUMNS = {Budget.Scope.AGENT: "agent", Budget.Scope.NUMBER: "own_number", Budget.Scope.API_KEY: "api_key"}


@dataclass(frozen=True)
class Room:
    """What is left of the tightest budget that a use runs on, open holds counted."""

    budget: Budget
    spent_micros: int

    @property
    def left_micros(self) -> int:
        return self.budget.monthly_cap_micros - self.spent_micros

    def refusal(self) -> BudgetReached:
        """The no to a use that needs more than is left."""
        return BudgetReached(
            self.budget.scope, value=self.budget.value, cap_micros=self.budget.monthly_cap_micros, spent_micros=self.spent_micros
        )


# ---------------------------------------------------------------- setting them
@transaction.atomic
def set_budget(wallet: Wallet, *, scope: Budget.Scope, value: str, monthly_cap_micros: int) -> Budget:
    """Cap what runs on that agent, number or key in each month; a cap that stands is changed. What this month has spent already counts.

    Locks: wallet. Idempotent.
    """
    lock_wallet(wallet.pk)
    month = month_of(timezone.now(), zone=wallet.workspace.zone)
    budget, is_new = Budget.objects.update_or_create(
        wallet=wallet,
        scope=scope,
        value=value,
        defaults={"monthly_cap_micros": monthly_cap_micros},
        create_defaults={"monthly_cap_micros": monthly_cap_micros, "counts_from": month},
    )
    if is_new:
        ingest.add_to_budgets(_spent_since(budget))
    return budget


@transaction.atomic
def remove_budget(wallet: Wallet, *, scope: Budget.Scope, value: str) -> bool:
    """Lift the cap; True where there was one. Locks: wallet."""
    lock_wallet(wallet.pk)
    count, _ = Budget.objects.filter(wallet=wallet, scope=scope, value=value).delete()
    return count > 0


def _spent_since(budget: Budget) -> dict[BudgetKey, int]:
    events = Event.objects.filter(
        wallet_id=budget.wallet_id, day__gte=budget.counts_from, **{COLUMNS[Budget.Scope(budget.scope)]: budget.value}
    )
    sums: dict[BudgetKey, int] = defaultdict(int)
    for day, amount_micros in events.values_list("day").annotate(Sum("amount_micros")):
        sums[budget.wallet_id, budget.pk, day.replace(day=1)] += amount_micros
    return sums


# ---------------------------------------------------------------- holding to them
def tightest_room(wallet: Wallet, *, scoped: Scoped, now: datetime) -> Room | None:
    """The budget with the least left of those that the use runs on; None where it runs on none."""
    matching = [Q(scope=scope, value=scoped[column]) for scope, column in COLUMNS.items() if scoped[column]]
    if not matching:
        return None
    month = month_of(now, zone=wallet.workspace.zone)
    budgets = Budget.objects.filter(reduce(or_, matching), wallet=wallet)
    return min(
        (Room(budget, _spent(budget, month=month) + _held(budget)) for budget in budgets), key=lambda room: room.left_micros, default=None
    )


def spend_budgets(rows: Sequence[EventRow]) -> None:
    """Add charged uses to the budgets they run on, full or not: what happened is charged. They count on the day that they are booked on."""
    standing = Budget.objects.filter(wallet_id__in={row.wallet_id for row in rows})
    budgets = {(one.wallet_id, COLUMNS[Budget.Scope(one.scope)], one.value): one for one in standing}
    if not budgets:
        return
    sums: dict[BudgetKey, int] = defaultdict(int)
    for row in rows:
        for column in COLUMNS.values():
            budget = budgets.get((row.wallet_id, column, getattr(row, column)))
            if budget is not None and row.day >= budget.counts_from:
                sums[row.wallet_id, budget.pk, row.day.replace(day=1)] += row.amount_micros
    ingest.add_to_budgets(sums)


def _spent(budget: Budget, *, month: date) -> int:
    return BudgetMonth.objects.filter(wallet_id=budget.wallet_id, budget=budget, month=month).aggregate(sum=Sum("spent_micros"))["sum"] or 0


def _held(budget: Budget) -> int:
    """What open holds have set aside for it. Few are open at a time, so they come first and their terms are looked up."""
    holds = dict(Hold.objects.filter(wallet_id=budget.wallet_id, status=Hold.Status.OPEN).values_list("id", "amount_micros"))
    terms = HoldTerms.objects.filter(wallet_id=budget.wallet_id, hold_id__in=holds, **{COLUMNS[Budget.Scope(budget.scope)]: budget.value})
    return sum(holds[hold_id] for hold_id in terms.values_list("hold_id", flat=True))

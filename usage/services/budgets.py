"""Budgets: caps on what one agent, number or API key may spend in a month. Everything here runs under the wallet's lock."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Sum

from usage import ingest
from usage.errors import BudgetReached
from usage.models import Budget, BudgetMonth, HoldTerms
from usage.services.measuring import Use
from wallet.models import Hold, Wallet

Scoped = Mapping[str, str]
"""What a use runs on, by scope: {"agent": …, "own_number": …, "api_key": …}; what is empty has no budget."""

_FIELDS = {Budget.Scope.AGENT: "agent", Budget.Scope.NUMBER: "own_number", Budget.Scope.API_KEY: "api_key"}


def check_budgets(wallet: Wallet, *, scoped: Scoped, amount_micros: int, now: datetime, zone: ZoneInfo) -> None:
    """Raises BudgetReached where a hold of that amount would pass a budget of what it runs on, open holds counted."""
    for budget in Budget.objects.filter(wallet=wallet):
        if scoped.get(_FIELDS[Budget.Scope(budget.scope)]) != budget.value:
            continue
        spent_micros = _spent(budget, month=_month(now, zone)) + _held(budget)
        if spent_micros + amount_micros > budget.monthly_cap_micros:
            raise BudgetReached(budget.scope, value=budget.value, cap_micros=budget.monthly_cap_micros, spent_micros=spent_micros)


def spend_budgets(charged: Sequence[tuple[Use, int]], *, api_key: str) -> None:
    """Add charged uses, each with its amount in micros, to the budgets they run on, full or not: what happened is charged."""
    wallet_ids = {use.wallet_id for use, _ in charged}
    budgets = {(one.wallet_id, one.scope, one.value): one.pk for one in Budget.objects.filter(wallet_id__in=wallet_ids)}
    if not budgets:
        return
    sums: dict[tuple[int, int, date], int] = defaultdict(int)
    for use, amount_micros in charged:
        month = _month(use.happened_at, use.zone)
        scoped = ((Budget.Scope.AGENT, use.event.data.agent), (Budget.Scope.NUMBER, use.own_number), (Budget.Scope.API_KEY, api_key))
        for scope, value in scoped:
            budget_id = budgets.get((use.wallet_id, scope, value))
            if budget_id is not None:
                sums[(use.wallet_id, budget_id, month)] += amount_micros
    ingest.add_to_budgets(sums)


def _spent(budget: Budget, *, month: date) -> int:
    return BudgetMonth.objects.filter(budget=budget, month=month).aggregate(sum=Sum("spent_micros"))["sum"] or 0


def _held(budget: Budget) -> int:
    terms = HoldTerms.objects.filter(wallet_id=budget.wallet_id, **{_FIELDS[Budget.Scope(budget.scope)]: budget.value})
    holds = Hold.objects.filter(wallet_id=budget.wallet_id, status=Hold.Status.OPEN, id__in=terms.values("hold_id"))
    return holds.aggregate(sum=Sum("amount_micros"))["sum"] or 0


def _month(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date().replace(day=1)

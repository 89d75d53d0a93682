"""Budgets: what one agent, number or API key may spend in a month. A key that only places holds cannot raise its own."""

from typing import Annotated

from ninja import Schema
from pydantic import Field

from usage.api.common import BODY, own_number_of, router
from usage.models import Budget
from usage.queries import budgets_of
from usage.services.budgets import remove_budget, set_budget
from wallet.api import wallet_of
from wallet.models import Wallet
from workspaces.api.authentication import ApiRequest
from workspaces.api.fields import MICROS_MAX, Body, Micros, Subject, Text
from workspaces.api.operations import operation
from workspaces.models import Scope


class BudgetIn(Body):
    """A cap for each month from now on, or none."""

    scope: Annotated[Budget.Scope, Field(description="What it is a budget of.")]
    value: Annotated[
        Text,
        Field(
            min_length=1,
            max_length=100,
            description="The agent's name, the number in E.164, or how the key begins.",
            examples=["Sales agent"],
        ),
    ]
    monthly_cap_micros: Annotated[
        int | None, Field(strict=True, ge=0, le=MICROS_MAX, description="In micros; null lifts it.", examples=[50_000_000])
    ]


class BudgetOut(Schema):
    """A cap, and what was spent under it in this month of the workspace's zone."""

    scope: Budget.Scope
    value: str
    monthly_cap_micros: Micros
    spent_micros: Micros


class BudgetsOut(Schema):
    """All budgets of a wallet."""

    data: list[BudgetOut]


@router.get("/wallets/{subject}/budgets", **operation(Scope.WALLET_READ, {200: BudgetsOut}, refuses=("not_found",)), summary="List budgets")
def list_budgets(request: ApiRequest, subject: Subject) -> BudgetsOut:
    """What is capped, and how much of it this month has used."""
    return _budgets_out(wallet_of(request, subject))


@router.put(
    "/wallets/{subject}/budgets",
    **operation(Scope.WALLET_WRITE, {200: BudgetsOut}, refuses=("not_found", *BODY)),
    summary="Set or lift a budget",
)
def put_budget(request: ApiRequest, subject: Subject, body: BudgetIn) -> BudgetsOut:
    """Cap what runs on an agent, a number or an API key, from this month on. What this month has spent already counts."""
    wallet = wallet_of(request, subject)
    value = own_number_of(body.value) if body.scope is Budget.Scope.NUMBER else body.value
    if body.monthly_cap_micros is None:
        remove_budget(wallet, scope=body.scope, value=value)
    else:
        set_budget(wallet, scope=body.scope, value=value, monthly_cap_micros=body.monthly_cap_micros)
    return _budgets_out(wallet)


def _budgets_out(wallet: Wallet) -> BudgetsOut:
    return BudgetsOut(
        data=[
            BudgetOut(
                scope=Budget.Scope(budget.scope),
                value=budget.value,
                monthly_cap_micros=budget.monthly_cap_micros,
                spent_micros=spent_micros,
            )
            for budget, spent_micros in budgets_of(wallet)
        ]
    )

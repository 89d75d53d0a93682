"""The tables of usage. Facts and constraints only; what happens to them stands in services/."""

from usage.models.costs import ProviderCost
from usage.models.events import Event, KeptEvent, UsageDay
from usage.models.holds import Budget, BudgetMonth, HoldTerms
from usage.models.lab import LabMessage, LabRun
from usage.models.prices import Meter, MeterKind, PriceVersion, Rate, RateCard

__all__ = [
    "Budget",
    "BudgetMonth",
    "Event",
    "HoldTerms",
    "KeptEvent",
    "LabMessage",
    "LabRun",
    "Meter",
    "MeterKind",
    "PriceVersion",
    "ProviderCost",
    "Rate",
    "RateCard",
    "UsageDay",
]

"""What a hold was placed for, and the budgets that limit holds."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from usage.models.prices import Meter, Rate
from wallet.models import Wallet


class HoldTerms(models.Model):
    """The use that a hold of the wallet was placed for, with the rate that its money was counted at."""

    pk = models.CompositePrimaryKey("wallet_id", "hold_id")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+", db_index=False)
    hold_id = models.UUIDField(help_text="The wallet's hold of the same id.")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+", db_index=False)
    rate = models.ForeignKey(Rate, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    destination = models.CharField(max_length=32, blank=True)
    agent = models.CharField(max_length=100, blank=True)
    own_number = models.CharField(max_length=32, blank=True, help_text="The workspace's own number that the use runs on.")
    api_key = models.CharField(max_length=64, blank=True, help_text="The public part of the key that placed it.")
    held_quantity = models.BigIntegerField(help_text="How much use the hold pays for.")
    used_this_month = models.BigIntegerField(default=0, help_text="Billed units of the month when it was placed, where the rate has tiers.")
    max_quantity = models.BigIntegerField(help_text="How much use all available money paid for when it was placed.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(held_quantity__gte=0), name="hold_terms_quantity_is_not_negative")]

    def __str__(self) -> str:
        return f"{self.meter_id} under hold {self.hold_id}"


class Budget(models.Model):
    """A cap on what one agent, number or API key may spend in a month of the workspace's zone, holds included."""

    class Scope(models.TextChoices):
        AGENT = "agent", "Agent"
        NUMBER = "number", "Number"
        API_KEY = "api_key", "API key"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="budgets")
    scope = models.CharField(max_length=7, choices=Scope)
    value = models.CharField(max_length=100, help_text="The agent's name, the number in E.164, or the key's public part.")
    monthly_cap_micros = models.BigIntegerField()
    counts_from = models.DateField(
        db_default=Now(), help_text="The first day of the month it was set in; what was used before does not count."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "scope", "value"], name="budget_is_one_per_scope_and_value"),
            models.CheckConstraint(condition=Q(monthly_cap_micros__gte=0), name="budget_cap_is_not_negative"),
            models.CheckConstraint(condition=~Q(value=""), name="budget_names_something"),
        ]

    def __str__(self) -> str:
        return f"budget of {self.scope} {self.value}"


class BudgetMonth(models.Model):
    """What was spent under a budget in one month of booking; written with each charge, under the wallet's lock."""

    pk = models.CompositePrimaryKey("wallet_id", "budget_id", "month")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+", db_index=False)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="months", db_index=False)
    month = models.DateField(help_text="Its first day.")
    spent_micros = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.budget_id} in {self.month}"

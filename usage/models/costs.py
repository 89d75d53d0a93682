"""What providers say that a use costs the operator. A memo: no price, balance or charge ever depends on it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ProviderCost(models.Model):
    """The cost of one event as its provider told it last, also of one that is kept aside. Written by usage.services.connectors.

    It stands apart from the event, whose row never changes: providers settle what they charge after they have reported the use.
    Never shown to customers: beside their price it is the operator's margin.
    """

    key = models.UUIDField(primary_key=True, help_text="That of the event: from source and id.")
    source = models.CharField(max_length=200)
    event_id = models.CharField(max_length=200)
    amount_micros = models.BigIntegerField(help_text="In the provider's currency, which need not be one that a wallet can have.")
    currency = models.CharField(max_length=3, help_text="ISO 4217, lower case.")
    told_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_micros__gte=0), name="provider_cost_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"

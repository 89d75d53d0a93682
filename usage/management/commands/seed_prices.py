"""`manage.py seed_prices`: the default meters and prices, where there are none. Safe to run at every start and upgrade."""

from typing import Any

from django.core.management import BaseCommand

from usage.services.default_prices import seed_default_prices


class Command(BaseCommand):
    """Idempotent: a second run finds nothing to do, and prices that somebody set are left alone."""

    help = "Adds the default meters and the default price list where they are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Says what was added."""
        added = seed_default_prices()
        self.stdout.write(f"Added {added.meters} meters, {added.cards} rate cards and {added.rates} rates.")

"""Has webhook events that were given up handled again. Acts through services.inbox alone."""

from typing import Any

from django.core.management import BaseCommand

from wallet.services.inbox import revive_dead_events


class Command(BaseCommand):
    help = "Has every webhook event that was given up handled again by the next sweep. Run it once the cause is mended."

    def handle(self, *args: Any, **options: Any) -> None:
        """Says how many there are."""
        self.stdout.write(f"{revive_dead_events()} webhook events will be handled again.")

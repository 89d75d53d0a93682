"""`manage.py seed_demo`: two made-up workspaces and three people to look at them as. Safe to run again."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.demo import demo_password, seed_demo
from usage.services.default_prices import seed_default_prices


class Command(BaseCommand):
    """Prints how to sign in."""

    help = "Adds the demo workspaces Northside Realty and Harbor Dental, where they are missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The one choice there is."""
        parser.add_argument("--password", help="for the people that are added; by default one that is this installation's own")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seeds and says so."""
        if settings.STRIPE_LIVE:
            raise CommandError("A live Stripe key is set: made-up customers have no place among real ones.")
        seed_default_prices()
        password = options["password"] or demo_password()
        people = seed_demo(password)
        if not people:
            self.stdout.write("  The demo's people are there already, with another password.")
            return
        self.stdout.write("  Sign in as")
        for person in people:
            self.stdout.write(f"    {person.email:<20}  {person.role.label}")
        self.stdout.write(f"  with the password {password}")

"""In place of Django's `flush`: the app's role may not TRUNCATE, so after a test its database is replaced by a fresh copy."""

from typing import Any

from django.core.management import BaseCommand
from django.db import connections

from tests import databases, servers


class Command(BaseCommand):
    """Called by Django after every test with real transactions."""

    # Passed by Django's tests to its own command; a fresh copy has no use for them.
    stealth_options = ("reset_sequences", "allow_cascade", "inhibit_post_migrate")
    help = "Replaces the database by a fresh copy of the test template."

    def add_arguments(self, parser: Any) -> None:
        """Those of Django's own command, as far as its tests pass them."""
        parser.add_argument("--database", default="default")
        parser.add_argument("--no-input", "--noinput", action="store_false", dest="interactive")

    def handle(self, *args: Any, **options: Any) -> None:
        """Closes this process's connections; whoever else is connected is disconnected by the server."""
        connections.close_all()
        provided = servers.provide()
        name = str(connections[options["database"]].settings_dict["NAME"])
        databases.make_copy(provided.admin_url, name=name, template=provided.template_name)

"""`manage.py create_platform_key`: a key that reaches every workspace, for the platform's own servers. Printed once."""

from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from workspaces import services
from workspaces.errors import WorkspaceError
from workspaces.models import Scope


class Command(BaseCommand):
    """Only who may run commands on the server can make such a key; pages never do."""

    help = "Makes an API key for all workspaces and prints its secret, which is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """What the key is for, what it may do, how long it lasts."""
        parser.add_argument("name", help="What it is for, as in 'call server'.")
        scopes = [scope.value for scope in Scope]
        parser.add_argument("--scope", action="append", choices=scopes, help="May be given several times. All of them unless named.")
        parser.add_argument("--days", type=int, help="How long it works. Until it is revoked unless given.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints the secret alone on standard output, so that it can be piped into a secret store, and the rest on standard error."""
        days: int | None = options["days"]
        try:
            made = services.create_api_key(
                None,
                name=options["name"],
                scopes=[Scope(scope) for scope in options["scope"] or Scope],
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
                created_by=None,
            )
        except WorkspaceError as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stderr.write(f"{made.api_key} may {', '.join(made.api_key.scopes)}. Revoke it in the console, under API keys.")
        self.stdout.write(made.secret)

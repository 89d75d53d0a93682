"""`manage.py prepare_database`: migrations as the owner, then the app's rights. Run it at every deploy, before the new code."""

from time import sleep
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connections

from wallet_billing import roles

# Two hosts that deploy at once wait for each other; the number only has to be ours.
_LOCK_KEY = 7_241_006_117
_ASKED_EVERY_SECONDS = 0.2


class Command(BaseCommand):
    """Idempotent: a second run finds nothing to do."""

    # The checks would import every page; what they say has nothing to do with tables, and the deployment runs them by themselves.
    requires_system_checks = ()
    help = "Applies the migrations as the owner's role and gives the app's role exactly the rights it needs."

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrates and grants under one lock. Raises CommandError with what to set."""
        self._demand_two_roles()
        try:
            self._wait_for_lock()
        except OperationalError as error:
            raise CommandError(f"The database cannot be reached as its owner ({str(error).strip()}): check DATABASE_OWNER_URL.") from error
        self._migrate(verbosity=options["verbosity"])
        self._grant()
        # The session ends with the command, and the lock with the session.
        connections[roles.OWNER].close()

    def _wait_for_lock(self) -> None:
        """Asks again and again: a statement that waits has a snapshot, and the indexes that the other builds concurrently wait for that."""
        with connections[roles.OWNER].cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_KEY])
                if cursor.fetchone()[0]:
                    return
                sleep(_ASKED_EVERY_SECONDS)

    def _demand_two_roles(self) -> None:
        if roles.OWNER not in connections.databases:
            raise CommandError(
                "Set DATABASE_OWNER_URL to the role that owns the tables: migrations run as that role, and the app must not be able to."
            )
        if roles.owner_role() == roles.app_role():
            raise CommandError(
                "DATABASE_URL and DATABASE_OWNER_URL name the same role: the app's role must not own the ledger. Give it one of its own."
            )

    def _migrate(self, *, verbosity: int) -> None:
        self.stdout.write(f"Applying migrations as {roles.owner_role()}.")
        call_command("migrate", database=roles.OWNER, interactive=False, verbosity=verbosity, stdout=self.stdout)

    def _grant(self) -> None:
        missing = roles.missing_append_only_tables()
        if missing:
            raise CommandError(f"APPEND_ONLY_TABLES names {', '.join(missing)}, which the database does not have: correct the setting.")
        roles.grant_app_its_rights()
        self.stdout.write(
            f"{roles.app_role()} may read and write every table, and only read and add to {', '.join(settings.APPEND_ONLY_TABLES)}."
        )

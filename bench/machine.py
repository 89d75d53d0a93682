"""The machine under test: PostgreSQL, Valkey and gunicorn started afresh, and the environment in which Django reads them.

PostgreSQL has the settings that docs/operations.md asks for on servers of one's own, and is durable.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from wallet_billing.local import product, static_files
from wallet_billing.local.account import server_account
from wallet_billing.local.console import Console
from wallet_billing.local.network import free_port
from wallet_billing.local.postgres import Postgres
from wallet_billing.local.services import DATABASE_NAME, Services, start_services
from wallet_billing.local.stack import Stack
from wallet_billing.local.state import StateDirectory

WEB_WORKERS = 2
SHARED_BUFFERS_MB_MAX = 4_096
CHECKPOINTS = "max_wal_size = 8GB\ncheckpoint_timeout = 15min\n"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it listens, and what of its database is no business of the product's role."""

    port: int
    services: Services

    def tidy_up(self) -> None:
        """What autovacuum and the checkpointer do by and by: statistics, visibility, and nothing left to be written."""
        self._as_superuser("VACUUM (ANALYZE)")
        self.checkpoint()

    def checkpoint(self) -> None:
        """Everything is written; each page that is touched from here on is logged as a whole once."""
        self._as_superuser("CHECKPOINT")

    def _as_superuser(self, statement: str) -> None:
        assert self.services.postgres is not None, "The bench starts a PostgreSQL of its own."
        connection = psycopg2.connect(self.services.postgres.superuser_url(database=DATABASE_NAME))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


@contextmanager
def running_machine(console: Console) -> Iterator[Machine]:
    """Durable servers (fsync on) and two web workers; everything is thrown away at the end."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as folder:
        Path(folder).chmod(0o711)  # As root, PostgreSQL runs as an account of its own and must reach its data.
        state = StateDirectory(Path(folder))
        state.open()
        _configure(state)
        services = start_services(state, given={}, console=console)
        os.environ.update(_environment(services, port=port, mail=state.folder("mail")))
        stack = Stack(state=state, environment=os.environ, console=console)
        try:
            stack.manage("prepare_database", doing="Preparing the tables", extra={"DATABASE_OWNER_URL": services.database_owner_url})
            stack.manage("seed_prices", doing="Setting the default prices")
            static_files.collect(stack)
            stack.start(product.web(host="127.0.0.1", port=port, workers=WEB_WORKERS))
            stack.wait_until_ready(f"http://127.0.0.1:{port}/readyz")
            yield Machine(port=port, services=services)
        finally:
            stack.stop()
            services.stop()
            state.close()


def shared_buffers_mb() -> int:
    """A quarter of the memory, as PostgreSQL's own manual begins with."""
    return min(SHARED_BUFFERS_MB_MAX, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // 2**20)


def _configure(state: StateDirectory) -> None:
    """Make the data directory before the launcher finds it, with settings for many rows."""
    account = server_account()
    password = state.secrets().superuser_password
    postgres = Postgres(home=state.server_home(account=account), password=password, log_path=state.log_path("postgres"), account=account)
    postgres.prepare()
    with (postgres.data / "postgresql.conf").open("a") as configuration:
        configuration.write(f"shared_buffers = {shared_buffers_mb()}MB\n{CHECKPOINTS}")


def _environment(services: Services, *, port: int, mail: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "wallet_billing.settings",
        "SECRET_KEY": "only-for-measuring-and-long-enough-to-be-accepted-by-every-check",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": services.database_url,
        "REDIS_URL": services.redis_url,
        "STRIPE_SECRET_KEY": "sk_test_only_for_measuring",
        "STRIPE_WEBHOOK_SECRET": "whsec_only_for_measuring",
        "EMAIL_URL": f"filemail://{mail}",
    }

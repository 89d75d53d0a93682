"""The machine under test: PostgreSQL, Valkey and gunicorn started afresh, and the environment in which Django reads them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wallet_billing.local import product, static_files
from wallet_billing.local.console import Console
from wallet_billing.local.network import free_port
from wallet_billing.local.services import Services, start_services
from wallet_billing.local.stack import Stack
from wallet_billing.local.state import StateDirectory

WEB_WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it listens."""

    port: int
    services: Services


@contextmanager
def running_machine(console: Console) -> Iterator[Machine]:
    """Durable servers (fsync on) and two web workers; everything is thrown away at the end."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as folder:
        Path(folder).chmod(0o711)  # As root, PostgreSQL runs as an account of its own and must reach its data.
        state = StateDirectory(Path(folder))
        state.open()
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

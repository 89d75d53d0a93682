"""The real thing for browser and flow tests: gunicorn, a Celery worker and the Stripe sandbox as processes of their own.

They use a database and a queue of their own, so that a late webhook or a waiting task never reaches a test that runs without them.
"""

import email
import email.policy
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import redis

from stripe_sandbox.testing import TEST_WEBHOOK_SECRET, RunningSandbox, running_sandbox
from tests import databases, servers
from tests.environment import product_environment
from wallet_billing.local import product, static_files
from wallet_billing.local.console import Console
from wallet_billing.local.network import free_port
from wallet_billing.local.stack import Stack
from wallet_billing.local.state import StateDirectory

# Valkey has 64 numbered databases: the lower half is for tests in process, the upper for what runs beside them.
_FIRST_QUEUE = 32


@dataclass(frozen=True, kw_only=True)
class RunningStack:
    """What a test needs to know of it."""

    site_url: str
    sandbox: RunningSandbox
    database_name: str
    redis_url: str
    environment: dict[str, str]
    folder: Path
    processes: Stack

    def mails(self) -> list[EmailMessage]:
        """Every mail sent so far, oldest first."""
        paths = sorted((self.folder / "mail").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        parser_policy = email.policy.default
        texts = [part for path in paths for part in path.read_bytes().split(b"\n" + b"-" * 79 + b"\n") if part.strip()]
        return [email.message_from_bytes(text, policy=parser_policy) for text in texts]

    def manage(self, *arguments: str) -> str:
        """Runs a management command against this stack; what it printed."""
        return self.processes.manage(*arguments, doing="")

    def logs(self, name: str) -> str:
        """What the process has written so far: web or worker."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def reset(self) -> None:
        """A clean state: an empty database, an empty queue, no mail, a sandbox that remembers nothing."""
        self.sandbox.reset()
        client = redis.Redis.from_url(self.redis_url)
        client.flushdb()
        client.close()
        for mail in (self.folder / "mail").glob("*.log"):
            mail.unlink()
        provided = servers.provide()
        databases.make_copy(provided.admin_url, name=self.database_name, template=provided.template_name)


@contextmanager
def running_stack() -> Iterator[RunningStack]:
    """Starts all of it on free ports and stops it at the end."""
    port = free_port()
    webhook_url = f"http://127.0.0.1:{port}/webhooks/stripe"
    with tempfile.TemporaryDirectory(prefix="wallet-stack-") as folder, running_sandbox(webhook_url=webhook_url) as sandbox:
        state = StateDirectory(Path(folder))
        state.open()
        stack = _described(state, port=port, sandbox=sandbox)
        provided = servers.provide()
        databases.make_copy(provided.admin_url, name=stack.database_name, template=provided.template_name)
        try:
            _start(stack, port=port)
            yield stack
        finally:
            stack.processes.stop()
            databases.drop(provided.admin_url, name=stack.database_name)
            state.close()


def _described(state: StateDirectory, *, port: int, sandbox: RunningSandbox) -> RunningStack:
    provided = servers.provide()
    site_url = f"http://127.0.0.1:{port}"
    database_name = f"{servers.worker_database()}_stack"
    redis_url = servers.with_path(provided.redis_url, path=str(_FIRST_QUEUE + servers.worker_number()))
    environment = product_environment(
        database_url=provided.database_url(database_name), redis_url=redis_url, site_url=site_url, mail_folder=str(state.folder("mail"))
    )
    environment |= {
        "DJANGO_SETTINGS_MODULE": "wallet_billing.settings",
        "STRIPE_WEBHOOK_SECRET": TEST_WEBHOOK_SECRET,
        "STRIPE_API_BASE": sandbox.api_url,
        "STRIPE_CHECKOUT_ORIGIN": sandbox.checkout_url,
        # A test's own receiver listens on loopback.
        "WEBHOOKS_ALLOW_PRIVATE_TARGETS": "true",
    }
    return RunningStack(
        site_url=site_url,
        sandbox=sandbox,
        database_name=database_name,
        redis_url=redis_url,
        environment=environment,
        folder=state.path,
        processes=Stack(state=state, environment={**os.environ, **environment}, console=Console(quiet=True)),
    )


def _start(stack: RunningStack, *, port: int) -> None:
    static_files.collect(stack.processes)
    stack.processes.start(product.worker(concurrency=1))
    stack.processes.start(product.web(host="127.0.0.1", port=port, workers=1))
    stack.processes.wait_until_ready(f"{stack.site_url}/readyz")

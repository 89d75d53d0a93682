"""The product's own processes: their command lines and their environment. Used by the launcher, and by tests that run the real thing."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIVE_KEYS = ("sk_live_", "rk_live_")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where everything listens, and what people open."""

    host: str
    port: int
    site_url: str
    checkout_port: int
    checkout_url: str
    sandbox_port: int

    @property
    def is_on_loopback(self) -> bool:
        """Whether nobody else on the network can open the pages."""
        return self.host == "127.0.0.1"

    @property
    def webhook_url(self) -> str:
        """Where the sandbox delivers its events: always on loopback."""
        return f"http://127.0.0.1:{self.port}/webhooks/stripe"


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the product, in a form that `start_child` takes."""

    name: str
    command: list[str]


def web(*, host: str, port: int, workers: int = 2, threads: int = 4) -> Process:
    """gunicorn."""
    command = [sys.executable, "-m", "gunicorn", "-c", "python:wallet_billing.gunicorn_settings", "wallet_billing.wsgi"]
    command += ["--bind", f"{host}:{port}", "--workers", str(workers), "--threads", str(threads)]
    return Process(name="web", command=command)


def worker(*, concurrency: int = 2) -> Process:
    """The Celery worker."""
    command = [sys.executable, "-m", "celery", "-A", "wallet_billing", "worker", "--concurrency", str(concurrency), "--loglevel", "info"]
    return Process(name="worker", command=command)


def beat(state: Path) -> Process:
    """Celery beat; it keeps what it last sent in the state directory."""
    command = [sys.executable, "-m", "celery", "-A", "wallet_billing", "beat", "--pidfile=", "--loglevel", "info"]
    command += ["--schedule", str(state / "celerybeat-schedule")]
    return Process(name="beat", command=command)


def sandbox(addresses: Addresses, *, state: Path, webhook_secret: str, merchant: str) -> Process:
    """The Stripe sandbox: its API on loopback, its Checkout pages where people can open them."""
    command = [sys.executable, "-m", "stripe_sandbox", "--port", str(addresses.sandbox_port), "--state-dir", str(state)]
    command += [
        "--checkout-port",
        str(addresses.checkout_port),
        "--checkout-host",
        addresses.host,
        "--checkout-url",
        addresses.checkout_url,
    ]
    command += ["--webhook-url", addresses.webhook_url, "--webhook-secret", webhook_secret, "--merchant", merchant]
    return Process(name="stripe-sandbox", command=command)


def uses_sandbox(given: Mapping[str, str]) -> bool:
    """The sandbox stands in for Stripe exactly where no key of Stripe's is set."""
    return not given.get("STRIPE_SECRET_KEY")

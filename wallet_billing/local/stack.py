"""Starts everything in order, watches it, and stops it in the opposite order."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from wallet_billing.local import product
from wallet_billing.local.child import Child, start_child
from wallet_billing.local.console import Console
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.network import demand_free
from wallet_billing.local.product import ROOT, Addresses, Process
from wallet_billing.local.services import Services
from wallet_billing.local.state import StateDirectory

READY_SECONDS_MAX = 90
WATCH_SECONDS = 0.5
# How long each may take to finish what it is doing; the worker may be waiting for Stripe.
STOP_SECONDS = {"beat": 5.0, "web": 25.0, "worker": 30.0, "stripe-sandbox": 5.0}


def product_variables(addresses: Addresses, *, services: Services, state: StateDirectory, given: Mapping[str, str]) -> dict[str, str]:
    """The product's environment: what the caller has set wins, the state directory supplies the rest."""
    secrets = state.secrets()
    variables = {
        "SECRET_KEY": secrets.secret_key,
        "SITE_URL": addresses.site_url,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "EMAIL_URL": f"filemail://{state.folder('mail')}",
    }
    variables |= {name: value for name, value in given.items() if value}
    variables |= {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}
    # Only the preparation of the database may act as the owner.
    variables.pop("DATABASE_OWNER_URL", None)
    if product.uses_sandbox(given):
        # Nobody's money is behind it: a first look at the console takes no authenticator app.
        variables.setdefault("STAFF_SECOND_FACTOR", "false")
        variables |= {
            # The sandbox opens its pages to the network only where it reads this very value.
            "LAN": "0" if addresses.is_on_loopback else "1",
            "STRIPE_SECRET_KEY": secrets.stripe_secret_key,
            "STRIPE_WEBHOOK_SECRET": secrets.stripe_webhook_secret,
            "STRIPE_API_BASE": f"http://127.0.0.1:{addresses.sandbox_port}",
            "STRIPE_CHECKOUT_ORIGIN": addresses.checkout_url,
        }
    return variables


def demand_ports(addresses: Addresses, *, with_sandbox: bool) -> None:
    """Raises LaunchError for the first port that is taken, before anything has been started."""
    how = "stop what listens there, or choose others with make run PORT=…"
    demand_free(addresses.port, host=addresses.host, what="the pages", how=how)
    if with_sandbox:
        demand_free(addresses.checkout_port, host=addresses.host, what="the Stripe sandbox's Checkout", how=how)
        demand_free(addresses.sandbox_port, host="127.0.0.1", what="the Stripe sandbox's API", how=how)


class Stack:
    """The processes of the product, in the order in which they were started."""

    def __init__(self, *, state: StateDirectory, environment: Mapping[str, str], console: Console) -> None:
        self._state = state
        self._environment = dict(environment)
        self._console = console
        self._children: list[Child] = []

    def manage(self, *arguments: str, doing: str, extra: Mapping[str, str] | None = None) -> str:
        """Runs a management command to its end and returns what it printed. Raises LaunchError with its last words."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        with self._console.step(doing):
            done = subprocess.run(command, cwd=ROOT, env=self._environment | dict(extra or {}), check=False, capture_output=True, text=True)
            if done.returncode != 0:
                log_path = self._state.log_path(arguments[0])
                log_path.write_text(done.stdout + done.stderr)
                raise LaunchError(f"{_last_line(done.stderr or done.stdout)}\nAll of it is in {log_path}")
        return done.stdout

    def start(self, process: Process) -> None:
        """Starts one process; its output goes to a log in the state directory."""
        log_path = self._state.log_path(process.name)
        self._children.append(
            start_child(process.name, command=process.command, log_path=log_path, environment=self._environment, folder=ROOT)
        )

    def wait_until_ready(self, url: str) -> None:
        """Waits until the address answers below 500. Raises LaunchError if a process ends or the wait is over."""
        give_up_at = time.monotonic() + READY_SECONDS_MAX
        answer = "nothing"
        while time.monotonic() < give_up_at:
            self.demand_all_running()
            try:
                answer = ask(url)
            except OSError:
                time.sleep(0.1)
                continue
            if not answer.startswith("5"):
                return
            time.sleep(0.2)
        raise LaunchError(
            f"{url} was not ready after {READY_SECONDS_MAX} seconds and last answered {answer}; see {self._state.folder('logs')}"
        )

    def demand_all_running(self) -> None:
        """Raises LaunchError with the last words of a process that has ended."""
        for child in self._children:
            if not child.is_running():
                raise LaunchError(f"{child.name} has stopped; the end of {child.log_path}:\n{child.last_words()}")

    def watch(self, also: list[Child]) -> None:
        """Returns never; raises LaunchError when anything ends by itself."""
        while True:
            self.demand_all_running()
            for server in also:
                if not server.is_running():
                    raise LaunchError(f"{server.name} has stopped; the end of {server.log_path}:\n{server.last_words()}")
            time.sleep(WATCH_SECONDS)

    def stop(self) -> None:
        """Stops all, the last started first. Each gets time to finish what it has begun."""
        while self._children:
            child = self._children.pop()
            with self._console.step(f"Stopping {child.name}"):
                child.stop(patience_seconds=STOP_SECONDS.get(child.name, 10.0))

    def kill(self) -> None:
        """Ends all at once, for the second Ctrl-C."""
        for child in self._children:
            child.kill()
        self._children.clear()


def ask(url: str) -> str:
    """The status of a GET, as text. Raises OSError if nobody answers."""
    assert urlsplit(url).scheme == "http", "only our own processes are asked"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- the scheme is checked above
            return str(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read(500).decode(errors='replace')}"


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "It did not say why."

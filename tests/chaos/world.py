"""The world of the chaos test: PostgreSQL, Valkey, Stripe's sandbox, web, two workers and beat, each of which can be killed and come back.

Started from the main thread alone: the kernel ends a child when the thread that made it ends.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from stripe_sandbox.testing import TEST_WEBHOOK_SECRET, RunningSandbox, running_sandbox
from tests.environment import product_environment
from wallet_billing.local import binaries, product, static_files
from wallet_billing.local.account import server_account
from wallet_billing.local.child import Child, start_child
from wallet_billing.local.console import Console
from wallet_billing.local.databases import APP_ROLE, OWNER_ROLE, ensure_database
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.postgres import Postgres
from wallet_billing.local.product import ROOT
from wallet_billing.local.stack import Stack
from wallet_billing.local.state import StateDirectory
from wallet_billing.local.valkey import Valkey

WORKERS = 2
STARTS_MAX = 20
DATABASE = "wallet"


@dataclass
class World:
    """Where everything is. `processes` are the product's own, by name."""

    state: StateDirectory
    postgres: Postgres
    valkey: Valkey
    sandbox: RunningSandbox
    environment: dict[str, str]
    web_port: int
    processes: dict[str, Child] = field(default_factory=dict)

    @property
    def site_url(self) -> str:
        """Where the pages and the API are."""
        return f"http://127.0.0.1:{self.web_port}"

    # ---------------------------------------------------------------- the product's processes
    def commands(self) -> dict[str, list[str]]:
        """Every process of the product, as the Procfile has them."""
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A", "wallet_billing"]
        web = product.web(host="127.0.0.1", port=self.web_port, workers=1, threads=8).command
        workers = {
            f"worker-{number}": [*celery, "worker", "--concurrency", "2", "--loglevel", "warning", "-n", f"worker{number}@%h"]
            for number in range(WORKERS)
        }
        schedule = str(self.state.path / "schedule")
        return {**workers, "web": web, "beat": [*celery, "beat", "--pidfile=", "--loglevel", "warning", "--schedule", schedule]}

    def start(self, name: str) -> None:
        """Start one of the product's processes (again)."""
        environment = {**os.environ, **self.environment}
        log_path = self.state.log_path(name)
        self.processes[name] = start_child(name, command=self.commands()[name], log_path=log_path, environment=environment, folder=ROOT)

    def kill(self, name: str) -> None:
        """SIGKILL to a process and everything that it has started."""
        _kill_with_descendants(self.processes[name])

    def kill_child_of(self, name: str, *, dice: random.Random) -> bool:
        """SIGKILL to one of the processes that it has forked; its parent starts another."""
        children = _descendants_of(self.processes[name])
        if children:
            _kill_all([dice.choice(children)])
        return bool(children)

    def revive(self) -> list[str]:
        """Start whatever of the product does not run; the names."""
        dead = [name for name, child in self.processes.items() if not child.is_running()]
        for name in dead:
            self.start(name)
        return dead

    def is_up(self, name: str) -> bool:
        """Whether it has started what does its work."""
        return name == "beat" or bool(_descendants_of(self.processes[name]))

    # ---------------------------------------------------------------- the servers
    def kill_postgres(self) -> None:
        """As if the machine had lost its power: every process of PostgreSQL's at once, and then it is started again."""
        _kill_with_descendants(self.postgres.child)
        _start_again(self.postgres)

    def kill_backend(self, *, dice: random.Random) -> bool:
        """SIGKILL to one session's process: PostgreSQL ends all sessions and recovers by itself."""
        sessions = [found for found in _descendants_of(self.postgres.child) if b"127.0.0.1" in _command(found.pid)]
        if sessions:
            _kill_all([dice.choice(sessions)])
        return bool(sessions)

    def kill_valkey(self) -> None:
        """What it had not written to its file is lost."""
        _kill_with_descendants(self.valkey.child)
        _start_again(self.valkey)


@contextmanager
def running_world() -> Iterator[World]:
    """Everything on free ports, in a folder that is thrown away; the environment of this process names it, so that Django can load."""
    web_port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="wallet-chaos-", ignore_cleanup_errors=True) as folder,
        running_sandbox(webhook_url=f"http://127.0.0.1:{web_port}/webhooks/stripe") as sandbox,
    ):
        Path(folder).chmod(0o711)
        state = StateDirectory(Path(folder))
        state.open()
        world = _described(state, sandbox=sandbox, web_port=web_port)
        try:
            world.valkey.start()
            _prepare(world)
            yield world
        finally:
            for name in world.processes:
                world.kill(name)
            world.valkey.stop()
            world.postgres.stop()
            state.close()


def _described(state: StateDirectory, *, sandbox: RunningSandbox, web_port: int) -> World:
    account, secrets = server_account(), state.secrets()
    home = state.server_home(account=account)
    postgres = Postgres(
        home=home, password=secrets.superuser_password, log_path=state.log_path("postgres"), account=account, port=free_port()
    )
    valkey = Valkey(home=home, password=secrets.valkey_password, log_path=state.log_path("valkey"), account=account, port=free_port())
    environment = product_environment(
        database_url=postgres.url(role=APP_ROLE, password=secrets.app_password, database=DATABASE),
        redis_url=valkey.url(),
        site_url=f"http://127.0.0.1:{web_port}",
        mail_folder=str(state.folder("mail")),
    )
    environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "STRIPE_WEBHOOK_SECRET": TEST_WEBHOOK_SECRET,
        "STRIPE_API_BASE": sandbox.api_url,
        "STRIPE_CHECKOUT_ORIGIN": sandbox.checkout_url,
        # One proxy, so that each payer can have an address of their own.
        "TRUSTED_PROXY_COUNT": "1",
        "AUTOMATIC_CHARGES_PER_HOUR_MAX": "1000000",
    }
    return World(state, postgres, valkey, sandbox, environment, web_port)


def _prepare(world: World) -> None:
    """Makes the tables as a deployment does."""
    secrets, postgres = world.state.secrets(), world.postgres
    postgres.prepare()
    # Killed processes leave what they wrote to the kernel: only a machine without power needs fsync, and none is switched off here.
    with (postgres.data / "postgresql.conf").open("a") as configuration:
        configuration.write("\nfsync = off\n")
    postgres.start()
    ensure_database(postgres, name=DATABASE, secrets=secrets)
    os.environ.update(world.environment)
    owner_url = postgres.url(role=OWNER_ROLE, password=secrets.owner_password, database=DATABASE)
    stack = Stack(state=world.state, environment=os.environ, console=Console(quiet=True))
    if made := os.environ.get("CHAOS_TABLES_OF"):
        _copy_tables(made, postgres=postgres, folder=world.state.path)
    else:
        stack.manage("prepare_database", doing="", extra={"DATABASE_OWNER_URL": owner_url})
    static_files.collect(stack)


def _copy_tables(made: str, *, postgres: Postgres, folder: Path) -> None:
    """The tables and rights of a database where they were prepared before: a second instead of ten."""
    programs, dump = binaries.postgres_bin(postgres.home, account=postgres.account), str(folder / "tables.dump")
    subprocess.run([str(programs / "pg_dump"), "--format=custom", "--file", dump, made], check=True)
    subprocess.run([str(programs / "pg_restore"), "--dbname", postgres.superuser_url(database=DATABASE), dump], check=True)


def wait_until_ready(world: World) -> None:
    """Starts the product and waits until it can do its work."""
    for name in world.commands():
        world.start(name)
    stack = Stack(state=world.state, environment=os.environ, console=Console(quiet=True))
    stack.wait_until_ready(f"{world.site_url}/readyz")
    while not all(world.is_up(name) for name in world.processes):
        time.sleep(0.1)


def free_port() -> int:
    """A port that no client is ever given by chance: who looks for a server that is down must not meet themselves."""
    while True:
        port = random.randrange(12_000, 19_999)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True)
class Found:
    """A process as it was seen, with the one that started it."""

    pid: int
    parent: int


def _descendants_of(child: Child) -> list[Found]:
    """The processes that it has started, and theirs; none where it has ended, as its number may be another's by now."""
    if not child.is_running():
        return []
    parents = {int(entry.name): _parent(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found, looked_at = list[Found](), {child.process.pid}
    while looked_at:
        next_ones = [Found(pid, parent) for pid, parent in parents.items() if parent in looked_at]
        found, looked_at = [*found, *next_ones], {one.pid for one in next_ones}
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return -1


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill_with_descendants(child: Child) -> None:
    if child.is_running():
        _kill_all([*_descendants_of(child), Found(child.process.pid, os.getpid())])
        child.process.wait()


def _kill_all(victims: list[Found]) -> None:
    """SIGKILL, by handles and not by numbers: a number may be a stranger's before the signal is there."""
    handles = []
    for victim in victims:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(victim.pid)
            handles.append(handle)
            if _parent(victim.pid) != victim.parent:
                handles.remove(handle)
                os.close(handle)
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


def _start_again(server: Postgres | Valkey) -> None:
    """Its port or its memory may be held for a moment by what is still ending."""
    for _ in range(STARTS_MAX):
        try:
            return server.start()
        except LaunchError:
            time.sleep(0.2)
    raise LaunchError(f"{type(server).__name__} did not come back")

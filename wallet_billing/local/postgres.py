"""A PostgreSQL of our own: made on the first start, on loopback, with a password, as an unprivileged account."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from wallet_billing.local import binaries
from wallet_billing.local.account import Account, credentials, own_folder
from wallet_billing.local.child import Child, start_child, wait_until_gone, works_in
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.network import free_port
from wallet_billing.local.state import write_private

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
# What tests may lose: their data lives as long as they do.
NOT_DURABLE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass
class Postgres:
    """One server and its data directory below `home`."""

    home: Path
    password: str
    log_path: Path
    account: Account | None = None
    durable: bool = True
    port: int = 0
    _programs: Path = field(init=False, default=Path())
    _child: Child | None = field(init=False, default=None)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "postgres"

    def prepare(self) -> None:
        """Makes the data directory, or checks the one that is there. Raises LaunchError if this server cannot run it."""
        self._programs = binaries.postgres_bin(self.home, account=self.account)
        if not self.data.exists():
            self._initialize()
        self._demand_same_version()

    def start(self) -> None:
        """Starts the server and waits until it answers. A server left over from a killed launcher is stopped first."""
        self._end_leftover()
        # Started again after it was killed, it is where its clients look for it.
        self.port = self.port or free_port()
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=100"]
        command += [] if self.durable else NOT_DURABLE
        # SIGINT is PostgreSQL's fast shutdown: open sessions are ended and everything is written.
        self._child = start_child("postgres", command=command, log_path=self.log_path, account=self.account, stop_signal=signal.SIGINT)
        self._wait_until_ready(self._child)

    def stop(self) -> None:
        """Stops the server in good order."""
        if self._child is not None:
            self._child.stop(patience_seconds=STOP_SECONDS_MAX)
            self._child = None

    @property
    def child(self) -> Child:
        """The running process."""
        assert self._child is not None, "PostgreSQL has not been started"
        return self._child

    def url(self, *, role: str, password: str, database: str) -> str:
        """The address of a database for a role. Our passwords need no quoting: they are URL-safe."""
        return f"postgres://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def superuser_url(self, *, database: str = "postgres") -> str:
        """For setting up alone: the product never gets it."""
        return self.url(role="postgres", password=self.password, database=database)

    def _initialize(self) -> None:
        # Into a folder beside, renamed when whole: an initdb that was killed leaves nothing that looks like data.
        draft = self.data.with_name("postgres-new")
        shutil.rmtree(draft, ignore_errors=True)
        own_folder(draft, account=self.account)
        password_file = self.home / "postgres-password"
        write_private(password_file, text=self.password)
        if self.account is not None:
            os.chown(password_file, self.account.uid, self.account.gid)
        command = [str(self._programs / "initdb"), "-D", str(draft), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        command += ["-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--data-checksums"]
        command += [] if self.durable else ["--no-sync"]
        done = subprocess.run(command, cwd="/", check=False, capture_output=True, text=True, **credentials(self.account))
        password_file.unlink()
        if done.returncode != 0:
            raise LaunchError(f"PostgreSQL could not make its data directory {self.data}: {_last_line(done.stderr)}")
        draft.rename(self.data)

    def _demand_same_version(self) -> None:
        ours = subprocess.run(
            [str(self._programs / "postgres"), "--version"],
            cwd="/",
            check=True,
            capture_output=True,
            text=True,
            **credentials(self.account),
        )
        our_major = ours.stdout.split()[-1].split(".")[0]
        data_major = (self.data / "PG_VERSION").read_text().strip()
        if data_major != our_major:
            raise LaunchError(
                f"{self.data} was written by PostgreSQL {data_major} and this is PostgreSQL {our_major}: "
                f"dump it with the old version, or start afresh by moving that folder away."
            )

    def _end_leftover(self) -> None:
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split()[0])
        if works_in(pid, folder=self.data):
            os.kill(pid, signal.SIGINT)
            if not wait_until_gone(pid, timeout_seconds=STOP_SECONDS_MAX):
                raise LaunchError(f"A PostgreSQL left over from an earlier run does not stop: end process {pid} and start again.")
        # Its process is gone, or its number now belongs to another program, which PostgreSQL could mistake for a running server.
        pid_file.unlink(missing_ok=True)

    def _wait_until_ready(self, child: Child) -> None:
        give_up_at = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                psycopg2.connect(self.superuser_url(), connect_timeout=5).close()
                return
            except psycopg2.OperationalError as error:
                if not child.is_running() or time.monotonic() > give_up_at:
                    child.kill()
                    raise LaunchError(f"PostgreSQL did not start; the end of {self.log_path} says why:\n{child.last_words()}") from error
            time.sleep(0.05)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it did not say why."

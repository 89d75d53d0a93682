"""A Valkey of our own: the task queue and the rate limits of a first run, on loopback, with a password."""

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis

from wallet_billing.local import binaries
from wallet_billing.local.account import Account, own_folder
from wallet_billing.local.child import Child, start_child, wait_until_gone, works_in
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.network import free_port
from wallet_billing.local.state import write_private

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 15


@dataclass
class Valkey:
    """One server and its data directory below `home`."""

    home: Path
    password: str
    log_path: Path
    account: Account | None = None
    durable: bool = True
    port: int = 0
    _child: Child | None = field(init=False, default=None)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "valkey"

    def start(self) -> None:
        """Starts the server and waits until it answers. A server left over from a killed launcher is stopped first."""
        program = binaries.valkey_server(self.home, account=self.account)
        own_folder(self.data, account=self.account)
        self._end_leftover()
        # Started again after it was killed, it is where its clients look for it.
        self.port = self.port or free_port()
        command = [str(program), str(self._write_configuration())]
        self._child = start_child("valkey", command=command, log_path=self.log_path, account=self.account)
        self._wait_until_ready(self._child)

    def stop(self) -> None:
        """Stops the server in good order."""
        if self._child is not None:
            self._child.stop(patience_seconds=STOP_SECONDS_MAX)
            self._child = None

    @property
    def child(self) -> Child:
        """The running process."""
        assert self._child is not None, "Valkey has not been started"
        return self._child

    def url(self, *, number: int = 0) -> str:
        """The address of one of its numbered databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{number}"

    def _write_configuration(self) -> Path:
        # In a file: a password among the arguments would stand in the list of processes.
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {self.data}",
            f"pidfile {self.data}/valkey.pid",
            f"requirepass {self.password}",
        ]
        lines += ["maxmemory-policy noeviction", "databases 64", f"appendonly {'yes' if self.durable else 'no'}", 'save ""']
        path = self.data / "valkey.conf"
        write_private(path, text="\n".join(lines) + "\n")
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def _end_leftover(self) -> None:
        pid_file = self.data / "valkey.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().strip() or 0)
        if pid and works_in(pid, folder=self.data):
            os.kill(pid, signal.SIGTERM)
            if not wait_until_gone(pid, timeout_seconds=STOP_SECONDS_MAX):
                raise LaunchError(f"A Valkey left over from an earlier run does not stop: end process {pid} and start again.")
        pid_file.unlink(missing_ok=True)

    def _wait_until_ready(self, child: Child) -> None:
        client = redis.Redis.from_url(self.url(), socket_connect_timeout=5)
        give_up_at = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                client.ping()
                client.close()
                return
            except redis.RedisError as error:
                if not child.is_running() or time.monotonic() > give_up_at:
                    child.kill()
                    raise LaunchError(f"Valkey did not start; the end of {self.log_path} says why:\n{child.last_words()}") from error
            time.sleep(0.02)

"""Child processes that never outlive the launcher, however it dies."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from wallet_billing.local.account import Account, credentials

_PR_SET_PDEATHSIG = 1
# A longer log begins anew when its process is started again; the one before is kept.
LOG_BYTES_MAX = 10 * 1024 * 1024
# Loaded before any fork: between fork and exec nothing may be imported or allocated at leisure.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A started process with the signal that ends it in good order."""

    def __init__(self, name: str, *, process: subprocess.Popen[bytes], stop_signal: signal.Signals, log_path: Path) -> None:
        self.name = name
        self.process = process
        self.log_path = log_path
        self._stop_signal = stop_signal

    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Sends the stop signal; a process that is gone already is no fault."""
        if self.is_running():
            self.process.send_signal(self._stop_signal)

    def stop(self, *, patience_seconds: float) -> None:
        """Asks, waits, and after the patience ends the whole process group."""
        self.ask_to_stop()
        try:
            self.process.wait(timeout=patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends the process and the children it made, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, *, lines_max: int = 8) -> str:
        """The end of its log, for the sentence that says why it stopped."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-lines_max:])


def start_child(
    name: str,
    *,
    command: list[str],
    log_path: Path,
    environment: Mapping[str, str] | None = None,
    folder: str | Path = "/",
    account: Account | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Starts the command in a session of its own, its output appended to the log.

    Ctrl-C in the terminal reaches the launcher alone, which then stops its children in order; should the launcher be
    killed outright, the kernel sends the stop signal in its place. Call it from the main thread: the kernel watches
    the thread that made the child.
    """
    _turn_over(log_path)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,
            preexec_fn=_tether(stop_signal),  # noqa: PLW1509 -- one system call, prepared before the fork; started from the main thread
            **credentials(account),
        )
    return Child(name, process=process, stop_signal=stop_signal, log_path=log_path)


def _turn_over(log_path: Path) -> None:
    if log_path.exists() and log_path.stat().st_size > LOG_BYTES_MAX:
        log_path.replace(log_path.with_name(f"{log_path.name}.1"))


def wait_until_gone(pid: int, *, timeout_seconds: float) -> bool:
    """Waits for a process that is not our child; whether it went."""
    give_up_at = time.monotonic() + timeout_seconds
    while _is_alive(pid):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def _is_alive(pid: int) -> bool:
    try:
        # After the name in parentheses comes the state. Z has ended, and only waits for its parent to ask how.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def works_in(pid: int, *, folder: Path) -> bool:
    """Whether the process stands in the folder, as a server does in its data directory."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def _tether(stop_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def tie_to_parent() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        # The launcher may have died between the fork and the line above; then nobody would ever send the signal.
        if os.getppid() != parent:
            os._exit(1)

    return tie_to_parent

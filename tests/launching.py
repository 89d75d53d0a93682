"""Runs the launcher as a person would, in a state directory of its own, for the tests of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wallet_billing.local.product import ROOT
from wallet_billing.variables import VARIABLES

START_SECONDS_MAX = 200
STOP_SECONDS_MAX = 60


@dataclass(frozen=True)
class Finished:
    """How a launcher that ended by itself ended."""

    exit_code: int
    output: str


@dataclass
class Launcher:
    """A launcher that has started everything."""

    process: subprocess.Popen[str]
    output_path: Path

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.output_path.read_text()

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=STOP_SECONDS_MAX)

    def kill(self) -> None:
        """kill -9, which leaves it no moment to clean up."""
        self.process.kill()
        self.process.wait(timeout=STOP_SECONDS_MAX)


def clean_environment(state_dir: Path, **more: str) -> dict[str, str]:
    """The caller's environment without anything that the product or the launcher reads, and with the state directory."""
    product = {variable.name for variable in VARIABLES} | {"PORT", "LAN", "STATE_DIR", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in product}
    return {**kept, "STATE_DIR": str(state_dir), **more}


def launch_and_finish(*arguments: str, state_dir: Path, **more: str) -> Finished:
    """Starts a launcher that is expected to end by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "wallet_billing.local", *arguments],
        cwd=ROOT,
        env=clean_environment(state_dir, **more),
        check=False,
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
    )
    return Finished(exit_code=done.returncode, output=done.stdout + done.stderr)


@contextmanager
def launched(*arguments: str, state_dir: Path, until: str, **more: str) -> Iterator[Launcher]:
    """A launcher that has said `until`; killed at the end, should it still run."""
    output_path = state_dir.parent / f"{state_dir.name}-output.txt"
    with output_path.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "wallet_billing.local", *arguments],
            cwd=ROOT,
            env=clean_environment(state_dir, **more),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    launcher = Launcher(process=process, output_path=output_path)
    try:
        _wait_for(launcher, until=until)
        yield launcher
    finally:
        if process.poll() is None:
            launcher.stop()


def processes_in(folder: Path) -> list[int]:
    """The processes that name the folder on their command line or stand in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stands_in = str((entry / "cwd").readlink())
            command = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if str(folder) in command or stands_in.startswith(str(folder)):
            found.append(int(entry.name))
    return found


def three_free_ports() -> int:
    """The first of three ports in a row that nobody listens on."""
    for first in range(20_000 + os.getpid() % 5_000, 32_000, 3):
        sockets = [socket.socket() for _ in range(3)]
        try:
            for number, probe in enumerate(sockets):
                probe.bind(("127.0.0.1", first + number))
            return first
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
    raise AssertionError("no three free ports in a row")


def _wait_for(launcher: Launcher, *, until: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS_MAX
    while until not in launcher.output:
        assert launcher.process.poll() is None, f"the launcher ended early:\n{launcher.output}"
        assert time.monotonic() < give_up_at, f"the launcher is too slow:\n{launcher.output}"
        time.sleep(0.05)

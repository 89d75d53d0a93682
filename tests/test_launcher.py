"""`make run` as a person meets it: cold, warm, interrupted, and with everything in its way that can be."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launching import Finished, Launcher, launch_and_finish, launched, processes_in, three_free_ports
from tests.servers import quick_folder
from wallet_billing.local import binaries
from wallet_billing.local.account import credentials, server_account
from wallet_billing.local.console import Console
from wallet_billing.local.network import free_port
from wallet_billing.local.product import ROOT
from wallet_billing.local.services import Services, start_services
from wallet_billing.local.state import StateDirectory

SERVICES_UP = "PostgreSQL and Valkey are up"


pytestmark = pytest.mark.xdist_group("launcher")


@contextmanager
def folder_for_state() -> Iterator[Path]:
    """A folder that does not exist yet, in one that every account may walk through."""
    parent = Path(tempfile.mkdtemp(prefix="wallet-launch-", dir=quick_folder()))
    parent.chmod(0o711)
    yield parent / "state"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """One for this test alone."""
    with folder_for_state() as folder:
        yield folder


@dataclass(frozen=True)
class Up:
    """A launcher that runs while several tests look at it."""

    launcher: Launcher
    state_dir: Path


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """`make services`, running."""
    with folder_for_state() as folder, launched("services", state_dir=folder, until=SERVICES_UP) as launcher:
        yield Up(launcher=launcher, state_dir=folder)


@pytest.fixture
def stopped(state_dir: Path) -> StateDirectory:
    """A state directory whose servers have run once and were stopped."""
    state = StateDirectory(state_dir)
    with servers_of(state):
        pass
    return state


@contextmanager
def servers_of(state: StateDirectory) -> Iterator[Services]:
    """The servers as the launcher starts and stops them, without the product."""
    state.open()
    try:
        services = start_services(state, given={}, console=Console(quiet=True))
        yield services
        services.stop()
    finally:
        state.close()


def assert_one_sentence(output: str, *, saying: str) -> None:
    """The reason stands there, and no traceback."""
    assert saying in output
    assert "Traceback" not in output


def wait_until_empty(folder: Path) -> None:
    """Nothing that was started there runs any more."""
    give_up_at = time.monotonic() + 20
    while processes_in(folder):
        assert time.monotonic() < give_up_at, f"left running: {processes_in(folder)}"
        time.sleep(0.1)


@pytest.mark.timeout(600)
def test_it_starts_and_stops_everything_starts_warm_and_survives_a_kill(state_dir: Path) -> None:
    port = three_free_ports()
    with launched("run", state_dir=state_dir, until="Ctrl-C stops", PORT=str(port)) as first:
        with urllib.request.urlopen(f"http://localhost:{port}/accounts/login/") as page:
            assert page.status == 200
        assert f"Open http://localhost:{port}" in first.output
        assert str(state_dir / "mail") in first.output
        secrets = (state_dir / "secrets.json").read_text()
        made = in_shell(state_dir, code="from workspaces.models import User; User.objects.create(email='kept@example.com')")
        assert made.exit_code == 0, made.output
        assert first.stop() == 0
    assert "Traceback" not in first.output
    wait_until_empty(state_dir)

    with launched("run", state_dir=state_dir, until="Ctrl-C stops", PORT=str(port)) as second:
        kept = in_shell(state_dir, code="from workspaces.models import User; print(User.objects.get(email='kept@example.com').email)")
        assert "kept@example.com" in kept.output
        assert "Making a PostgreSQL" not in second.output
        assert (state_dir / "secrets.json").read_text() == secrets

        second.kill()
    wait_until_empty(state_dir)

    with servers_of(StateDirectory(state_dir)) as services:
        assert all(child.is_running() for child in services.children())


def in_shell(state_dir: Path, *, code: str) -> Finished:
    """Runs Python inside the product that runs there."""
    return launch_and_finish("manage", "shell", "--no-imports", "-c", code, state_dir=state_dir)


def test_it_keeps_its_secrets_to_itself(up: Up) -> None:
    for name in ("secrets.json", "running.json"):
        assert (up.state_dir / name).stat().st_mode & 0o777 == 0o600
    passwords = [value for value in (up.state_dir / "secrets.json").read_text().split('"') if len(value) > 24]
    assert passwords
    for pid in processes_in(up.state_dir):
        command = Path(f"/proc/{pid}/cmdline").read_text()
        assert not any(password in command for password in passwords)
    assert not any(password in up.launcher.output for password in passwords)


def test_it_says_which_port_is_taken(state_dir: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        finished = launch_and_finish("run", state_dir=state_dir, PORT=str(port))

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying=f"Port {port} for the pages is taken")
    assert processes_in(state_dir) == []


@pytest.mark.parametrize("port", ["eight", "0", "65534", "-1", "８０００"])
def test_it_wants_a_port_that_is_one(state_dir: Path, port: str) -> None:
    finished = launch_and_finish("manage", "check", state_dir=state_dir, PORT=port)

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="is no port")


def test_it_refuses_a_second_copy(up: Up) -> None:
    second = launch_and_finish("services", state_dir=up.state_dir)

    assert second.exit_code == 1
    assert_one_sentence(second.output, saying="Another copy is running")
    assert up.launcher.process.poll() is None


def test_it_stops_a_server_that_was_left_over(stopped: StateDirectory) -> None:
    data = stopped.path / "servers" / "postgres"
    account = server_account()
    program = binaries.postgres_bin(stopped.path / "servers", account=account) / "postgres"
    left_over = subprocess.Popen(
        [str(program), "-D", str(data), "-p", str(free_port()), "-c", "unix_socket_directories="],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **credentials(account),
    )
    while not (data / "postmaster.pid").exists():
        assert left_over.poll() is None
        time.sleep(0.05)

    with servers_of(stopped) as services:
        assert left_over.wait(timeout=10) == 0
        assert services.postgres is not None
        assert services.postgres.child.is_running()


def test_it_is_not_misled_by_a_number_that_now_belongs_to_another(stopped: StateDirectory) -> None:
    bystander = subprocess.Popen(["/bin/sleep", "300"], **credentials(server_account()))
    try:
        for name in ("postgres/postmaster.pid", "valkey/valkey.pid"):
            (stopped.path / "servers" / name).write_text(f"{bystander.pid}\n")

        with servers_of(stopped) as services:
            assert all(child.is_running() for child in services.children())
        assert bystander.poll() is None
    finally:
        bystander.send_signal(signal.SIGKILL)
        bystander.wait()


def test_it_does_not_touch_data_of_another_major_version(stopped: StateDirectory) -> None:
    (stopped.path / "servers" / "postgres" / "PG_VERSION").write_text("15\n")

    finished = launch_and_finish("services", state_dir=stopped.path)

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="was written by PostgreSQL 15 and this is PostgreSQL 18")


def test_it_says_when_the_state_directory_cannot_be_written(state_dir: Path) -> None:
    state_dir.write_text("a file stands in its place")

    finished = launch_and_finish("services", state_dir=state_dir)

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="choose another folder with STATE_DIR=")


def test_it_says_when_the_secrets_are_damaged(state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "secrets.json").write_text("{}")

    finished = launch_and_finish("services", state_dir=state_dir)

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="secrets.json cannot be read")


def test_it_wants_both_database_addresses_or_none(state_dir: Path) -> None:
    finished = launch_and_finish("services", state_dir=state_dir, DATABASE_URL="postgres://wallet_app@db/wallet")

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="DATABASE_URL and DATABASE_OWNER_URL belong together")


def test_it_shows_what_a_preparation_that_failed_said(state_dir: Path) -> None:
    finished = launch_and_finish("services", state_dir=state_dir, SITE_URL="billing.example.com")

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="SITE_URL is 'billing.example.com': set it to scheme and host alone")
    assert processes_in(state_dir) == []


def test_it_says_that_nothing_runs(state_dir: Path) -> None:
    finished = launch_and_finish("manage", "check", state_dir=state_dir)

    assert finished.exit_code == 1
    assert_one_sentence(finished.output, saying="Nothing runs on")


@pytest.mark.parametrize(
    ("python", "saying"),
    [("/bin/false", "Python 3.11 or newer is needed"), ("old", "Python 3.11 or newer is needed"), ("bare", "install python3-venv")],
)
def test_make_says_which_python_it_needs(tmp_path: Path, python: str, saying: str) -> None:
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    stand_in = tmp_path / python
    if python == "old":
        stand_in.write_text("#!/bin/sh\nexit 1\n")
    elif python == "bare":
        # Answers the question for its version, and has neither ensurepip nor venv, as Debian's python3 without python3-venv.
        stand_in.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    if not python.startswith("/"):
        stand_in.chmod(0o755)

    done = subprocess.run(
        ["make", "run", f"PYTHON={stand_in}"], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, check=False, capture_output=True, text=True
    )

    assert done.returncode != 0
    assert saying in done.stdout

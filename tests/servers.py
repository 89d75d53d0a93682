"""The servers of a test run: started once, by the process that pytest was called as, and shared by its workers.

Nothing here may import Django: it decides which settings Django will find.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests import databases
from tests.environment import product_environment
from wallet_billing.local.console import Console
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.services import Services, start_services
from wallet_billing.local.state import StateDirectory

ROOT = Path(__file__).resolve().parent.parent
# How the controlling process tells its workers where the servers are.
_HANDED_DOWN = "WALLET_TEST_SERVERS"
_PREFIX = "wallet-tests-"
_ROOM_BYTES = 2 * 2**30


@dataclass(frozen=True)
class TestServers:
    """Addresses. `admin_url` may make and drop databases (on a server of our own as a superuser); the others are of the template."""

    __test__ = False

    is_our_own: bool
    admin_url: str
    template_owner_url: str
    template_app_url: str
    redis_url: str

    def database_url(self, name: str) -> str:
        """A copy's address for the app's role."""
        return with_path(self.template_app_url, path=name)

    def database_owner_url(self, name: str) -> str:
        """A copy's address for the owner's role."""
        return with_path(self.template_owner_url, path=name)

    @property
    def template_name(self) -> str:
        """The database that the migrations made."""
        return urlsplit(self.template_app_url).path.lstrip("/")


_services: Services | None = None
_folder: Path | None = None


@cache
def provide() -> TestServers:
    """The servers of this run: those handed down by the controlling process, or new ones."""
    handed_down = os.environ.get(_HANDED_DOWN)
    if handed_down and "PYTEST_XDIST_WORKER" in os.environ:
        return TestServers(**json.loads(handed_down))
    try:
        servers = _start()
    except LaunchError as error:
        raise pytest.UsageError(f"The test servers did not start. {error}") from error
    os.environ[_HANDED_DOWN] = json.dumps(asdict(servers))
    return servers


def release() -> None:
    """Stops what this process started, and drops the template on a server that was given; in a worker there is nothing to do."""
    if _services is not None:
        if _services.postgres is None:
            databases.drop(_addresses(_services).admin_url, name=_addresses(_services).template_name)
        _services.stop()
    if _folder is not None:
        shutil.rmtree(_folder, ignore_errors=True)


def worker_name() -> str:
    """gw0, gw1 … in a worker of pytest-xdist, main without."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def worker_number() -> int:
    """0 without workers, then 1, 2, 3 …: each has its own numbered database in Valkey."""
    name = worker_name()
    return int(name.removeprefix("gw")) + 1 if name.startswith("gw") else 0


def worker_database() -> str:
    """The name of this worker's copy of the template."""
    return f"{provide().template_name.removesuffix('_template')}_{worker_name()}"


def with_path(url: str, *, path: str) -> str:
    """The same address with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def quick_folder() -> str:
    """Where what is thrown away is kept: in memory, where there is room, as a disk takes ten times as long to make a database."""
    in_memory = Path("/dev/shm")  # noqa: S108 -- only a folder of a name that mkdtemp makes is made there
    if os.access(in_memory, os.W_OK) and shutil.disk_usage(in_memory).free > _ROOM_BYTES:
        return str(in_memory)
    return tempfile.gettempdir()


def _start() -> TestServers:
    global _services, _folder
    _remove_leftovers()
    _folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=quick_folder()))
    # Open to walk through: as root, the servers run as an account of their own.
    _folder.chmod(0o711)
    state = StateDirectory(_folder)
    state.open()
    # The queue is always our own: tests empty it.
    given = {name: os.environ[name] for name in ("DATABASE_URL", "DATABASE_OWNER_URL") if os.environ.get(name)}
    try:
        _services = start_services(state, given=given, console=Console(quiet=True), durable=False)
        servers = _addresses(_services)
        _make_template(servers)
    except BaseException:
        release()
        raise
    return servers


def _remove_leftovers() -> None:
    """Removes the folders of runs that were killed: their lock is free."""
    for lock in Path(quick_folder()).glob(f"{_PREFIX}*/lock"):
        with suppress(OSError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


def _addresses(services: Services) -> TestServers:
    assert services.valkey is not None, "tests run on a Valkey of their own"
    own = services.postgres
    # On a server that was given, the owner makes the databases: it needs CREATEDB there.
    admin_url = own.superuser_url() if own is not None else services.database_owner_url
    template = "test_template" if own is not None else f"test_{urlsplit(services.database_url).path.lstrip('/')}_template"
    return TestServers(
        is_our_own=own is not None,
        admin_url=admin_url,
        template_owner_url=with_path(services.database_owner_url, path=template),
        template_app_url=with_path(services.database_url, path=template),
        redis_url=services.valkey.url(),
    )


def _make_template(servers: TestServers) -> None:
    owner = urlsplit(servers.template_owner_url).username
    assert owner is not None, "the owner's address names its role"
    databases.make_empty(servers.admin_url, name=servers.template_name, owner=owner)
    environment = os.environ | product_environment(
        database_url=servers.template_app_url, redis_url=servers.redis_url, site_url="http://testserver", mail_folder=tempfile.gettempdir()
    )
    environment["DATABASE_OWNER_URL"] = servers.template_owner_url
    command = [sys.executable, str(ROOT / "manage.py"), "prepare_database", "--verbosity", "0"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise LaunchError(f"The template database could not be made:\n{done.stdout}{done.stderr}")

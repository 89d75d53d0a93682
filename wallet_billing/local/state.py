"""The state directory: everything that a first run keeps, and the one lock that keeps two of them apart."""

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from wallet_billing.local.account import Account, can_enter
from wallet_billing.local.errors import LaunchError

DISK_BYTES_MIN = 300 * 1024 * 1024


@dataclass(frozen=True)
class Secrets:
    """Made once, kept in the state directory, readable by its owner alone."""

    identity: str
    secret_key: str
    stripe_secret_key: str
    stripe_webhook_secret: str
    superuser_password: str
    owner_password: str
    app_password: str
    valkey_password: str


class StateDirectory:
    """A folder that one launcher at a time holds."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: int | None = None

    def open(self) -> None:
        """Makes the folder and takes its lock. Raises LaunchError if it cannot be written or another copy holds it."""
        try:
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._demand_space()
        except OSError as error:
            raise LaunchError(f"{self.path} cannot be written ({error.strerror}): choose another folder with STATE_DIR=…") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LaunchError(
                f"Another copy is running on {self.path}: stop it with Ctrl-C, or give this one its own folder with STATE_DIR=…"
            ) from error

    def close(self) -> None:
        """Gives the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def folder(self, name: str) -> Path:
        """A folder inside, made when it is first asked for."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def log_path(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder("logs") / f"{name}.log"

    def secrets(self) -> Secrets:
        """The secrets, made on the first call. Raises LaunchError where the file is damaged."""
        path = self.path / "secrets.json"
        if not path.exists():
            write_private(path, text=json.dumps(asdict(_new_secrets()), indent=2) + "\n")
        try:
            kept = json.loads(path.read_text())
            return Secrets(**{field.name: kept[field.name] for field in fields(Secrets)})
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise LaunchError(
                f"{path} cannot be read: restore it, or start afresh by removing {self.path}, which also removes its data."
            ) from error

    def server_home(self, *, account: Account | None) -> Path:
        """Where the servers keep their files: inside, unless the account cannot walk there (a checkout below /root)."""
        inside = self.path / "servers"
        inside.mkdir(mode=0o711, exist_ok=True)
        if can_enter(inside, account=account):
            return inside
        outside = Path("/var/lib") / f"wallet-billing-{self.secrets().identity}"
        try:
            outside.mkdir(mode=0o711, exist_ok=True)
        except OSError as error:
            raise LaunchError(
                f"The servers cannot run in {self.path} nor in {outside} ({error.strerror}): choose a folder with STATE_DIR=…"
            ) from error
        return outside

    def _demand_space(self) -> None:
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < DISK_BYTES_MIN:
            raise LaunchError(
                f"The disk of {self.path} is nearly full: free {DISK_BYTES_MIN // 1024**2} MB, or choose another folder with STATE_DIR=…"
            )


def write_private(path: Path, *, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _new_secrets() -> Secrets:
    return Secrets(
        identity=secrets.token_hex(6),
        secret_key=secrets.token_urlsafe(64),
        stripe_secret_key="sk_test_" + secrets.token_hex(16),
        stripe_webhook_secret="whsec_" + secrets.token_hex(24),
        superuser_password=secrets.token_urlsafe(24),
        owner_password=secrets.token_urlsafe(24),
        app_password=secrets.token_urlsafe(24),
        valkey_password=secrets.token_urlsafe(24),
    )

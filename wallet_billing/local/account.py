"""Whom the servers run as. PostgreSQL refuses root, so root lends an unprivileged account to them."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from wallet_billing.local.errors import LaunchError

# Both have an entry in the password file wherever Debian's base is; PostgreSQL needs one.
UNPRIVILEGED = ("postgres", "nobody")


class Credentials(TypedDict, total=False):
    """The keyword arguments of subprocess.Popen that change the account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """An unprivileged account; `None` in its place means: whoever we are already."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """The account for the servers: none unless we are root. Raises LaunchError if root has none to lend."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise LaunchError("PostgreSQL does not run as root, and there is no account named postgres or nobody: start as an ordinary user.")


def credentials(account: Account | None) -> Credentials:
    """What to hand to subprocess.Popen so that the child runs as the account."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def can_run(command: list[str], *, account: Account | None) -> bool:
    """Whether the account reaches the program and the program runs."""
    try:
        done = subprocess.run(command, cwd="/", check=False, capture_output=True, timeout=30, **credentials(account))
    except OSError:
        return False
    return done.returncode == 0


def can_enter(folder: Path, *, account: Account | None) -> bool:
    """Whether the account can walk the whole path down to the folder."""
    return can_run(["/bin/sh", "-c", 'cd -- "$0"', str(folder)], account=account)


def own_folder(folder: Path, *, account: Account | None) -> Path:
    """Makes a folder that only the account may open."""
    folder.mkdir(mode=0o700, parents=False, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder

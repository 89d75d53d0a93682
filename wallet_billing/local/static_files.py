"""Collects the styles and scripts when any of them is newer than what was collected last; a warm start skips it."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from wallet_billing.local.errors import LaunchError
from wallet_billing.local.product import ROOT
from wallet_billing.local.stack import Stack

_COLLECTED = ROOT / "staticfiles"


def collect(stack: Stack) -> None:
    """Runs collectstatic where needed; two launchers of one checkout wait for each other. Raises LaunchError."""
    try:
        _COLLECTED.mkdir(exist_ok=True)
        folder = os.open(_COLLECTED, os.O_RDONLY)
    except OSError as error:
        raise LaunchError(f"{_COLLECTED} cannot be written ({error.strerror}): run from a checkout that you own.") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not _is_fresh():
            stack.manage("collectstatic", "--noinput", "--verbosity", "0", doing="Collecting styles and scripts")
    finally:
        os.close(folder)


def _is_fresh() -> bool:
    manifest = _COLLECTED / "staticfiles.json"
    if not manifest.exists():
        return False
    collected_at = manifest.stat().st_mtime
    return all(path.stat().st_mtime <= collected_at for path in _sources())


def _sources() -> Iterator[Path]:
    # The libraries' own files change only with requirements.txt.
    yield ROOT / "requirements.txt"
    for folder in (ROOT / "static", *ROOT.glob("*/static")):
        yield from (path for path in folder.rglob("*") if path.is_file())

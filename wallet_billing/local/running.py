"""The environment of what runs right now, kept in the state directory so that management commands can join it."""

import json
import os
import sys
from collections.abc import Mapping

from wallet_billing.local.errors import LaunchError
from wallet_billing.local.product import ROOT
from wallet_billing.local.state import StateDirectory, write_private
from wallet_billing.variables import VARIABLES

_FILE = "running.json"


def record(state: StateDirectory, *, variables: Mapping[str, str]) -> None:
    """Writes the product's own variables down, for this account alone."""
    names = {variable.name for variable in VARIABLES}
    own = {name: value for name, value in variables.items() if name in names}
    write_private(state.path / _FILE, text=json.dumps(own, indent=2) + "\n")


def forget(state: StateDirectory) -> None:
    """Removes the record: nothing runs any more."""
    (state.path / _FILE).unlink(missing_ok=True)


def manage(state: StateDirectory, *, arguments: list[str]) -> None:
    """Becomes manage.py with that environment; never returns. Raises LaunchError where nothing runs."""
    try:
        variables: dict[str, str] = json.loads((state.path / _FILE).read_text())
    except OSError as error:
        raise LaunchError(f"Nothing runs on {state.path}: start it first with make run.") from error
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *arguments], {**os.environ, **variables})

"""Brings two that run at once to the same place, and takes the lock away that would keep them apart."""

import threading
from contextlib import suppress
from typing import Any

import pytest

from workspaces import locking
from workspaces.models import Workspace

# Long enough for the other thread to arrive where nothing holds it back.
MEETING_SECONDS = 1.0


def meet_after(monkeypatch: pytest.MonkeyPatch, *, module: Any, name: str, parties: int = 2) -> None:
    """Both threads finish what `module.name` reads before either goes on to write; where a lock keeps one out, the other goes on alone."""
    barrier, read = threading.Barrier(parties), getattr(module, name)

    def read_and_wait(*args: Any, **kwargs: Any) -> Any:
        found = read(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):
            barrier.wait(timeout=MEETING_SECONDS)
        return found

    monkeypatch.setattr(module, name, read_and_wait)


def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the workspace's lock out: the twin of a race test, which must then go wrong."""
    monkeypatch.setattr(locking, "lock_workspace", lambda workspace: Workspace.objects.get(pk=workspace.pk))

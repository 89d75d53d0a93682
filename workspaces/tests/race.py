"""Two things at the same instant, each in its own thread and on its own connection."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection

from workspaces import locking
from workspaces.models import Workspace

# Long enough for the other thread to arrive where nothing holds it back.
MEETING_SECONDS = 1.0


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each returned, or the exception that it raised."""
    outcomes: list[Any] = [None] * len(acts)

    def run(index: int) -> None:
        try:
            outcomes[index] = acts[index]()
        except Exception as error:  # noqa: BLE001 -- handed to the test, which looks at it
            outcomes[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return outcomes


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

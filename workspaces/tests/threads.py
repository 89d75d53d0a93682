"""Races on the real database: acts that start at the same moment, each in a thread with a connection of its own."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

START_SECONDS_MAX = 30


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do them all at once; what each answered, or the error that it raised, in their order."""
    outcomes: list[Any] = [None] * len(acts)
    start = threading.Barrier(len(acts), timeout=START_SECONDS_MAX)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            # Connected before the start, so that it is the acts that race and not the handshakes.
            connection.ensure_connection()
            start.wait()
            outcomes[number] = act()
        except Exception as error:  # noqa: BLE001 -- the error is the outcome; the test judges it
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number, act]) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def errors(outcomes: Sequence[object]) -> list[Exception]:
    """Those that raised."""
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def answers(outcomes: Sequence[object]) -> list[Any]:
    """What the others answered."""
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]

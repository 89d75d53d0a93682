"""What the launcher says: one calm line per step, with the time it took. It must not decide anything."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Console:
    """Writes steps to standard output; `quiet` keeps them to itself, for tests."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._started_at = time.monotonic()

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Says what is being done, and when it is done how long it took."""
        begun_at = time.monotonic()
        self._write(f"  {doing} … ", end="")
        try:
            yield
        except Exception:
            self._write("failed")
            raise
        except BaseException:
            self._write("interrupted")
            raise
        self._write(f"{time.monotonic() - begun_at:.1f} s")

    def say(self, line: str = "") -> None:
        """One line of its own."""
        self._write(line)

    def elapsed_seconds(self) -> float:
        """Since the console was made."""
        return time.monotonic() - self._started_at

    def _write(self, text: str, *, end: str = "\n") -> None:
        if self._quiet:
            return
        # A terminal that was closed must not keep the launcher from stopping what it started.
        with suppress(OSError):
            sys.stdout.write(text + end)
            sys.stdout.flush()

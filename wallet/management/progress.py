"""How far long work is, for whoever watches its terminal: one line on standard error that is written over. Nothing else is said here."""

import sys
import time
from collections.abc import Callable

from django.core.management.base import OutputWrapper


class ProgressLine:
    """Shown where somebody watches, or where it was asked for; to a file or a log it writes nothing."""

    PAUSE_SECONDS = 0.2
    """Between two shares: a terminal that is far away must not slow the work down."""

    def __init__(self, stream: OutputWrapper, *, asked_for: bool) -> None:
        self._stream = stream
        self._shown = asked_for or sys.stderr.isatty()
        self._is_written = False

    def tell(self, words: str) -> None:
        """Says this from now on."""
        if self._shown:
            self._write(f"\r\x1b[K{words}")
            self._is_written = True

    def share_of(self, work: str, unit: str) -> Callable[[int, int], None]:
        """To be told, as often as is convenient, how much is done and how much there is: percent, and units per second."""
        started = last = time.monotonic()

        def show(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= self.PAUSE_SECONDS:
                last = now
                rate = done / (now - started)
                self.tell(f"{work}: {min(100, 100 * done // max(total, 1))} %, {rate:,.0f} {unit}/s ")

        return show

    def clear(self) -> None:
        """Leaves the line empty for what comes."""
        if self._is_written:
            self._write("\r\x1b[K")
            self._is_written = False

    def _write(self, text: str) -> None:
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()

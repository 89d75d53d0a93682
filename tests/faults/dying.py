"""A process of the product's own that does Celery tasks and dies at any line that is wished, by SIGKILL, as a machine that loses power.

`python -m tests.faults.dying`: one line in (task, argument, number of the line), one line out (how many lines there were, or killed).
Each task is done by a fork of its own, so that dying costs milliseconds. It must stay free of connections itself.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import django

ROOT = Path(__file__).resolve().parent.parent.parent
WATCHED = str(ROOT / "wallet") + os.sep
KILLED = "killed"


class Counter:
    """Counts the lines of the wallet's own code as they are about to run, and dies at the one that was named."""

    def __init__(self, *, dies_at: int) -> None:
        self.lines, self.dies_at = 0, dies_at

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """For sys.settrace: follows into every function of the wallet's, and into nothing else."""
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def main() -> None:
    """Does tasks until there are no more lines to read."""
    django.setup()
    from wallet_billing.celery import app

    app.loader.import_default_modules()
    for line in sys.stdin:
        name, argument, dies_at = line.split()
        child = os.fork()
        if child == 0:
            counter = Counter(dies_at=int(dies_at))
            sys.settrace(counter.trace)
            app.tasks[name](argument)
            sys.settrace(None)
            _say(str(counter.lines))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            _say(KILLED if os.WIFSIGNALED(status) else f"failed {status}")


def _say(word: str) -> None:
    # One write, marked: what the product logs goes to the same place.
    os.write(1, f"\n>{word}\n".encode())


if __name__ == "__main__":
    main()

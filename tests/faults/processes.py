"""Processes of the product's own, and waiting for what they do. How they end is the test's affair; none outlives its block."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stripe_sandbox.testing import RunningSandbox
from wallet_billing.local.product import ROOT

WAIT_SECONDS_MAX = 60.0


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not is_so():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its children; all of them are killed with -9 at the end, should it still run."""
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT_SECONDS_MAX)


@contextmanager
def process_that(what: str, key: object, *, sandbox: RunningSandbox) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does one thing; killed with -9 at the end of the block, in the midst of it."""
    code = f"import sys, django\ndjango.setup()\n{what}\nact(sys.argv[1])"
    environment = {"DJANGO_SETTINGS_MODULE": "wallet_billing.settings", "STRIPE_API_BASE": sandbox.api_url}
    with running([sys.executable, "-c", code, str(key)], **environment) as process:
        yield process
        assert process.poll() is None, "it ended before it could be killed"

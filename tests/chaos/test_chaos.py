"""A short storm over the real processes. `make chaos` is the long one."""

import os
import subprocess
import sys

import pytest

from tests import databases, servers
from wallet_billing.local.product import ROOT

pytestmark = pytest.mark.thorough

SECONDS, CUSTOMERS, SEED = 10, 6, 20


@pytest.mark.xdist_group("chaos")
@pytest.mark.timeout(600)
def test_it_keeps_every_law_in_a_storm() -> None:
    """Processes are killed about every second while Stripe loses answers, doubles webhooks and declines; then it heals by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CHAOS_"))}
    environment |= {"CHAOS_SECONDS": str(SECONDS), "CHAOS_CUSTOMERS": str(CUSTOMERS), "CHAOS_SEED": str(SEED)}
    provided, name = servers.provide(), f"{servers.worker_database()}_chaos"
    if provided.is_our_own:
        # A copy of its own: while the template itself is read, nobody else could copy it.
        databases.make_copy(provided.admin_url, name=name, template=provided.template_name)
        environment["CHAOS_TABLES_OF"] = servers.with_path(provided.admin_url, path=name)

    done = subprocess.run([sys.executable, "-m", "tests.chaos"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    sys.stdout.write(done.stdout)
    if provided.is_our_own:
        databases.drop(provided.admin_url, name=name)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "Every law held." in done.stdout
    assert "automatic payments succeeded" in done.stdout, "nothing was charged, so nothing was shown"

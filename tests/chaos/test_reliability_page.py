"""docs/reliability.md names tests and sabotages that there are."""

import re
from pathlib import Path

from tests.chaos.sabotage import SABOTAGES
from wallet_billing.local.product import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text()
APPS = ("tests", "workspaces", "wallet", "usage", "billing")


def test_it_names_tests_that_there_are() -> None:
    files = (path for app in APPS for path in Path(ROOT / app).rglob("test_*.py"))
    defined = {name for path in files for name in re.findall(r"^def (test_it_\w+)", path.read_text(), re.MULTILINE)}
    named = set(re.findall(r"`(test_it_\w+)`", TEXT))

    assert len(named) > 15
    assert named - defined == set()


def test_it_names_the_files_and_sabotages_that_there_are() -> None:
    files = set(re.findall(r"`(test_\w+\.py)`", TEXT))
    sabotages = set(re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE))

    assert {name for name in files if not list((ROOT / "tests" / "faults").glob(name))} == set()
    assert sabotages == set(SABOTAGES)

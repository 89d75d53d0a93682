"""docs/locking.md names tests and constraints that there are."""

import re
from pathlib import Path

from django.apps import apps
from django.conf import settings

from wallet_billing.local.product import ROOT

TEXT = (ROOT / "docs" / "locking.md").read_text()
APPS = ("tests", "workspaces", "wallet", "usage", "billing")


def defined_tests() -> set[str]:
    """Every test function of the product."""
    files = (path for app in APPS for path in Path(ROOT / app).rglob("test_*.py"))
    return {name for path in files for name in re.findall(r"^def (test_it_\w+)", path.read_text(), re.MULTILINE)}


def constraints() -> set[str]:
    """Every named constraint of a model."""
    return {constraint.name for model in apps.get_models() for constraint in model._meta.constraints}


def test_it_names_tests_that_there_are() -> None:
    named = set(re.findall(r"`(test_it_\w+)`", TEXT))

    assert len(named) > 20
    assert named - defined_tests() == set()


def test_it_names_constraints_that_there_are() -> None:
    named = {word for word in re.findall(r"`(\w+)`", TEXT) if re.search(r"_(is|are|has)_", word) and not word.startswith("test_it_")}

    assert len(named) >= 4
    assert named - constraints() == set()


def test_it_tells_the_waits_as_they_are_set() -> None:
    options = settings.DATABASES["default"]["OPTIONS"]["options"]

    for wait in ("lock_timeout=10s", "statement_timeout=60s", "idle_in_transaction_session_timeout=60s"):
        assert wait in options

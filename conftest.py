"""The root of all tests: servers first, then the environment, then Django, so that every conftest below may import models."""

import os
import tempfile

import django
import hypothesis
import pytest

from tests import servers
from tests.environment import in_ci, product_environment

_provided = servers.provide()
os.environ.update(
    product_environment(
        database_url=_provided.database_url(servers.worker_database()),
        redis_url=servers.with_path(_provided.redis_url, path=str(servers.worker_number())),
        site_url="http://testserver",
        mail_folder=tempfile.gettempdir(),
    )
)
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
# Not handed down to workers: there, pytest-django would load the settings before this file has named the worker's own database.
del os.environ["DJANGO_SETTINGS_MODULE"]

# A busy machine is slow, not wrong: each test has its own time-out.
# In CI the same examples each time: a change is judged by what it changed. Elsewhere each run looks at new ones.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=in_ci())
hypothesis.settings.load_profile("suite")

pytest_plugins = ["tests.fixtures", "tests.payments", "usage.tests.stage"]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that started the servers stops them."""
    servers.release()

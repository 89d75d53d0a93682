"""Fixtures for every test: a database as the app's role, the owner's way in, an empty queue."""

import json
from collections.abc import Callable, Generator, Iterator
from typing import Any

import psycopg2
import pytest
import redis
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser

from tests import databases, servers
from tests.browser import Pages, running_browser
from tests.stack import RunningStack, running_stack

REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.fixture(scope="session")
def django_db_setup() -> Iterator[None]:
    """In place of pytest-django's own: a copy of the template, used as the app's role, which could not make one itself."""
    provided = servers.provide()
    name = servers.worker_database()
    databases.make_copy(provided.admin_url, name=name, template=provided.template_name)

    yield

    connections.close_all()
    databases.drop(provided.admin_url, name=name)


@pytest.fixture
def owner_dsn(transactional_db: None) -> str:
    """This worker's database as the owner of its tables, for planting what the app's role cannot do."""
    return servers.provide().database_owner_url(servers.worker_database())


@pytest.fixture
def owner_connection(owner_dsn: str) -> Iterator[Any]:
    """A psycopg2 connection as the owner, each statement committed by itself; what the test writes is committed too, so it can be seen."""
    connection = psycopg2.connect(owner_dsn)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def _empty_valkey() -> None:
    """Limits and queued messages of one test must not reach the next."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    client.close()


@pytest.fixture
def valkey_url() -> str:
    """This worker's own numbered database, empty at the start of each test."""
    return settings.REDIS_URL


@pytest.fixture
def queued_tasks(valkey_url: str) -> Any:
    """A function that lists the names of the Celery tasks waiting in the queue."""
    client = redis.Redis.from_url(valkey_url)

    def names() -> list[str]:
        return [json.loads(message)["headers"]["task"] for message in client.lrange("celery", 0, -1)]

    return names


@pytest.fixture(scope="session")
def _running_stack() -> Iterator[RunningStack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture
def stack(_running_stack: RunningStack, transactional_db: None) -> Iterator[RunningStack]:
    """The real thing in processes, clean; models in the test read and write its database. Mark such tests `xdist_group("browser")`."""
    _running_stack.reset()
    connection = connections["default"]
    connection.close()
    own_name = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = _running_stack.database_name

    yield _running_stack

    connection.close()
    connection.settings_dict["NAME"] = own_name


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    with running_browser() as chromium:
        yield chromium


@pytest.fixture
def pages(request: pytest.FixtureRequest, browser: Browser, stack: RunningStack) -> Iterator[Pages]:
    """Opens pages of the stack: `pages.open("/", phone=True, dark=True)`. A script error or a breach of the CSP fails the test."""
    opened = Pages(browser=browser, base_url=stack.site_url)

    yield opened

    report = request.node.stash.get(REPORT, None)
    opened.close(name=request.node.name, failed=report is None or report.failed)
    assert not opened.faults, opened.faults


@pytest.fixture
def session_cookie(stack: RunningStack) -> Callable[[Any], list[dict[str, Any]]]:
    """A function from a user to the cookies of someone signed in as that user, for pages whose test is not about signing in."""

    def cookies(user: Any) -> list[dict[str, Any]]:
        client = Client()
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        return [{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": stack.site_url, "httpOnly": True}]

    return cookies


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps the outcome where a fixture can see it when it cleans up."""
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report

"""Fixtures for every test: a database as the app's role, the owner's way in, an empty queue."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import redis
from django.conf import settings
from django.db import connections

from tests import databases, servers


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

"""Databases of a test run: copies of one template, made and dropped by the role that may. Nothing here may import Django."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor


def make_empty(admin_url: str, *, name: str, owner: str) -> None:
    """Drops the database if it is there and makes an empty one that belongs to the owner."""
    with _admin(admin_url) as cursor:
        _drop(cursor, name=name)
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))


def make_copy(admin_url: str, *, name: str, template: str) -> None:
    """Drops the database, whoever is connected, and makes a copy of the template in its place; about 50 ms."""
    with _admin(admin_url) as cursor:
        _drop(cursor, name=name)
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [template])
        (owner,) = cursor.fetchone() or ("",)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(template), sql.Identifier(owner)))


def drop(admin_url: str, *, name: str) -> None:
    """Drops the database, whoever is connected."""
    with _admin(admin_url) as cursor:
        _drop(cursor, name=name)


def _drop(cursor: Cursor, *, name: str) -> None:
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _admin(admin_url: str) -> Iterator[Cursor]:
    connection = psycopg2.connect(admin_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()

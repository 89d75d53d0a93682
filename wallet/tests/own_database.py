"""A database for a whole module of tests, where making the ground once for all of them is worth it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from tests import databases, servers


@contextmanager
def own_database(django_db_blocker: Any, *, suffix: str) -> Iterator[str]:
    """A fresh copy of the template in the place of the worker's database; its owner's address. Use it in a module's fixture."""
    provided = servers.provide()
    name = f"{servers.worker_database()}_{suffix}"
    databases.make_copy(provided.admin_url, name=name, template=provided.template_name)
    with django_db_blocker.unblock():
        connection.close()
        own_name = connection.settings_dict["NAME"]
        connection.settings_dict["NAME"] = name
        try:
            yield provided.database_owner_url(name)
        finally:
            connection.close()
            connection.settings_dict["NAME"] = own_name
            databases.drop(provided.admin_url, name=name)

"""docs/operations.md says what is: its metrics are those that are answered, and every table has its place past one database machine."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.apps import apps
from django.db import models

from tests import servers
from wallet.tests.test_docs import section
from wallet_billing.local.product import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
PLAN = section(PAGE, "## Past one database machine")
COMMANDS = re.search(r"```sql\n(.*?)```", PLAN, flags=re.DOTALL)
CITUS = """
CREATE FUNCTION citus_set_coordinator_host(text, int) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION citus_add_node(text, int) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION create_reference_table(regclass) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE TABLE spread (name regclass, by_column name);
CREATE FUNCTION create_distributed_table(regclass, name, colocate_with text DEFAULT 'default') RETURNS void LANGUAGE sql
    AS 'INSERT INTO spread VALUES ($1, $2)';
"""
"""Stand-ins for what Citus brings, so that all else in the commands is carried out."""
KEYS_WITHOUT_THE_COLUMN = """
SELECT spread.name, index.indexrelid::regclass
FROM spread JOIN pg_index AS index ON index.indrelid = spread.name
WHERE index.indisunique AND NOT EXISTS (
    SELECT FROM pg_attribute AS a WHERE a.attrelid = spread.name AND a.attname = spread.by_column AND a.attnum = ANY (index.indkey)
)
"""
KEYS_THAT_CROSS = """
SELECT conrelid::regclass, conname FROM pg_constraint
WHERE contype = 'f' AND confrelid <> 'workspaces_workspace'::regclass
    AND (conrelid::regclass IN (SELECT name FROM spread)) <> (confrelid::regclass IN (SELECT name FROM spread))
"""


def places() -> dict[str, tuple[str, str, str]]:
    """Of each table in the plan: where it is, by which column, and which unique keys lack that."""
    rows = re.findall(r"^\| (`.*`) \| (distributed|reference|coordinator) \| (.*)\| (.*)\|$", PLAN, flags=re.MULTILINE)
    named = [(table, row) for row in rows for table in re.findall(r"`(\w+)`", row[0])]
    assert len(named) == len(dict(named)), "A table stands in two places."
    return {table: (where, column.strip(" `"), keys.strip(" `")) for table, (_, where, column, keys) in named}


def test_it_has_a_place_for_every_table() -> None:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}

    assert tables == set(places()), "say in docs/operations.md, Past one database machine, where a new table would live"


@pytest.mark.parametrize("model", [model for model in apps.get_models() if places().get(model._meta.db_table, ("",))[0] == "distributed"])
def test_it_names_the_keys_that_lack_the_wallets(model: type[models.Model]) -> None:
    _, column, lacking = places()[model._meta.db_table]

    assert not _field(model, column).null
    assert [key for key in _unique_keys(model) if column not in key] == ([(lacking,)] if lacking else [])


def _field(model: type[models.Model], column: str) -> Any:
    (field,) = [field for field in model._meta.local_fields if field.column == column]
    return field


def _unique_keys(model: type[models.Model]) -> Iterator[tuple[str, ...]]:
    """By their columns, the primary key among them."""
    names = {field.name: str(field.column) for field in model._meta.local_fields}
    primary = model._meta.pk
    yield tuple(names[field.name] for field in getattr(primary, "fields", [primary]))
    yield from ((names[field.name],) for field in model._meta.local_fields if field.unique and not field.primary_key)
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            yield tuple(names[name] for name in constraint.fields)


@pytest.mark.usefixtures("django_db_setup")
def test_its_commands_fit_the_tables() -> None:
    """All but Citus itself: they run, and leave no unique key without the column and no foreign key between shards and coordinator."""
    assert COMMANDS is not None
    connection = psycopg2.connect(servers.provide().database_owner_url(servers.worker_database()))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute(CITUS)
            cursor.execute(COMMANDS.group(1))
            cursor.execute("SELECT name::text, by_column::text FROM spread")
            spread = dict(cursor.fetchall())
            cursor.execute(KEYS_WITHOUT_THE_COLUMN)
            without = cursor.fetchall()
            cursor.execute(KEYS_THAT_CROSS)
            crossing = cursor.fetchall()
    finally:
        # Nothing of it stays.
        connection.rollback()
        connection.close()

    assert spread == {table: column for table, (where, column, _) in places().items() if where == "distributed"}
    assert (without, crossing) == ([], [])

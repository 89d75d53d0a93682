"""X1: while a deployment is under way, workers of the version before read and write the new tables. Every migration leaves them room.

The new schema against the old code: what the code of any earlier migration inserts, and what it selects, the tables of today still take
and give. Contract steps (dropping a column, forbidding NULL) follow in a later release than the code that no longer needs them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Field
from django.utils import timezone

from wallet.tests.builders import make_wallet

OURS = ("workspaces", "wallet", "usage", "billing")
pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Expected:
    """What code of one migration knows of a table: its columns, and which of them it may leave NULL."""

    migration: str
    table: str
    columns: dict[str, bool]


@dataclass(frozen=True)
class Column:
    """What the database says of a column."""

    is_nullable: bool
    has_default: bool


def migrations_of_ours() -> Iterator[tuple[str, ProjectState]]:
    """Each migration's name, and the models as its code knows them."""
    executor = MigrationExecutor(connection)
    state = ProjectState()
    for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True):
        state = migration.mutate_state(state, preserve=False)
        if migration.app_label in OURS:
            yield f"{migration.app_label}.{migration.name}", state


def expectations() -> list[Expected]:
    """What any version so far expects of the tables."""
    found = []
    for name, state in migrations_of_ours():
        label = name.partition(".")[0]
        for (app, _), model in state.models.items():
            if app == label and not model.options.get("proxy"):
                found.append(Expected(name, _table(model), dict(_columns(model))))
    return found


def _table(model: ModelState) -> str:
    return str(model.options.get("db_table") or f"{model.app_label}_{model.name_lower}")


def _columns(model: ModelState) -> Iterator[tuple[str, bool]]:
    for name, field in model.fields.items():
        bound: Field[Any, Any] = field.clone()
        bound.set_attributes_from_name(name)
        if not bound.many_to_many and bound.column is not None:
            yield bound.column, bound.null


def columns_of_today() -> dict[str, dict[str, Column]]:
    """Every table's columns, from the database itself."""
    tables: dict[str, dict[str, Column]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT table_name, column_name, is_nullable = 'YES', column_default IS NOT NULL OR is_identity = 'YES'
            FROM information_schema.columns
            WHERE table_schema = 'public'
            """
        )
        for table, column, is_nullable, has_default in cursor.fetchall():
            tables.setdefault(table, {})[column] = Column(is_nullable, has_default)
    return tables


def breaks() -> set[str]:
    """What code of an earlier migration would fail at, in words."""
    today, found = columns_of_today(), set[str]()
    for expected in expectations():
        table = today.get(expected.table)
        if table is None:
            found.add(f"{expected.table} is gone")
            continue
        for name, column in table.items():
            if name not in expected.columns and not (column.is_nullable or column.has_default):
                found.add(f"{expected.table}.{name} is NOT NULL without a default")
        for name, may_be_null in expected.columns.items():
            if name not in table:
                found.add(f"{expected.table}.{name} is gone")
            elif may_be_null and not table[name].is_nullable:
                found.add(f"{expected.table}.{name} is NOT NULL now")
    return found


def test_it_lets_workers_of_every_earlier_version_go_on() -> None:
    assert len(expectations()) > 50
    assert breaks() == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ADD COLUMN probe integer NOT NULL", "wallet_notice.probe is NOT NULL without a default"),
        ("DROP COLUMN attempts", "wallet_notice.attempts is gone"),
        ("ALTER COLUMN sent_at SET NOT NULL", "wallet_notice.sent_at is NOT NULL now"),
    ],
)
def test_it_sees_a_migration_that_leaves_no_room(owner_connection: Any, change: str, told: str) -> None:
    """The test above can fail: each kind of contract step is found."""
    undo = {
        "ADD COLUMN probe integer NOT NULL": "DROP COLUMN probe",
        "DROP COLUMN attempts": "ADD COLUMN attempts smallint NOT NULL DEFAULT 0",
        "ALTER COLUMN sent_at SET NOT NULL": "ALTER COLUMN sent_at DROP NOT NULL",
    }
    with owner_connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE wallet_notice {change}")
        try:
            assert breaks() == {told}
        finally:
            cursor.execute(f"ALTER TABLE wallet_notice {undo[change]}")


def test_it_takes_a_top_up_of_the_code_before_automatic_payments() -> None:
    """The statement itself, as the ORM of that migration writes it: old columns only."""
    old = next(state for name, state in migrations_of_ours() if name.startswith("wallet.0003"))
    wallet = make_wallet()

    with transaction.atomic():
        row = old.apps.get_model("wallet", "TopUp").objects.create(
            wallet_id=wallet.pk, origin="manual", amount_micros=1, status="expired", resolved_at=timezone.now(), request_id="old"
        )

    assert old.apps.get_model("wallet", "TopUp").objects.get(pk=row.pk).request_id == "old"

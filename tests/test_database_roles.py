"""The app's role adds to the books and can do nothing else to them; the owner migrates; prepare_database keeps it so."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection, transaction

from tests import databases, servers
from tests.environment import product_environment
from wallet_billing.local import binaries
from wallet_billing.local.product import ROOT

NO_SUCH_RIGHT = "42501"


def sql_state(statement: str) -> str:
    """What PostgreSQL answers the app's role: its error's code, or nothing."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return str(getattr(error.__cause__, "pgcode", ""))
    return ""


def demand_superuser() -> None:
    """Skips where there is none to act as."""
    if not servers.provide().is_our_own:
        pytest.skip("needs a superuser, and on a server that was given by DATABASE_URL tests act as its owner")


@pytest.mark.django_db
@pytest.mark.parametrize("table", settings.APPEND_ONLY_TABLES)
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE"])
def test_it_may_not_change_or_remove_what_the_books_hold(table: str, change: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 LIMIT 1", [table])
        (column,) = cursor.fetchone()

    assert sql_state(change.format(table).replace("id = id", f"{column} = {column}")) == NO_SUCH_RIGHT


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE wallet_transfer DISABLE TRIGGER ALL",
        "DROP TRIGGER transfer_is_never_updated ON wallet_transfer",
        "DROP TABLE wallet_transfer",
        "ALTER TABLE wallet_transfer ADD COLUMN note text",
        "CREATE TABLE mine (id int)",
        "CREATE RULE quiet AS ON INSERT TO wallet_transfer DO INSTEAD NOTHING",
        "CREATE INDEX ON wallet_transfer (posted_at)",
        "CREATE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE wallet_owner",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('wallet', '9999_forged', now())",
    ],
)
def test_it_may_not_change_the_tables_themselves(statement: str) -> None:
    assert sql_state(statement) == NO_SUCH_RIGHT


@pytest.mark.django_db
def test_it_may_not_give_itself_a_right() -> None:
    with connection.cursor() as cursor:
        # PostgreSQL answers this with a warning, not with an error.
        cursor.execute("GRANT UPDATE, DELETE ON wallet_transfer TO CURRENT_USER")

    assert sql_state("DELETE FROM wallet_transfer") == NO_SUCH_RIGHT


@pytest.mark.django_db
def test_it_may_use_every_other_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT relname, privilege FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'django_migrations'
            AND relname <> ALL(%s) AND NOT has_table_privilege(oid, privilege)
            """,
            [settings.APPEND_ONLY_TABLES],
        )

        assert cursor.fetchall() == []


@pytest.mark.django_db
def test_it_may_use_every_sequence() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sequencename FROM pg_sequences WHERE NOT has_sequence_privilege(sequencename::regclass, 'USAGE')")

        assert cursor.fetchall() == []


@pytest.mark.django_db
def test_it_may_truncate_no_table_at_all() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND has_table_privilege(oid, 'TRUNCATE')")

        assert cursor.fetchall() == []


# ---------------------------------------------------------------- prepare_database


@pytest.fixture
def scratch() -> Iterator[str]:
    """An empty database of its own."""
    provided = servers.provide()
    name = f"{servers.worker_database()}_scratch"
    databases.make_empty(provided.admin_url, name=name, owner="wallet_owner")
    yield name
    databases.drop(provided.admin_url, name=name)


@pytest.fixture
def prepared() -> Iterator[str]:
    """A database of its own, migrated."""
    provided = servers.provide()
    name = f"{servers.worker_database()}_prepared"
    databases.make_copy(provided.admin_url, name=name, template=provided.template_name)
    yield name
    databases.drop(provided.admin_url, name=name)


def prepare(name: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the command against the database as an operator does."""
    provided = servers.provide()
    environment = product_environment(
        database_url=provided.database_url(name), redis_url=provided.redis_url, site_url="http://testserver", mail_folder="/nowhere"
    )
    environment |= {"DATABASE_OWNER_URL": provided.database_owner_url(name), "DJANGO_SETTINGS_MODULE": "wallet_billing.settings", **more}
    return subprocess.run(
        [sys.executable, "manage.py", "prepare_database"],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.thorough
def test_it_prepares_an_empty_database_once_when_two_hosts_deploy_at_once(scratch: str) -> None:
    """The second waits, and finds nothing to do. What it waits by must not hold up the indexes that the first builds concurrently."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(prepare, [scratch] * 2))

    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]
    second, first = sorted(both, key=lambda done: len(done.stdout))
    assert "Applying wallet.0001_initial" in first.stdout
    assert "No migrations to apply" in second.stdout


def test_it_takes_back_rights_that_somebody_gave(prepared: str) -> None:
    owner = psycopg2.connect(servers.provide().database_owner_url(prepared))
    with owner, owner.cursor() as cursor:
        cursor.execute("GRANT ALL ON wallet_transfer TO wallet_app, PUBLIC")
        cursor.execute("GRANT UPDATE (amount_micros) ON wallet_transfer TO wallet_app")

    prepare(prepared)

    with owner, owner.cursor() as cursor:
        cursor.execute("SELECT has_any_column_privilege('wallet_app', 'wallet_transfer', 'UPDATE')")
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT has_table_privilege('wallet_app', 'wallet_transfer', 'DELETE')")
        assert cursor.fetchone() == (False,)
    owner.close()


@pytest.mark.parametrize(
    ("owner_url", "saying"),
    [
        ("", "Set DATABASE_OWNER_URL"),
        ("postgres://wallet_app:x@127.0.0.1/wallet", "name the same role"),
        ("postgres://o:x@127.0.0.1:9/w", "cannot be reached"),
    ],
)
def test_it_says_what_is_wrong_with_the_owners_address(owner_url: str, saying: str) -> None:
    done = prepare("nowhere", DATABASE_OWNER_URL=owner_url)

    assert done.returncode == 1
    assert saying in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- the check


@pytest.mark.django_db
def test_it_warns_of_nothing_when_the_roles_are_kept_apart() -> None:
    found = checks.run_checks(tags=[checks.Tags.database], include_deployment_checks=True, databases=["default"])

    assert [message for message in found if str(message.id).startswith("wallet_billing.")] == []


def checked(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`check --deploy` as an operator who gave the product the wrong role."""
    command = [sys.executable, "manage.py", "check", "--deploy", "--database", "default", "--fail-level", "WARNING", "--tag", "database"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(("role", "saying"), [("owner", "owns wallet_transfer"), ("superuser", "is a superuser")])
def test_it_warns_when_the_product_runs_as_a_role_with_powers(role: str, saying: str) -> None:
    if role == "superuser":
        demand_superuser()
    provided = servers.provide()
    admin_url = servers.with_path(provided.admin_url, path=provided.template_name)
    environment = product_environment(
        database_url=provided.template_owner_url if role == "owner" else admin_url,
        redis_url=provided.redis_url,
        site_url="http://testserver",
        mail_folder="/nowhere",
    )

    done = checked({**environment, "DJANGO_SETTINGS_MODULE": "wallet_billing.settings"})

    assert done.returncode == 1
    assert saying in done.stderr


# ---------------------------------------------------------------- roles.sql


def test_its_roles_are_made_with_psql_as_the_manual_says(prepared: str) -> None:
    provided = servers.provide()
    demand_superuser()
    owner, app = urlsplit(provided.template_owner_url), urlsplit(provided.template_app_url)
    psql = binaries.postgres_bin(Path(tempfile.gettempdir()), account=None) / "psql"
    address = servers.with_path(provided.admin_url, path=prepared)
    # The very passwords they have: other tests are signed in with them.
    options = f"-c wallet.owner_password={owner.password} -c wallet.app_password={app.password}"

    for _ in range(2):
        done = subprocess.run(
            [str(psql), "-v", "ON_ERROR_STOP=1", address.replace("postgres://", "postgresql://"), "-f", "wallet_billing/sql/roles.sql"],
            cwd=ROOT,
            env={**os.environ, "PGOPTIONS": options},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    done = prepare(prepared)
    assert done.returncode == 0, done.stderr
    connection_of_app = psycopg2.connect(provided.database_url(prepared))
    with connection_of_app, connection_of_app.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE'), has_schema_privilege('public', 'CREATE')")
        assert cursor.fetchone() == (False, False)
        # Batches of events are taken in through a temporary table.
        cursor.execute("CREATE TEMPORARY TABLE batch (id int) ON COMMIT DROP")
    connection_of_app.close()

"""Roles and databases on a PostgreSQL of our own. The superuser is used here and nowhere else."""

from pathlib import Path

import psycopg2
from psycopg2 import sql

from wallet_billing.local.postgres import Postgres
from wallet_billing.local.state import Secrets

OWNER_ROLE = "wallet_owner"
APP_ROLE = "wallet_app"
ROLES_SQL = Path(__file__).resolve().parent.parent / "sql" / "roles.sql"


def ensure_database(postgres: Postgres, *, name: str, secrets: Secrets) -> None:
    """Makes the database on that server, and the two roles with their passwords. Idempotent."""
    connection = psycopg2.connect(postgres.superuser_url())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    finally:
        connection.close()
    ensure_roles(postgres.superuser_url(database=name), owner_password=secrets.owner_password, app_password=secrets.app_password)


def ensure_roles(database_url: str, *, owner_password: str, app_password: str) -> None:
    """Runs roles.sql in the database. Idempotent."""
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('wallet.owner_password', %s, true)", [owner_password])
            cursor.execute("SELECT set_config('wallet.app_password', %s, true)", [app_password])
            cursor.execute(ROLES_SQL.read_text())
    finally:
        connection.close()

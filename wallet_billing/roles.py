"""The database's two roles: the owner migrates, the app may use the tables and never change or remove what the books hold."""

from pathlib import Path

from django.conf import settings
from django.db import connections, transaction

GRANTS_SQL = Path(__file__).parent / "sql" / "grants.sql"
OWNER = "owner"
APP = "default"


def app_role() -> str:
    """The name of the role that the product connects as."""
    return str(connections[APP].settings_dict["USER"])


def owner_role() -> str:
    """The name of the role that owns the tables."""
    return str(connections[OWNER].settings_dict["USER"])


def missing_append_only_tables() -> list[str]:
    """The tables of APPEND_ONLY_TABLES that the database does not have."""
    present = set(connections[OWNER].introspection.table_names())
    return sorted(set(settings.APPEND_ONLY_TABLES) - present)


def grant_app_its_rights() -> None:
    """Runs grants.sql as the owner. Idempotent; needs the migrations applied."""
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT set_config('wallet.app_role', %s, true)", [app_role()])
        cursor.execute("SELECT set_config('wallet.append_only_tables', %s, true)", [",".join(settings.APPEND_ONLY_TABLES)])
        cursor.execute(GRANTS_SQL.read_text())


def excessive_rights() -> list[str]:
    """What the app's role can do to the books although it must not, each as a phrase after "the app's role"."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper")
        if cursor.fetchone() is not None:
            return ["is a superuser"]
        cursor.execute(
            """
            SELECT relname, 'owns' FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%(tables)s) AND pg_has_role(relowner, 'MEMBER')
            UNION ALL
            SELECT relname, 'may ' || lower(privilege) || ' rows of' FROM pg_class, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) privilege
            WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%(tables)s) AND has_table_privilege(oid, privilege)
            ORDER BY 1, 2
            """,
            {"tables": list(settings.APPEND_ONLY_TABLES)},
        )
        return [f"{right} {table}" for table, right in cursor.fetchall()]

"""Workspaces found by any part of their name, for the operator's console. Built beside running writers.

As SQL: Django writes an operator class of an expression only where its own PostgreSQL app is installed. Where it is
broken off: drop the index and migrate again.
"""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("workspaces", "0003_audit_log"),
    ]

    operations = [
        TrigramExtension(),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY workspace_by_part_of_name ON workspaces_workspace USING gin (UPPER(name) gin_trgm_ops)",
            "DROP INDEX workspace_by_part_of_name",
        ),
    ]

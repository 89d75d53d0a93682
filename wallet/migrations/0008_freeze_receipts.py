"""Receipts that were given before keep the words that they say today. In batches, each by itself: payments go on meanwhile."""

from django.conf import settings
from django.db import migrations
from django.db.models import OuterRef, Subquery

BATCH = 2_000


def freeze_receipts(apps, schema_editor):
    """Idempotent: what has its words is left alone, and no workspace is without a name."""
    # By the connection that migrates: the app's own has no part in it.
    database = schema_editor.connection.alias
    top_ups = apps.get_model("wallet", "TopUp").objects.using(database)
    workspaces = apps.get_model("workspaces", "Workspace").objects.using(database).filter(pk=OuterRef("wallet_id"))
    paid_to = "\n".join(line for line in (settings.OPERATOR_NAME, *settings.OPERATOR_ADDRESS) if line)
    while batch := list(top_ups.filter(status="succeeded", paid_by="").values_list("pk", flat=True)[:BATCH]):
        top_ups.filter(pk__in=batch).update(
            paid_by=Subquery(workspaces.values("name")[:1]),
            paid_zone=Subquery(workspaces.values("time_zone")[:1]),
            paid_to=paid_to,
        )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("workspaces", "0002_api_keys"),
        ("wallet", "0007_notice_facts_and_choices"),
    ]

    operations = [migrations.RunPython(freeze_receipts, migrations.RunPython.noop)]

"""Holds that ended, by their wallet, for the console; built beside running writers. If it is broken off: drop the index, migrate again."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("wallet", "0019_refunds_that_stripe_lacks"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="hold",
            index=models.Index("wallet", "resolved_at", condition=Q(resolved_at__isnull=False), name="hold_ended_by_wallet"),
        ),
    ]

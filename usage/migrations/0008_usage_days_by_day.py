"""An index of the days of all wallets, built beside running writers. Where it is broken off: drop it and migrate again."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("usage", "0007_event_stretches"),
    ]

    operations = [
        AddIndexConcurrently(model_name="usageday", index=BrinIndex(fields=["day"], name="usage_day_by_day", pages_per_range=32)),
    ]

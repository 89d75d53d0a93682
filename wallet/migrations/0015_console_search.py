"""What the operator's console searches by, built beside running writers. Where it is broken off: drop the index and migrate again."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("wallet", "0014_heartbeats"),
    ]

    operations = [
        AddIndexConcurrently(model_name="card", index=models.Index("last_four", name="card_by_last_four")),
        AddIndexConcurrently(model_name="webhookevent", index=models.Index("object_id", "received_at", name="webhook_event_by_object")),
    ]

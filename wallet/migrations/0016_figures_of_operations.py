"""What the operations page and the metrics count, built beside running writers. Where it is broken off: drop the index and migrate again."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("wallet", "0015_console_search"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="webhookevent",
            index=models.Index(condition=models.Q(("status", "dead")), fields=["received_at"], name="webhook_event_dead"),
        ),
        AddIndexConcurrently(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("status__in", ("sending", "unknown", "manual_review"))), fields=["sent_at"], name="top_up_unclear"
            ),
        ),
    ]

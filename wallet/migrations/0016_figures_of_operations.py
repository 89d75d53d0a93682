"""What the operations page and the metrics count, built beside running writers. If it is broken off: drop the index and migrate again."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

UNCLEAR = ("sending", "unknown", "manual_review")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("wallet", "0015_console_search"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="webhookevent", index=models.Index("received_at", condition=Q(status="dead"), name="webhook_event_dead")
        ),
        AddIndexConcurrently(model_name="topup", index=models.Index("sent_at", condition=Q(status__in=UNCLEAR), name="top_up_unclear")),
    ]

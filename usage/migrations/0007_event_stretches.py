"""Indexes that grow at one end, built beside running writers: on a long table this takes minutes and holds nobody up.

Where it is broken off, it leaves an index that is not valid: drop that one and migrate again.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q

STRETCH = F("transfer_seq").bitrightshift(18)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("usage", "0006_event_by_hold"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                F("wallet"), STRETCH, F("number"), F("transfer_seq"), condition=~Q(number=""), name="event_by_number_in_stretch"
            ),
        ),
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                F("wallet"), STRETCH, F("event_id"), F("transfer_seq"), condition=Q(transfer_seq__isnull=False), name="event_by_id_in_stretch"
            ),
        ),
        RemoveIndexConcurrently(model_name="event", name="event_by_number"),
    ]

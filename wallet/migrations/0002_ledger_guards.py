"""Immutability of transfers by trigger, and the sequence of receipt numbers."""

from pathlib import Path

from django.db import migrations

FORWARD = Path(__file__).with_suffix(".forward.sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("wallet", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]

"""Prices that stand stay as they are, by trigger, and every change raises the price version."""

from pathlib import Path

from django.db import migrations

FORWARD = Path(__file__).with_suffix(".forward.sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_prices")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]

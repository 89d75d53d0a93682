"""What the sweep looks up instead of reading every wallet. Writes the table of wallets anew: a row per customer, some seconds per million."""

from pathlib import Path

from django.db import migrations, models
from django.db.models import F, Func, Q

FORWARD = Path(__file__).with_suffix(".forward.sql").read_text()
REVERSE = Path(__file__).with_suffix(".reverse.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0016_figures_of_operations"),
    ]

    operations = [
        migrations.RunSQL(FORWARD, REVERSE),
        migrations.AddField(
            model_name="wallet",
            name="grace_ends_at",
            field=models.GeneratedField(
                db_persist=True,
                expression=Func(
                    F("depleted_at"),
                    F("grace_minutes"),
                    F("grace_extended_until"),
                    function="wallet_grace_end",
                    output_field=models.DateTimeField(),
                ),
                help_text="grace_until, kept by the database for the sweep to look up.",
                null=True,
                output_field=models.DateTimeField(),
            ),
        ),
        migrations.AddField(
            model_name="wallet",
            name="is_untold",
            field=models.GeneratedField(
                db_persist=True,
                expression=Func(
                    F("announced"),
                    F("balance_micros"),
                    F("held_micros"),
                    F("overdraft_micros"),
                    F("last_seq"),
                    F("depleted_at"),
                    F("low_balance_micros"),
                    F("currency"),
                    F("closed_at"),
                    function="wallet_is_untold",
                    output_field=models.BooleanField(),
                ),
                help_text="Whether it stands otherwise than was told last, whatever the time: kept by the database, and never null.",
                null=True,
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            model_name="wallet",
            index=models.Index("workspace", condition=Q(is_untold=True), name="wallet_untold"),
        ),
        migrations.AddIndex(
            model_name="wallet",
            index=models.Index(
                "announced",
                "grace_ends_at",
                condition=Q(grace_ends_at__isnull=False, closed_at=None),
                name="wallet_by_grace_end",
            ),
        ),
    ]

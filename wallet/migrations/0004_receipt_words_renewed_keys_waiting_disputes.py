"""Columns for what a receipt says, for keys at Stripe that are renewed, and for disputes that wait for their amount."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0003_holds_open_by_wallet"),
    ]

    operations = [
        migrations.AddField(
            model_name="cardsetup",
            name="stripe_key_renewals",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often the key under which the session is opened had to be renewed: services.renewed_keys.",
            ),
        ),
        migrations.AddField(
            model_name="cardsetup",
            name="stripe_unclear_at",
            field=models.DateTimeField(help_text="When Stripe last left open whether it had opened the session.", null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="stripe_key_renewals",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often the key under which the session is opened had to be renewed: services.renewed_keys. "
                "A charge's key never is.",
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="stripe_unclear_at",
            field=models.DateTimeField(help_text="When Stripe last left open whether it had opened the session.", null=True),
        ),
        migrations.AddField(
            model_name="wallet",
            name="stripe_key_renewals",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often the key under which the customer is made had to be renewed: services.renewed_keys.",
            ),
        ),
        migrations.AddField(
            model_name="wallet",
            name="stripe_unclear_at",
            field=models.DateTimeField(help_text="When Stripe last left open whether it had made the customer.", null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="paid_by",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="For the receipt: the workspace's name of that day.", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="paid_to",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="For the receipt: the operator's name and address of that day, a line each."
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="paid_zone",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="For the receipt: the zone in which it tells its time.", max_length=64
            ),
        ),
        migrations.AlterField(
            model_name="dispute",
            name="amount_micros",
            field=models.BigIntegerField(
                help_text="In the wallet's currency; null while a dispute in another currency waits for the operator.", null=True
            ),
        ),
        migrations.AddField(
            model_name="dispute",
            name="waits_because",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="Why nothing of it is booked, for the operator; empty where it is."
            ),
        ),
    ]

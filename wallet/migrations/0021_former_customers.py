"""A wallet's customer that was deleted at Stripe stays known beside the next one. The code before neither reads nor writes it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0020_holds_ended_by_wallet"),
    ]

    operations = [
        migrations.AlterField(
            model_name="wallet",
            name="stripe_customer_id",
            field=models.CharField(
                help_text="Made on first need. Null again once it was deleted at Stripe, until the next payment makes another.",
                max_length=255,
                null=True,
                unique=True,
            ),
        ),
        migrations.CreateModel(
            name="FormerCustomer",
            fields=[
                (
                    "customer_id",
                    models.CharField(
                        help_text="Stripe's id, which it never gives again.", max_length=255, primary_key=True, serialize=False
                    ),
                ),
                (
                    "let_go_at",
                    models.DateTimeField(help_text="What was asked of Stripe for the wallet before was asked for this customer."),
                ),
                (
                    "wallet",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="former_customers", to="wallet.wallet"),
                ),
            ],
        ),
    ]

"""Automatic payments are suspended after a lost dispute too. Nothing changes in the table: the column takes any text."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("wallet", "0017_wallet_untold"),
    ]

    operations = [
        migrations.AlterField(
            model_name="automaticpayments",
            name="suspension",
            field=models.CharField(
                blank=True,
                choices=[
                    ("declined", "Declined three times"),
                    ("card_refused", "The card can't be charged any more"),
                    ("no_card", "No card is connected"),
                    ("not_confirmed", "The payment was not confirmed"),
                    ("disputed", "A disputed payment was lost"),
                ],
                max_length=15,
            ),
        ),
    ]

"""What stands in the ledger as gone back, and not at Stripe, is listed too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0018_suspended_after_dispute")]

    operations = [
        migrations.AlterField(
            model_name="discrepancy",
            name="kind",
            field=models.CharField(
                choices=[
                    ("unknown_payment", "Payment at Stripe without a top-up"),
                    ("not_credited", "Payment at Stripe without its credit"),
                    ("amount", "Amounts differ"),
                    ("not_taken", "Refund or dispute at Stripe that the ledger does not have"),
                    ("no_payment", "Credit in the ledger without a payment at Stripe"),
                    ("not_gone_back", "Refund or dispute in the ledger that Stripe does not have"),
                    ("books", "Books out of balance"),
                ],
                max_length=20,
            ),
        ),
    ]

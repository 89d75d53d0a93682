"""Owners and admins hear of a webhook endpoint that was switched off."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0009_seals")]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("receipt", "Receipt"),
                    ("payment_link", "Payment link"),
                    ("automatic_payment", "Automatic payment made"),
                    ("automatic_failed", "Automatic payment failed"),
                    ("confirm_payment", "Confirm your payment"),
                    ("cap_reached", "Limit of automatic payments reached"),
                    ("card_expiring", "Card about to expire"),
                    ("card_expired", "Card expired"),
                    ("card_renewed", "Card renewed by your bank"),
                    ("low_balance", "Low balance"),
                    ("balance_used_up", "Balance used up"),
                    ("calls_paused", "All calls paused"),
                    ("usage_spike", "Unusual day"),
                    ("webhook_off", "Webhook switched off"),
                ],
                max_length=40,
            ),
        ),
        migrations.RemoveConstraint(model_name="noticechoice", name="notice_choice_is_of_what_may_be_off"),
        migrations.AddConstraint(
            model_name="noticechoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kinds_off__contained_by",
                        [
                            "cap_reached",
                            "card_expiring",
                            "card_expired",
                            "card_renewed",
                            "low_balance",
                            "balance_used_up",
                            "calls_paused",
                            "usage_spike",
                            "webhook_off",
                        ],
                    )
                ),
                name="notice_choice_is_of_what_may_be_off",
            ),
        ),
    ]

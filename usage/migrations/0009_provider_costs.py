"""What providers say that a use costs the operator, beside the events and never part of them."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0008_usage_days_by_day'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProviderCost',
            fields=[
                ('key', models.UUIDField(help_text='That of the event: from source and id.', primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=200)),
                ('event_id', models.CharField(max_length=200)),
                ('amount_micros', models.BigIntegerField(help_text="In the provider's currency, which need not be one that a wallet can have.")),
                ('currency', models.CharField(help_text='ISO 4217, lower case.', max_length=3)),
                ('told_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('amount_micros__gte', 0)), name='provider_cost_is_not_negative')],
            },
        ),
    ]

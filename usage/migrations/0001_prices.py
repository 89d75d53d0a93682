"""Meters, rate cards, rates and the version of all prices."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import usage.models.prices
import uuid
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('workspaces', '0001_initial'),
    ]

    operations = [
        # A trusted extension: the owner of the database may create it without being a superuser.
        BtreeGistExtension(),
        migrations.CreateModel(
            name='Meter',
            fields=[
                ('key', models.CharField(help_text="What an event's type says, as in call_out.", max_length=64, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9_.-]*\\Z')])),
                ('name', models.CharField(help_text='What the customer reads.', max_length=100)),
                ('unit', models.CharField(help_text='One of what is counted: second, segment, message, task, token, run.', max_length=30)),
                ('kind', models.CharField(choices=[('call_out', 'Outbound call'), ('call_in', 'Inbound call'), ('message_out', 'Text message'), ('message_in', 'Inbound message'), ('ai_task', 'AI task'), ('lab', 'Lab use')], max_length=16)),
                ('is_active', models.BooleanField(default=True, help_text='Events of a meter that is switched off are kept aside.')),
                ('live_meter', models.ForeignKey(blank=True, help_text='For lab use: what the same would have been counted on live, in the same unit, to say what it would have cost.', limit_choices_to=models.Q(('kind', 'lab'), _negated=True), null=True, on_delete=django.db.models.deletion.PROTECT, related_name='lab_meters', to='usage.meter')),
            ],
        ),
        migrations.CreateModel(
            name='PriceVersion',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(default=0)),
                ('token', models.UUIDField(default=uuid.uuid4)),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='price_version_is_one_row')],
            },
        ),
        migrations.CreateModel(
            name='RateCard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('currency', models.CharField(choices=[('usd', 'US dollar'), ('eur', 'Euro'), ('gbp', 'British pound'), ('aud', 'Australian dollar'), ('bhd', 'Bahraini dinar'), ('brl', 'Brazilian real'), ('cad', 'Canadian dollar'), ('chf', 'Swiss franc'), ('dkk', 'Danish krone'), ('hkd', 'Hong Kong dollar'), ('jpy', 'Japanese yen'), ('kwd', 'Kuwaiti dinar'), ('mxn', 'Mexican peso'), ('nok', 'Norwegian krone'), ('nzd', 'New Zealand dollar'), ('pln', 'Polish zloty'), ('sek', 'Swedish krona'), ('sgd', 'Singapore dollar'), ('zar', 'South African rand')], help_text='ISO 4217, lower case. Never changes.', max_length=3)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('workspace', models.ForeignKey(blank=True, help_text='Whose own card it is; empty for the default card. Never changes.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_cards', to='workspaces.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='Rate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('prefix', models.CharField(blank=True, default='', help_text='The first digits of the E.164 number that it is for, without the plus; empty for everything else.', max_length=15, validators=[django.core.validators.RegexValidator('^[0-9]*\\Z')])),
                ('price_micros', models.BigIntegerField(help_text='For per_units units. Where there are tiers, that of the first.', validators=[django.core.validators.MinValueValidator(0)])),
                ('per_units', models.IntegerField(default=1, help_text='How many units the price is for: 60 for a price by the minute.', validators=[django.core.validators.MinValueValidator(1)])),
                ('setup_fee_micros', models.BigIntegerField(default=0, help_text='Added once to each use that is not zero.', validators=[django.core.validators.MinValueValidator(0)])),
                ('first_block', models.IntegerField(default=1, help_text='The least that is billed, in units.', validators=[django.core.validators.MinValueValidator(1)])),
                ('step', models.IntegerField(default=1, help_text='After the first block, units are billed in steps of this many.', validators=[django.core.validators.MinValueValidator(1)])),
                ('tiers', models.JSONField(blank=True, default=list, help_text="Graduated prices by the month's billed units: up_to (null for the last) and price_micros for per_units units.", validators=[usage.models.prices.valid_tiers])),
                ('valid_from', models.DateTimeField(help_text="In force from this moment of the use's own time.")),
                ('valid_until', models.DateTimeField(blank=True, help_text='Until just before this moment; the same as valid_from where it never came into force.', null=True)),
                ('meter', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rates', to='usage.meter')),
                ('card', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rates', to='usage.ratecard')),
            ],
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(('key__regex', '^[a-z][a-z0-9_.-]*\\Z')), name='meter_key_is_a_slug'),
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('name', ''), _negated=True), models.Q(('unit', ''), _negated=True)), name='meter_has_name_and_unit'),
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['call_out', 'call_in', 'message_out', 'message_in', 'ai_task', 'lab'])), name='meter_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(('live_meter', None), ('kind', 'lab'), _connector='OR'), name='meter_live_meter_is_for_lab_use'),
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(('live_meter', models.F('key')), _negated=True), name='meter_is_not_its_own_live_meter'),
        ),
        migrations.AddConstraint(
            model_name='ratecard',
            constraint=models.CheckConstraint(condition=models.Q(('currency__in', ['usd', 'eur', 'gbp', 'aud', 'bhd', 'brl', 'cad', 'chf', 'dkk', 'hkd', 'jpy', 'kwd', 'mxn', 'nok', 'nzd', 'pln', 'sek', 'sgd', 'zar'])), name='rate_card_currency_is_known'),
        ),
        migrations.AddConstraint(
            model_name='ratecard',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='rate_card_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='ratecard',
            constraint=models.UniqueConstraint(condition=models.Q(('workspace', None)), fields=('currency',), name='rate_card_default_is_one_per_currency'),
        ),
        migrations.AddConstraint(
            model_name='ratecard',
            constraint=models.UniqueConstraint(condition=models.Q(('workspace__isnull', False)), fields=('workspace',), name='rate_card_own_is_one_per_workspace'),
        ),
        migrations.AddIndex(
            model_name='rate',
            index=models.Index(models.F('card'), models.F('meter'), models.F('prefix'), name='rate_by_card_and_meter'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('prefix__regex', '^[0-9]*\\Z')), name='rate_prefix_is_digits'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('price_micros__gte', 0)), name='rate_price_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('setup_fee_micros__gte', 0)), name='rate_setup_fee_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('per_units__gt', 0)), name='rate_is_per_units'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('first_block__gt', 0), ('step__gt', 0)), name='rate_blocks_are_positive'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('valid_from')), _connector='OR'), name='rate_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='rate',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(expressions=[('card', '='), ('meter', '='), ('prefix', '='), (usage.models.prices.ValidityRange('valid_from', 'valid_until', django.contrib.postgres.fields.ranges.RangeBoundary()), '&&')], name='rate_is_one_at_a_time'),
        ),
    ]

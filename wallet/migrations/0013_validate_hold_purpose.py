"""Looks at every hold once, in a transaction of its own that keeps nobody waiting."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0012_operator_acts"),
    ]

    operations = [ValidateConstraint(model_name="hold", name="hold_purpose_is_known")]

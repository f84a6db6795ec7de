"""The items of a call are found by the index of the constraint that each item occurs once."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("execution", "0001_calls")]

    operations = [
        migrations.AlterField(
            model_name="callitem",
            name="call",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="carried", to="execution.call"
            ),
        ),
    ]

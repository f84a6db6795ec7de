"""Items by change are found by their position or state: an index on the change alone made PostgreSQL sort a whole queue."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("changes", "0009_time_guards")]

    operations = [
        migrations.AlterField(
            model_name="item",
            name="change",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="items", to="changes.change"
            ),
        ),
    ]

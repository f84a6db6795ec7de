"""Lists of targets keep how their lines were read, and the rows with errors as they were in the file."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns, empty for existing lists."""

    dependencies = [("changes", "0011_refusals_are_verified")]

    operations = [
        migrations.AddField("targetlist", "notes", models.JSONField(default=list)),
        migrations.AddField("targetlist", "refused_rows", models.JSONField(default=dict)),
    ]

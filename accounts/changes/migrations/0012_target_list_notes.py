"""Lists of targets keep how their lines were read, and the rows with problems as they stood in the file."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns, empty for the lists that there are."""

    dependencies = [("changes", "0011_refusals_are_verified")]

    operations = [
        migrations.AddField("targetlist", "notes", models.JSONField(default=list)),
        migrations.AddField("targetlist", "refused_rows", models.JSONField(default=dict)),
    ]

"""Risk categories that an administrator has marked as halting."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_notes_stay")]

    operations = [
        migrations.AddField(
            model_name="riskcategory",
            name="is_halting",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]

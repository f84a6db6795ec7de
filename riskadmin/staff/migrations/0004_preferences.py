from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("staff", "0003_remove_sign_in_attempts")]

    operations = [
        migrations.AddField(
            model_name="staff", name="time_zone", field=models.CharField(blank=True, default="", db_default="", max_length=64)
        ),
        migrations.AddField(
            model_name="staff", name="start_page", field=models.CharField(blank=True, default="", db_default="", max_length=64)
        ),
    ]

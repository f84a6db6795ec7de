"""A claim creates its calls in SQL, so the initial values of a call come from PostgreSQL."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("execution", "0002_call_items_without_a_second_index")]

    operations = [
        migrations.AlterField("call", "endpoint", models.CharField(max_length=96, blank=True, db_default="")),
        migrations.AlterField("call", "method", models.CharField(max_length=8, blank=True, db_default="")),
        migrations.AlterField("call", "path", models.TextField(blank=True, db_default="")),
        migrations.AlterField("call", "request_text", models.TextField(blank=True, db_default="")),
        migrations.AlterField("call", "response_text", models.TextField(blank=True, db_default="")),
        migrations.AlterField("call", "note", models.TextField(blank=True, db_default="")),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("changes", "0004_target_lists")]

    operations = [
        migrations.RemoveField(model_name="item", name="dispatched_at"),
        migrations.AddField(model_name="change", name="held_until", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="change", name="held_why", field=models.TextField(blank=True, db_default="")),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(condition=models.Q(("state", "queued")), fields=["change", "position"], name="item_queue"),
        ),
    ]

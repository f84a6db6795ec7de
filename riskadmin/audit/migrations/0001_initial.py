import django.core.serializers.json
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("occurred_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("tag", models.CharField(editable=False, max_length=64)),
                ("staff_id", models.BigIntegerField(editable=False, null=True)),
                ("staff_name", models.CharField(blank=True, editable=False, max_length=150)),
                ("staff_role", models.CharField(blank=True, editable=False, max_length=64)),
                ("job", models.CharField(blank=True, editable=False, max_length=64)),
                ("request_id", models.CharField(blank=True, editable=False, max_length=32)),
                ("address", models.GenericIPAddressField(editable=False, null=True)),
                ("environment", models.CharField(blank=True, editable=False, max_length=8)),
                ("account_id", models.BigIntegerField(editable=False, null=True)),
                ("account_name", models.CharField(blank=True, editable=False, max_length=64)),
                ("change_id", models.BigIntegerField(editable=False, null=True)),
                ("item_id", models.BigIntegerField(editable=False, null=True)),
                ("call_id", models.BigIntegerField(editable=False, null=True)),
                ("reason_code", models.CharField(blank=True, editable=False, max_length=64)),
                ("reason_text", models.TextField(blank=True, editable=False)),
                ("before", models.JSONField(editable=False, encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                ("after", models.JSONField(editable=False, encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                (
                    "detail",
                    models.JSONField(default=dict, editable=False, encoder=django.core.serializers.json.DjangoJSONEncoder),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        name="event_newest",
                    ),
                    models.Index(
                        models.F("tag"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        name="event_by_tag",
                    ),
                    models.Index(
                        models.F("staff_id"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("staff_id__isnull", False)),
                        name="event_by_staff",
                    ),
                    models.Index(
                        models.F("account_id"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("account_id__isnull", False)),
                        name="event_by_account",
                    ),
                    models.Index(
                        django.db.models.functions.text.Upper("account_name"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        name="event_by_account_name",
                    ),
                    models.Index(
                        models.F("environment"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("environment", ""), _negated=True),
                        name="event_by_environment",
                    ),
                    models.Index(
                        models.F("change_id"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("change_id__isnull", False)),
                        name="event_by_change",
                    ),
                    models.Index(
                        models.F("request_id"),
                        models.OrderBy(models.F("occurred_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("request_id", ""), _negated=True),
                        name="event_by_request",
                    ),
                ],
            },
        ),
    ]

"""Files that come with a request, in PostgreSQL."""

import uuid
from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0003.sql"
DROP = """
DROP TRIGGER reasons_attachment_no_truncate ON reasons_attachment;
DROP TRIGGER reasons_attachment_stays ON reasons_attachment;
DROP TRIGGER reasons_attachment_comes_with_change ON reasons_attachment;
DROP TRIGGER reasons_upload_stays ON reasons_upload;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("changes", "0016_guards_in_one_file"),
        ("reasons", "0002_first_reasons"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("name", models.CharField(max_length=120)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("content", models.BinaryField()),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("content", models.BinaryField()),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "change",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attachments",
                        to="changes.change",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("change", "position"), name="attachment_in_order")],
            },
        ),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

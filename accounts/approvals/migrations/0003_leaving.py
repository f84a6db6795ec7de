"""Who takes over what somebody left behind; and approvals by people who may no longer decide let nothing happen."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("approvals", "0002_guards"),
    ]

    operations = [
        migrations.AddField(
            model_name="approvalrequest",
            name="handed_to",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(
            (SQL / "guards_0003.sql").read_text(),
            f"{(SQL / 'guards_0002.sql').read_text()}\nDROP FUNCTION approvals_lapsed(bigint);",
        ),
    ]

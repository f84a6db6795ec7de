"""A verdict that ends a request says why, and at any time a person has at most one incident that still has to be reviewed."""

from pathlib import Path

from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0004.sql"

DROP = """
DROP TRIGGER approvals_approval_reason_guard ON approvals_approval;
DROP FUNCTION approvals_guard_reason();
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("approvals", "0002_guards"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.UniqueConstraint(
                fields=["requested_by"],
                condition=~Q(incident="") & Q(reviewed_at__isnull=True),
                name="approval_request_one_incident",
            ),
        ),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

"""Who paused and resumed a change, and PostgreSQL's rules for it and for who decides about an unknown item.

A change that was paused before has no recorded person who paused it, so only an approver who did not request it can resume it.
"""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0018.sql"

DROP = """
DROP TRIGGER changes_item_resolver_guard ON changes_item;
DROP TRIGGER changes_change_resume_guard ON changes_change;
DROP FUNCTION changes_guard_resolver();
DROP FUNCTION changes_guard_resume();
"""


def _person() -> models.ForeignKey:  # type: ignore[type-arg]  # takes none where it runs
    return models.ForeignKey(
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("approvals", "0002_guards"),
        ("changes", "0017_approvals"),
    ]

    operations = [
        migrations.AddField(model_name="change", name="paused_by", field=_person()),
        migrations.AddField(model_name="change", name="resumed_by", field=_person()),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

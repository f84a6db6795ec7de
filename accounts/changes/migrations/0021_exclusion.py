"""A change that is a new version of an earlier one, and PostgreSQL's rule for when an approver may exclude an item."""

from pathlib import Path

from django.db import migrations, models

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0021.sql"

DROP = """
DROP TRIGGER changes_item_exclusion_guard ON changes_item;
DROP FUNCTION changes_guard_exclusion();
"""

RELATIONS = [
    ("ends", "Ends the lock of"),
    ("undoes", "Undoes"),
    ("repeats", "Repeats items of"),
    ("carries_on", "Carries on with what moved of"),
    ("copies", "Copied from"),
    ("takes_over", "Takes over"),
    ("edits", "New version of"),
]


def _relation() -> models.CharField:  # type: ignore[type-arg]  # takes none where it runs
    return models.CharField(blank=True, choices=RELATIONS, db_default="", default="", max_length=16)


class Migration(migrations.Migration):
    dependencies = [("changes", "0020_content"), ("approvals", "0002_guards")]

    operations = [
        migrations.RemoveConstraint(model_name="change", name="change_related_to_one"),
        migrations.AlterField(model_name="change", name="relation", field=_relation()),
        migrations.AlterField(model_name="targetlist", name="relation", field=_relation()),
        migrations.AddConstraint(
            model_name="change",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("of_change__isnull", True), ("relation", "")),
                    models.Q(("of_change__isnull", False), ("relation__in", [name for name, _ in RELATIONS])),
                    _connector="OR",
                ),
                name="change_related_to_one",
            ),
        ),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

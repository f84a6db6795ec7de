"""When and why a scheduled change was suspended, the change that takes it over, and PostgreSQL's rule for when one may begin."""

from pathlib import Path

from django.db import migrations, models

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0019.sql"

DROP = """
DROP TRIGGER changes_change_start_guard ON changes_change;
DROP FUNCTION changes_guard_start();
"""


RELATIONS = [
    ("ends", "Ends the lock of"),
    ("undoes", "Undoes"),
    ("repeats", "Repeats items of"),
    ("carries_on", "Carries on with what moved of"),
    ("copies", "Copied from"),
    ("takes_over", "Takes over"),
]


def _relation() -> models.CharField:  # type: ignore[type-arg]  # takes none where it runs
    return models.CharField(blank=True, choices=RELATIONS, db_default="", default="", max_length=16)


class Migration(migrations.Migration):
    dependencies = [("changes", "0018_resumed_by_somebody_else")]

    operations = [
        migrations.AddField(model_name="change", name="suspended_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="change", name="suspended_why", field=models.TextField(blank=True, db_default="")),
        migrations.AddConstraint(
            model_name="change",
            constraint=models.CheckConstraint(
                condition=models.Q(("suspended_at", None), ("state__in", ["scheduled", "cancelled"]), _connector="OR"),
                name="change_suspended_before_its_start",
            ),
        ),
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

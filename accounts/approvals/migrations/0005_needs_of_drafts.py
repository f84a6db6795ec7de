"""What rules want for something, also where they are not stored: a drafted policy is tried on the past with it."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql"
BEFORE, AFTER = (SQL / f"guards_{number}.sql" for number in ("0002", "0005"))

DROP = """
DROP FUNCTION approvals_need_by_rules(jsonb, approvals_policyrule[]);
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0002_guards")]

    operations = [
        migrations.RunSQL(AFTER.read_text(encoding="utf-8"), BEFORE.read_text(encoding="utf-8") + DROP),
    ]

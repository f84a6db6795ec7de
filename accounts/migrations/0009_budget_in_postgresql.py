"""The API budget is counted here alone: an admission is decided and recorded by one function, under a lock.

A call already recorded counts towards its endpoint's own limit, whatever came of it: too high for an hour, never too low.
"""

from pathlib import Path

from django.db import migrations, models

BUDGET = Path(__file__).parents[1] / "sql" / "budget_0009.sql"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_mirror_moves")]

    operations = [
        migrations.AddField("apiattempt", "counts_at_address", models.BooleanField(db_default=True)),
        migrations.AddField("apihalt", "succeeded_at", models.DateTimeField(null=True)),
        migrations.RemoveIndex("apiattempt", "attempt_by_time"),
        migrations.AddIndex("apiattempt", models.Index(fields=["api_user", "attempted_at", "id"], name="attempt_by_time")),
        migrations.AddIndex(
            "apiattempt",
            models.Index(
                condition=models.Q(("counts_at_address", True)),
                fields=["address", "endpoint", "attempted_at"],
                name="attempt_at_address",
            ),
        ),
        migrations.RunSQL(
            BUDGET.read_text(encoding="utf-8"),
            "DROP FUNCTION budget_admit; DROP FUNCTION budget_allowed; DROP FUNCTION budget_stops;",
        ),
    ]

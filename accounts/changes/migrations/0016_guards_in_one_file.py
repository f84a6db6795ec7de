"""PostgreSQL's rules as one SQL file: each refusal names its rule, and only a person who may decide can approve or reject.

Going back installs the functions of the migrations before.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0016.sql"


def _of(name: str) -> Any:
    return import_module(f"accounts.changes.migrations.{name}")


def _functions(text: str) -> str:
    """Return the functions of a migration that created them together with their triggers."""
    functions, _, _ = text.partition("CREATE TRIGGER")
    return functions.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


BEFORE = (
    _functions(_of("0002_guards").CREATE)
    + _of("0009_time_guards").GUARD_CHANGE % _of("0009_time_guards").CHANGE_NOW
    + _of("0011_refusals_are_verified").GUARD_NOW
    + _functions(_of("0013_resolved_by_somebody_else").CREATE)
    + _functions(_of("0014_effects").KEEP_EFFECTS)
    + "DROP FUNCTION changes_may_decide(bigint, text);"
)


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("changes", "0015_ticket_of_any_length"),
    ]

    operations = [migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), BEFORE)]

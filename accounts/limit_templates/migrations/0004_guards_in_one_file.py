"""PostgreSQL's rules as one SQL file: each refusal names its rule, and only a person who may decide can approve or reject.

Going back installs the functions of migration 0002.
"""

from importlib import import_module
from pathlib import Path

from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0004.sql"
BEFORE = import_module("accounts.limit_templates.migrations.0002_guards").CREATE.partition("CREATE TRIGGER")[0]


class Migration(migrations.Migration):
    dependencies = [("limit_templates", "0003_governed"), ("changes", "0016_guards_in_one_file")]

    operations = [
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    ]

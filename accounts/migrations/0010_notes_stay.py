"""Notes about accounts are never altered or deleted: PostgreSQL refuses it."""

from pathlib import Path

from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0010.sql"

DROP = """
DROP TRIGGER accounts_accountnote_no_truncate ON accounts_accountnote;
DROP TRIGGER accounts_accountnote_stays ON accounts_accountnote;
DROP FUNCTION accounts_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_budget_in_postgresql")]

    operations = [migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP)]

"""Call evidence is completed once and never altered or deleted: PostgreSQL refuses it."""

from pathlib import Path

from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0004.sql"

DROP = """
DROP TRIGGER execution_callitem_no_truncate ON execution_callitem;
DROP TRIGGER execution_callitem_stays ON execution_callitem;
DROP TRIGGER execution_call_no_truncate ON execution_call;
DROP TRIGGER execution_call_stays ON execution_call;
DROP TRIGGER execution_call_completed_once ON execution_call;
DROP FUNCTION execution_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0003_calls_with_defaults")]

    operations = [migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP)]

"""Leaves, nodes, checkpoints and receipts of anchors are never altered or deleted: PostgreSQL refuses it."""

from pathlib import Path

from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0002.sql"

DROP = "\n".join(
    [
        *(
            f"DROP TRIGGER proof_{table}_{what} ON proof_{table};"
            for table in ("leaf", "node", "checkpoint", "anchor")
            for what in ("stays", "no_truncate")
        ),
        "DROP FUNCTION proof_refuse();",
    ]
)


class Migration(migrations.Migration):
    dependencies = [("proof", "0001_leaves")]

    operations = [migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP)]

"""Each item's digest of its own row, and PostgreSQL's rule that new changes have digests that can be computed again."""

from pathlib import Path

from django.db import migrations, models

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0020.sql"

DROP = """
DROP TRIGGER changes_item_digest_guard ON changes_item;
DROP TRIGGER changes_change_version_guard ON changes_change;
DROP TRIGGER changes_change_new_digest_guard ON changes_change;
DROP FUNCTION changes_guard_item_digest();
DROP FUNCTION changes_guard_digest();
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0019_suspended")]

    operations = [
        # Empty for the items of changes whose digest is older: those are taken as they are stored.
        migrations.AddField(model_name="item", name="digest", field=models.CharField(blank=True, db_default="", max_length=64)),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

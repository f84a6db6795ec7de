"""A refusal is read back before it is an outcome, so an item is rejected from `sent` or `unknown`; else the rules of 0009.

An item also keeps what was read right before its call if that is not what was shown, and when its last reading was.
"""

from importlib import import_module

import django.core.serializers.json
from django.db import migrations, models

_BEFORE = import_module("accounts.changes.migrations.0009_time_guards")
GUARD_BEFORE = _BEFORE.GUARD_ITEM % _BEFORE.ITEM_NOW
GUARD_NOW = GUARD_BEFORE.replace("('sent', 'queued'),", "('sent', 'queued'), ('sent', 'rejected'), ('unknown', 'rejected'),")


class Migration(migrations.Migration):
    dependencies = [("changes", "0010_items_without_a_second_index_by_change")]

    operations = [
        migrations.AddField("item", "refusal", models.TextField(blank=True, default="", db_default="")),
        migrations.AddField(
            "item", "found", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)
        ),
        migrations.AddField("item", "seen_at", models.DateTimeField(null=True)),
        migrations.RunSQL(GUARD_NOW, GUARD_BEFORE),
    ]

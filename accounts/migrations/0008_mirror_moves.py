"""Moves in the mirror are recorded for everything that someone can set at Tradovate, not for limits alone."""

import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

KINDS = [
    ("lock", "Locked"),
    ("liquidate", "Liquidated and locked"),
    ("closing_only", "Set to closing only"),
    ("unlock", "Unlocked"),
    ("action", "Admin action changed"),
    ("category", "Risk category changed"),
    ("firm_limits", "Firm's limits changed"),
    ("trader_limits", "Trader's own limits changed"),
    ("position_limits", "Position limits changed"),
    ("risk_parameters", "Risk parameters changed"),
]
SUBJECTS = [
    ("firm", "Firm's limits"),
    ("trader", "Trader's own limits"),
    ("status", "Risk status"),
    ("category", "Risk category"),
    ("position_limits", "Position limits"),
    ("risk_parameters", "Risk parameters"),
]


def take_old_moves_for_judged(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Mark earlier moves as judged: otherwise events of long ago would be reported as new."""
    moves = apps.get_model("accounts", "MirrorMove").objects
    moves.update(noted_at=models.F("read_at"), judged_at=models.F("read_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_unreadable"),
    ]

    operations = [
        migrations.RenameModel("LimitsMove", "MirrorMove"),
        migrations.RemoveIndex("MirrorMove", "limits_move_newest"),
        migrations.RenameField("MirrorMove", "level", "subject"),
        migrations.AlterField("MirrorMove", "subject", models.CharField(choices=SUBJECTS, max_length=16)),
        migrations.AlterField(
            "MirrorMove",
            "account",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="moves",
                to="accounts.account",
            ),
        ),
        migrations.AddField("MirrorMove", "noted_at", models.DateTimeField(default=django.utils.timezone.now)),
        migrations.AddField("MirrorMove", "judged_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "MirrorMove",
            "outside_kind",
            models.CharField(blank=True, choices=KINDS, db_default="", default="", max_length=16),
        ),
        migrations.AddField("MirrorMove", "outside", models.JSONField(null=True)),
        migrations.AddIndex("MirrorMove", models.Index(fields=["account", "subject", "-read_at"], name="move_newest")),
        migrations.AddIndex(
            "MirrorMove",
            models.Index(condition=models.Q(("judged_at", None)), fields=["id"], name="move_to_judge"),
        ),
        migrations.AddIndex(
            "MirrorMove",
            models.Index(condition=models.Q(("outside_kind", ""), _negated=True), fields=["-read_at"], name="move_outside"),
        ),
        migrations.RunPython(take_old_moves_for_judged, migrations.RunPython.noop, elidable=True),
    ]

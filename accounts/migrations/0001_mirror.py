"""The mirror's tables. pg_trgm, which searches by part of a name use, is a trusted extension: it needs no superuser."""

import django.contrib.postgres.indexes
import django.contrib.postgres.operations
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        django.contrib.postgres.operations.TrigramExtension(),
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("environment", models.CharField(choices=[("demo", "Demo"), ("live", "Live")], max_length=8)),
                ("tradovate_id", models.BigIntegerField()),
                ("name", models.CharField(max_length=64)),
                ("account_type", models.CharField(blank=True, max_length=32)),
                ("closed", models.BooleanField(default=False)),
                ("restricted", models.BooleanField(default=False)),
                ("archived", models.BooleanField(default=False)),
                ("missing_since", models.DateTimeField(null=True)),
                ("evaluation_size_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("positions_read_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("environment", models.CharField(choices=[("demo", "Demo"), ("live", "Live")], max_length=8, unique=True)),
                ("ciphertext", models.BinaryField(default=b"")),
                ("expires_at", models.DateTimeField(null=True)),
                ("generation", models.BigIntegerField(default=0)),
                ("lease_holder", models.CharField(blank=True, max_length=64)),
                ("leased_until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ApiAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("api_user", models.CharField(max_length=64)),
                ("endpoint", models.CharField(max_length=96)),
                ("lane", models.CharField(max_length=8)),
                ("attempted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["api_user", "attempted_at"], name="attempt_by_time")],
            },
        ),
        migrations.CreateModel(
            name="ApiHalt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("api_user", models.CharField(max_length=64)),
                ("endpoint", models.CharField(blank=True, max_length=96)),
                ("until", models.DateTimeField()),
                ("reason", models.CharField(max_length=200)),
                ("noticed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["api_user", "until"], name="halt_by_end")],
            },
        ),
        migrations.CreateModel(
            name="Cash",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("amount_usd", models.DecimalField(decimal_places=2, max_digits=16)),
                ("amount_sod_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("realized_pnl_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("week_realized_pnl_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="cash", to="accounts.account"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "cash",
            },
        ),
        migrations.CreateModel(
            name="RiskCategory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("environment", models.CharField(choices=[("demo", "Demo"), ("live", "Live")], max_length=8)),
                ("tradovate_id", models.BigIntegerField()),
                ("name", models.CharField(max_length=128)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("environment", "tradovate_id"), name="risk_category_once")],
            },
        ),
        migrations.AddField(
            model_name="account",
            name="risk_category",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="accounts",
                to="accounts.riskcategory",
            ),
        ),
        migrations.CreateModel(
            name="SyncRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("environment", models.CharField(choices=[("demo", "Demo"), ("live", "Live")], max_length=8)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("calls", models.IntegerField(default=0)),
                ("rows", models.IntegerField(default=0)),
                ("failure", models.TextField(blank=True)),
            ],
            options={
                "indexes": [models.Index(fields=["environment", "-started_at"], name="sync_newest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)), fields=("environment",), name="sync_one_at_a_time"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Trader",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("environment", models.CharField(choices=[("demo", "Demo"), ("live", "Live")], max_length=8)),
                ("tradovate_id", models.BigIntegerField()),
                ("name", models.CharField(max_length=64)),
                ("email", models.CharField(blank=True, max_length=254)),
                ("status", models.CharField(blank=True, max_length=32)),
                ("missing_since", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["name", "email"], name="trader_search", opclasses=["gin_trgm_ops", "gin_trgm_ops"]
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("environment", "tradovate_id"), name="trader_once")],
            },
        ),
        migrations.AddField(
            model_name="account",
            name="trader",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="accounts", to="accounts.trader"
            ),
        ),
        migrations.CreateModel(
            name="TradingPermission",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("environment", models.CharField(choices=[("demo", "Demo"), ("live", "Live")], max_length=8)),
                ("tradovate_id", models.BigIntegerField()),
                ("status", models.CharField(max_length=32)),
                ("missing_since", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="permissions", to="accounts.account"
                    ),
                ),
                (
                    "trader",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="permissions", to="accounts.trader"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AutoLiqLimits",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("firm", "Firm (userAccountAutoLiq)"), ("trader", "Trader (permissionedAccountAutoLiq)")],
                        max_length=8,
                    ),
                ),
                ("changes_locked", models.BooleanField(null=True)),
                ("margin_alert_pct", models.DecimalField(decimal_places=4, max_digits=9, null=True)),
                ("margin_liq_only_pct", models.DecimalField(decimal_places=4, max_digits=9, null=True)),
                ("margin_auto_liq_pct", models.DecimalField(decimal_places=4, max_digits=9, null=True)),
                ("daily_loss_alert_pct", models.DecimalField(decimal_places=4, max_digits=9, null=True)),
                ("daily_loss_liq_only_pct", models.DecimalField(decimal_places=4, max_digits=9, null=True)),
                ("daily_loss_auto_liq_pct", models.DecimalField(decimal_places=4, max_digits=9, null=True)),
                ("daily_loss_alert_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("daily_loss_liq_only_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("daily_loss_auto_liq_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("weekly_loss_auto_liq_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("daily_profit_auto_liq_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("weekly_profit_auto_liq_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("flatten_at", models.DateTimeField(null=True)),
                ("trailing_max_drawdown_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("trailing_max_drawdown_limit_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("trailing_max_drawdown_mode", models.CharField(blank=True, max_length=16)),
                ("do_not_unlock", models.BooleanField(null=True)),
                ("stepped_cooldown", models.JSONField(null=True)),
                ("stepped_unlimited", models.BooleanField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="limits",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "auto-liq limits",
                "constraints": [models.UniqueConstraint(fields=("account", "level"), name="limits_once_per_level")],
            },
        ),
        migrations.CreateModel(
            name="Position",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("tradovate_id", models.BigIntegerField()),
                ("contract_id", models.BigIntegerField()),
                ("net_pos", models.IntegerField()),
                ("net_price", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
                ("traded_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="positions",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("account", "tradovate_id"), name="position_once")],
            },
        ),
        migrations.CreateModel(
            name="RiskStatus",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fresh_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("sync", "full read"), ("refresh", "read on demand"), ("confirm", "read-back after a call")],
                        max_length=8,
                    ),
                ),
                ("admin_action", models.CharField(blank=True, max_length=64)),
                ("admin_at", models.DateTimeField(null=True)),
                ("liquidate_only_at", models.DateTimeField(null=True)),
                ("user_triggered_liq_only", models.BooleanField(null=True)),
                ("max_net_liq_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                ("min_net_liq_usd", models.DecimalField(decimal_places=2, max_digits=16, null=True)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="risk_status", to="accounts.account"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("admin_action__in", ["", "Normal"]), _negated=True),
                        fields=["admin_action", "account"],
                        name="risk_status_acted",
                    ),
                    models.Index(
                        condition=models.Q(("liquidate_only_at__isnull", False)), fields=["account"], name="risk_status_stopped"
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["name", "id"], name="account_in_order"),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["environment", "name", "id"], name="account_in_environment"),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["risk_category", "name", "id"], name="account_in_category"),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["name"], name="account_name_prefix", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="account",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["name"], name="account_name_part", opclasses=["gin_trgm_ops"]
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(fields=("environment", "tradovate_id"), name="account_once"),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("archived", True), models.Q(("closed", False), ("missing_since__isnull", True)), _connector="OR"
                ),
                name="account_gone_is_archived",
            ),
        ),
        migrations.AddConstraint(
            model_name="tradingpermission",
            constraint=models.UniqueConstraint(fields=("environment", "tradovate_id"), name="trading_permission_once"),
        ),
    ]

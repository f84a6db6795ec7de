"""Position limits and risk parameters in the mirror, and when each account's were read."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_mirror"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="position_limits_read_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="risk_parameters_read_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="PositionLimit",
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
                ("contract_id", models.BigIntegerField(null=True)),
                ("product_id", models.BigIntegerField(null=True)),
                ("exchange_id", models.BigIntegerField(null=True)),
                ("product_type", models.TextField(blank=True)),
                ("risk_discount_contract_group_id", models.BigIntegerField(null=True)),
                ("product_verification_status", models.TextField(blank=True)),
                ("contract_group_id", models.BigIntegerField(null=True)),
                ("fungible_product_id", models.BigIntegerField(null=True)),
                ("unknown_fields", models.JSONField(default=list)),
                ("active", models.BooleanField()),
                ("total_by", models.TextField()),
                ("risk_time_period_id", models.BigIntegerField(null=True)),
                ("short_limit", models.BigIntegerField(null=True)),
                ("long_limit", models.BigIntegerField(null=True)),
                ("exposed_limit", models.BigIntegerField(null=True)),
                ("fungible_exposed_limit", models.BigIntegerField(null=True)),
                ("description", models.TextField(blank=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="position_limits",
                        to="accounts.account",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RiskParameter",
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
                ("contract_id", models.BigIntegerField(null=True)),
                ("product_id", models.BigIntegerField(null=True)),
                ("exchange_id", models.BigIntegerField(null=True)),
                ("product_type", models.TextField(blank=True)),
                ("risk_discount_contract_group_id", models.BigIntegerField(null=True)),
                ("product_verification_status", models.TextField(blank=True)),
                ("contract_group_id", models.BigIntegerField(null=True)),
                ("fungible_product_id", models.BigIntegerField(null=True)),
                ("unknown_fields", models.JSONField(default=list)),
                ("max_opening_order_qty", models.BigIntegerField(null=True)),
                ("max_closing_order_qty", models.BigIntegerField(null=True)),
                ("fungible_max_opening_order_qty", models.BigIntegerField(null=True)),
                ("fungible_max_closing_order_qty", models.BigIntegerField(null=True)),
                ("max_back_month", models.BigIntegerField(null=True)),
                ("pre_expiration_days", models.BigIntegerField(null=True)),
                ("margin_percentage", models.DecimalField(decimal_places=8, max_digits=24, null=True)),
                ("margin_dollar_value", models.DecimalField(decimal_places=8, max_digits=24, null=True)),
                ("hard_limit", models.BooleanField(null=True)),
                (
                    "position_limit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="risk_parameters",
                        to="accounts.positionlimit",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="positionlimit",
            constraint=models.UniqueConstraint(fields=("account", "tradovate_id"), name="position_limit_once"),
        ),
        migrations.AddConstraint(
            model_name="riskparameter",
            constraint=models.UniqueConstraint(fields=("position_limit", "tradovate_id"), name="risk_parameter_once"),
        ),
    ]

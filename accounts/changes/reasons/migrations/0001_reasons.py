"""The firm's own reasons, and what a request says besides its reason, which PostgreSQL keeps as requested."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0001.sql"
DROP = """
DROP TRIGGER reasons_background_no_truncate ON reasons_background;
DROP TRIGGER reasons_background_stays ON reasons_background;
DROP TRIGGER reasons_background_comes_with_change ON reasons_background;
DROP FUNCTION reasons_refuse();
DROP FUNCTION reasons_comes_with_change();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("changes", "0016_guards_in_one_file"),
    ]

    operations = [
        migrations.CreateModel(
            name="FirmReason",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=32)),
                ("position", models.PositiveIntegerField()),
                ("name", models.CharField(max_length=80)),
                (
                    "code",
                    models.CharField(
                        choices=[
                            ("CloseAMLDecision", "CloseAMLDecision"),
                            ("CloseComplianceDecision", "CloseComplianceDecision"),
                            ("CloseCustomerRequest", "CloseCustomerRequest"),
                            ("CloseDeceased", "CloseDeceased"),
                            ("CloseEscheatment", "CloseEscheatment"),
                            ("CloseFraud", "CloseFraud"),
                            ("CloseInactiveUnfundedAccount", "CloseInactiveUnfundedAccount"),
                            ("FullBalanceWithdrawal", "FullBalanceWithdrawal"),
                            ("Other", "Other"),
                            ("RestrictedAMLRequest", "RestrictedAMLRequest"),
                            ("RestrictedAccountsRequest", "RestrictedAccountsRequest"),
                            ("RestrictedComplianceRequest", "RestrictedComplianceRequest"),
                            ("RestrictedRiskRestriction", "RestrictedRiskRestriction"),
                            ("RestrictedTreasuryRequest", "RestrictedTreasuryRequest"),
                            ("RestrictedW8Expired", "RestrictedW8Expired"),
                        ],
                        max_length=64,
                    ),
                ),
                ("text", models.TextField(blank=True, max_length=8192)),
                ("retired_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "name"), name="firm_reason_once_per_kind"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("code", "Other"), _negated=True), models.Q(("text", ""), _negated=True), _connector="OR"
                        ),
                        name="firm_reason_other_has_text",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Background",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("firm_reason_name", models.CharField(blank=True, max_length=80)),
                ("ticket", models.CharField(blank=True, max_length=64)),
                ("digest", models.CharField(max_length=64)),
                (
                    "change",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="background", to="changes.change"
                    ),
                ),
                (
                    "firm_reason",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reasons.firmreason",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

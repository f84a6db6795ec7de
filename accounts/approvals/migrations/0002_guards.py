"""The policy that a new database starts with (docs/policy.md), and PostgreSQL's rules for approvals and policy.

They are installed once everything that was stored before has been moved here. A database that had rules of its own keeps them.
"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0002.sql"

DROP = """
DROP TRIGGER approvals_request_guard ON approvals_approvalrequest;
DROP TRIGGER approvals_request_stays ON approvals_approvalrequest;
DROP TRIGGER approvals_request_no_truncate ON approvals_approvalrequest;
DROP TRIGGER approvals_approval_guard ON approvals_approval;
DROP TRIGGER approvals_approval_reason_guard ON approvals_approval;
DROP TRIGGER approvals_approval_stays ON approvals_approval;
DROP TRIGGER approvals_approval_no_truncate ON approvals_approval;
DROP TRIGGER approvals_comment_stays ON approvals_comment;
DROP TRIGGER approvals_comment_no_truncate ON approvals_comment;
DROP TRIGGER approvals_policy_guard ON approvals_policyversion;
DROP TRIGGER approvals_policy_stays ON approvals_policyversion;
DROP TRIGGER approvals_policy_no_truncate ON approvals_policyversion;
DROP TRIGGER approvals_rule_guard ON approvals_policyrule;
DROP TRIGGER approvals_rule_stays ON approvals_policyrule;
DROP TRIGGER approvals_rule_no_truncate ON approvals_policyrule;
DROP FUNCTION approvals_refuse(), approvals_guard_rule(), approvals_guard_policy(), approvals_guard_request(),
    approvals_check_incident(approvals_approvalrequest), approvals_guard_approval(), approvals_guard_reason(), approvals_hold(bigint, text),
    approvals_stage_role(bigint), approvals_stage(bigint), approvals_given(bigint, text),
    approvals_may_decide(bigint, text, text), approvals_role_of(bigint), approvals_has_role(bigint, text[]),
    approvals_items_24h(bigint, text, timestamptz, bigint), approvals_need(jsonb, bigint), approvals_need_by_rules(jsonb, approvals_policyrule[]),
    approvals_in_stages(jsonb),
    approvals_rule_matches(approvals_policyrule, jsonb);
"""


ONE = [{"approvals": 1, "role": "supervisor"}]
TWO = [{"approvals": 2, "role": "supervisor"}]
LOOSER = ["loosening", "mixed"]
RULES: tuple[dict[str, Any], ...] = (
    {"directions": ["tightening"], "review_within_hours": 24, "note": "Protective: at once, then reviewed."},
    {
        "directions": ["tightening"],
        "requester_role": "support",
        "from_items": 26,
        "stages": ONE,
        "note": "So many at once need a supervisor, also if they only protect.",
    },
    {
        "directions": ["tightening"],
        "requester_role": "support",
        "from_items_24h": 101,
        "stages": ONE,
        "note": "The same in many small requests.",
    },
    {"directions": LOOSER, "stages": ONE, "note": "May loosen."},
    {
        "kinds": ["unlock", "user_lockout", "reset_auto_liq_status", "max_net_liq", "demo_balance", "remediation"],
        "stages": ONE,
        "note": "The trader may trade again, or money moves.",
    },
    {"from_liquidations": 1, "stages": TWO, "note": "Liquidates, or might: what is closed stays closed."},
    {"kinds": ["liquidate"], "stages": TWO, "note": "Destructive: what is closed stays closed."},
    {
        "environment": "live",
        "directions": LOOSER,
        "stages": TWO,
        "note": "Orders on live are filled for real money.",
    },
    {
        "environment": "live",
        "directions": ["tightening"],
        "kinds": ["auto_liq_limits", "position_limit", "risk_parameter"],
        "stages": TWO,
        "note": "Orders on live are filled for real money.",
    },
    {"directions": LOOSER, "from_items_24h": 1001, "stages": TWO, "note": "So many need two supervisors."},
)


def write_first_rules(apps, schema_editor):
    alias = schema_editor.connection.alias
    version = apps.get_model("approvals", "PolicyVersion").objects.using(alias).get()
    if version.rule_count:
        return  # a database that had rules
    version.rule_count, version.note = len(RULES), "The policy to begin with."
    version.save()
    rule = apps.get_model("approvals", "PolicyRule")
    rule.objects.using(alias).bulk_create(
        rule(version=version, position=place, **columns) for place, columns in enumerate(RULES, start=1)
    )
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("approvals", "0001_approvals"),
        ("changes", "0017_approvals"),
        ("limit_templates", "0005_approvals"),
    ]

    operations = [
        migrations.RunPython(write_first_rules, migrations.RunPython.noop),
        migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP),
    ]

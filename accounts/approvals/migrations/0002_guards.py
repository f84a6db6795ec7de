"""PostgreSQL's rules for approvals, installed once everything that was stored before has been moved here."""

from pathlib import Path

from django.conf import settings
from django.db import migrations

GUARDS = Path(__file__).parents[1] / "sql" / "guards_0002.sql"

DROP = """
DROP TRIGGER approvals_request_guard ON approvals_approvalrequest;
DROP TRIGGER approvals_request_stays ON approvals_approvalrequest;
DROP TRIGGER approvals_request_no_truncate ON approvals_approvalrequest;
DROP TRIGGER approvals_approval_guard ON approvals_approval;
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
    approvals_check_incident(approvals_approvalrequest), approvals_guard_approval(), approvals_hold(bigint, text),
    approvals_stage_role(bigint), approvals_stage(bigint), approvals_given(bigint, text),
    approvals_may_decide(bigint, text, text), approvals_role_of(bigint), approvals_has_role(bigint, text[]),
    approvals_items_24h(bigint, text, timestamptz, bigint), approvals_need(jsonb, bigint), approvals_in_stages(jsonb),
    approvals_rule_matches(approvals_policyrule, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("approvals", "0001_approvals"),
        ("changes", "0017_approvals"),
        ("limit_templates", "0005_approvals"),
    ]

    operations = [migrations.RunSQL(GUARDS.read_text(encoding="utf-8"), DROP)]

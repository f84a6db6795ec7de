"""Approvals of versions are stored with all other approvals (`accounts.approvals`): those of before are moved there.

Only a database without versions can go back.
"""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).parents[1] / "sql"
GUARDS_BEFORE = (SQL / "guards_0004.sql").read_text(encoding="utf-8")
GUARDS = (SQL / "guards_0005.sql").read_text(encoding="utf-8")

MOVE = """
SET CONSTRAINTS ALL DEFERRED;
UPDATE limit_templates_templateversion SET approval_id = nextval(pg_get_serial_sequence('approvals_approvalrequest', 'id'));

INSERT INTO approvals_approvalrequest (
    id, subject, digest, version, requested_by_id, requested_by_name, requested_at, facts, rules, needed, stages, state, decided_at)
SELECT approval_id, 'template_version', digest, 1, proposed_by_id, proposed_by_name, proposed_at,
       '{"subject": "template_version", "kind": "auto_liq_limits"}', '{}', decisions_needed,
       CASE WHEN decisions_needed = 0 THEN '[]'
            ELSE jsonb_build_array(jsonb_build_object('approvals', decisions_needed, 'role', decider_role)) END,
       CASE state WHEN 'proposed' THEN 'waiting' WHEN 'rejected' THEN state WHEN 'withdrawn' THEN state ELSE 'approved' END,
       coalesce(in_force_at, ended_at)
FROM limit_templates_templateversion;

INSERT INTO approvals_approval (
    request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded, made_at)
SELECT version.approval_id, 1, given.staff_id, given.staff_name, given.staff_role, given.verdict, 1, given.digest, given.comment,
       '[]', given.decided_at
FROM limit_templates_templatedecision AS given JOIN limit_templates_templateversion AS version ON version.id = given.version_id
ORDER BY given.id;

SET CONSTRAINTS ALL IMMEDIATE;
"""

UNDO = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM limit_templates_templateversion) THEN
        RAISE EXCEPTION 'There is no way back: there are versions whose approvals the older columns can''t hold.';
    END IF;
END;
$$
"""

DROP_OLD = """
DROP FUNCTION limit_templates_guard_decision(), limit_templates_approvals(bigint, text);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0001_approvals"),
        ("changes", "0017_approvals"),
        ("limit_templates", "0004_guards_in_one_file"),
    ]

    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, GUARDS_BEFORE),
        migrations.AddField(
            model_name="templateversion",
            name="approval",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="template_version",
                to="approvals.approvalrequest",
            ),
        ),
        migrations.RunSQL(MOVE, UNDO),
        migrations.RemoveField(model_name="templateversion", name="decider_role"),
        migrations.RemoveField(model_name="templateversion", name="decisions_needed"),
        migrations.DeleteModel(name="TemplateDecision"),
        migrations.AlterField(
            model_name="templateversion",
            name="approval",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="template_version",
                to="approvals.approvalrequest",
            ),
        ),
        migrations.RunSQL(GUARDS + DROP_OLD, migrations.RunSQL.noop),
    ]

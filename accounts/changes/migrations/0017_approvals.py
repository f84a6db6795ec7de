"""Approvals and policy have a package of their own: what was stored here is moved there, without loss.

Only a database without changes can go back: the older columns can't hold what approvals may say by now.
"""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).parents[1] / "sql"
GUARDS_BEFORE = (SQL / "guards_0016.sql").read_text(encoding="utf-8")
GUARDS = (SQL / "guards_0017.sql").read_text(encoding="utf-8")

# Facts are what policy would have been asked with, as far as it is stored; the time series of past requests is what a proposed
# policy is tried on.
MOVE = """
SET CONSTRAINTS ALL DEFERRED;
UPDATE changes_change SET approval_id = nextval(pg_get_serial_sequence('approvals_approvalrequest', 'id'));

INSERT INTO approvals_approvalrequest (
    id, subject, digest, version, requested_by_id, requested_by_name, requested_at, facts, rules, needed, stages, expires_at,
    state, decided_at)
SELECT approval_id, 'change', digest, 1, requested_by_id, requested_by_name, submitted_at,
       jsonb_build_object(
           'subject', 'change', 'kind', kind, 'environment', environment, 'requester_role', role, 'direction', direction,
           'hours', NULL, 'items', items, 'items_24h', sum(items) OVER (
               PARTITION BY requested_by_id, kind ORDER BY submitted_at RANGE BETWEEN '24 hours' PRECEDING AND CURRENT ROW),
           'money_usd', effects->>'largest_money_effect_usd',
           'liquidations', (effects->>'liquidated')::bigint + (effects->>'possibly_liquidated')::bigint,
           'open_positions', CASE WHEN effects->>'positions_unknown' = '0' THEN (effects->>'open_positions')::bigint END,
           'at_least', 0, 'runs_at', runs_at),
       '{}', decisions_needed,
       CASE WHEN decisions_needed = 0 THEN '[]'
            ELSE jsonb_build_array(jsonb_build_object('approvals', decisions_needed, 'role', decider_role)) END,
       expires_at,
       CASE WHEN state = 'pending' THEN 'waiting'
            WHEN state IN ('rejected', 'expired') THEN state
            WHEN state = 'cancelled' AND approved < decisions_needed THEN 'withdrawn'
            ELSE 'approved' END,
       decided_at
FROM (
    SELECT change.*, coalesce((effects->>'targets')::bigint, item_count) AS items,
           (SELECT count(*) FROM changes_decision AS given
            WHERE given.change_id = change.id AND given.verdict = 'approve' AND given.digest = change.digest) AS approved,
           (SELECT CASE WHEN 'supervisor' = ANY (string_to_array(staff_role, ', ')) THEN 'supervisor'
                        WHEN 'support' = ANY (string_to_array(staff_role, ', ')) THEN 'support' END
            FROM audit_event WHERE change_id = change.id AND tag = 'change:request:submitted' LIMIT 1) AS role,
           CASE WHEN (effects->>'looser')::bigint > 0 AND (effects->>'tighter')::bigint > 0 THEN 'mixed'
                WHEN (effects->>'looser')::bigint > 0 THEN 'loosening'
                WHEN (effects->>'tighter')::bigint > 0 THEN 'tightening' END AS direction
    FROM changes_change AS change
) AS asked;

INSERT INTO approvals_approval (
    request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded, made_at)
SELECT change.approval_id, 1, given.staff_id, given.staff_name, given.staff_role, given.verdict, 1, given.digest, given.comment,
       '[]', given.decided_at
FROM changes_decision AS given JOIN changes_change AS change ON change.id = given.change_id
ORDER BY given.id;

INSERT INTO approvals_policyversion (number, note, proposed_by_name, proposed_at, digest, rule_count, state, in_force_at)
SELECT 1, 'The rules that were in force before the policy had versions.', '', now(), '', count(*), 'in_force', now()
FROM changes_policyrule;

INSERT INTO approvals_policyrule (
    version_id, position, kinds, directions, environment, requester_role, hours, from_items, from_items_24h, from_money_usd,
    from_liquidations, from_open_positions, stages, valid_hours, note)
SELECT version.id, row_number() OVER (ORDER BY rule.kind, rule.environment, rule.at_least_items),
       CASE WHEN rule.kind = '' THEN '{}'::varchar[] ELSE ARRAY[rule.kind] END, '{}', rule.environment, '', '',
       rule.at_least_items, 0, 0, 0, 0,
       CASE WHEN rule.decisions_needed = 0 THEN '[]'
            ELSE jsonb_build_array(jsonb_build_object('approvals', rule.decisions_needed, 'role', rule.decider_role)) END,
       rule.expires_after_hours, rule.note
FROM changes_policyrule AS rule, approvals_policyversion AS version;

SET CONSTRAINTS ALL IMMEDIATE;
"""

UNDO = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM changes_change) THEN
        RAISE EXCEPTION 'There is no way back: there are changes whose approvals the older columns can''t hold.';
    END IF;
    DELETE FROM approvals_policyrule;
    DELETE FROM approvals_policyversion;
END;
$$
"""

DROP_OLD = """
DROP FUNCTION changes_guard_decision(), changes_may_decide(bigint, text), changes_approvals(bigint, text);
"""
DROP_NEW = """
DROP TRIGGER changes_change_counts_facts ON changes_change;
DROP FUNCTION changes_count_facts();
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_approvals"), ("changes", "0016_guards_in_one_file"), ("audit", "0002_append_only")]

    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, GUARDS_BEFORE),
        migrations.AddField(
            model_name="change",
            name="approval",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="change",
                to="approvals.approvalrequest",
            ),
        ),
        migrations.RunSQL(MOVE, UNDO),
        migrations.RemoveField(model_name="change", name="decided_at"),
        migrations.RemoveField(model_name="change", name="decider_role"),
        migrations.RemoveField(model_name="change", name="decisions_needed"),
        migrations.RemoveField(model_name="change", name="expires_at"),
        migrations.DeleteModel(name="Decision"),
        migrations.DeleteModel(name="PolicyRule"),
        migrations.AlterField(
            model_name="change",
            name="approval",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="change",
                to="approvals.approvalrequest",
            ),
        ),
        migrations.RunSQL(GUARDS + DROP_OLD, DROP_NEW),
    ]

-- What most tests begin with in place of the default policy: each kind for itself, without a review.
ALTER TABLE approvals_policyrule DISABLE TRIGGER USER;
ALTER TABLE approvals_policyversion DISABLE TRIGGER USER;
DELETE FROM approvals_policyrule;
INSERT INTO approvals_policyrule (
    version_id, position, kinds, directions, environment, requester_role, hours, from_items, from_items_24h, from_money_usd,
    from_liquidations, from_open_positions, stages, valid_hours, note)
SELECT version.id, row_number() OVER (ORDER BY kind, first), ARRAY[kind], '{}', '', '', '', first, 0, 0, 0, 0,
       CASE WHEN needed = 0 THEN '[]' ELSE jsonb_build_array(jsonb_build_object('approvals', needed, 'role', 'supervisor')) END, 24, ''
FROM approvals_policyversion AS version, (VALUES
    ('lock', 1, 0), ('liquidate_only', 1, 0), ('unlock', 1, 1), ('liquidate', 1, 1), ('liquidate', 101, 2),
    ('risk_category', 1, 1), ('risk_category', 1001, 2), ('auto_liq_limits', 1, 1), ('auto_liq_limits', 301, 2),
    ('position_limit', 1, 1), ('risk_parameter', 1, 1), ('user_lockout', 1, 1), ('reset_auto_liq_status', 1, 1),
    ('max_net_liq', 1, 1), ('demo_balance', 1, 1), ('remediation', 1, 1)) AS rules (kind, first, needed);
UPDATE approvals_policyversion SET rule_count = (SELECT count(*) FROM approvals_policyrule);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_guard;
ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_stays;
ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_no_truncate;
ALTER TABLE approvals_policyversion ENABLE ALWAYS TRIGGER approvals_policy_guard;
ALTER TABLE approvals_policyversion ENABLE ALWAYS TRIGGER approvals_policy_stays;
ALTER TABLE approvals_policyversion ENABLE ALWAYS TRIGGER approvals_policy_no_truncate;

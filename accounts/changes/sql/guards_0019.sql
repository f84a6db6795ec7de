-- Guards in addition to those of the newest complete file of this folder: when a scheduled change may begin.
-- docs/adr/0014-guards-in-sql.md says how to change guards; the next complete file takes these functions and triggers in.


-- A scheduled change begins only while its requester is active and as many people as it needs who approved it still may. One
-- that was suspended never begins, and stays suspended.
CREATE OR REPLACE FUNCTION changes_guard_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.suspended_at IS NOT NULL
       AND ROW(NEW.suspended_at, NEW.suspended_why) IS DISTINCT FROM ROW(OLD.suspended_at, OLD.suspended_why) THEN
        RAISE EXCEPTION 'Change % keeps when and why it was suspended.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_keeps_its_suspension';
    END IF;
    IF NEW.state = 'running' AND (
           NEW.suspended_at IS NOT NULL
           OR NOT EXISTS (SELECT FROM staff_staff WHERE id = NEW.requested_by_id AND is_active)
           OR EXISTS (
               SELECT FROM approvals_approvalrequest AS asked
               WHERE asked.id = NEW.approval_id AND asked.incident = '' AND asked.needed > (
                   SELECT count(*) FROM approvals_approval AS given
                   WHERE given.request_id = asked.id AND given.verdict = 'approve'
                     AND given.digest = asked.digest AND given.version = asked.version
                     AND approvals_may_decide(
                             given.staff_id, 'change', coalesce(asked.stages->(given.stage - 1)->>'role', ''))))) THEN
        RAISE EXCEPTION 'Change % is suspended: its requester or an approver may no longer act.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_has_its_people';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER changes_change_start_guard BEFORE UPDATE ON changes_change FOR EACH ROW
    WHEN (OLD.state = 'scheduled')
    EXECUTE FUNCTION changes_guard_start();

ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_start_guard;

-- Guards in addition to those of the newest complete file of this folder: who resumes a change, who decides about an unknown
-- item, and when a scheduled change may begin. docs/adr/0014-guards-in-sql.md says how to change guards; the next complete
-- file takes these functions and triggers in.


-- A paused change is resumed by the person who paused it, or by another approver than the person who requested it. Who paused
-- it stays while it is paused.
CREATE OR REPLACE FUNCTION changes_guard_resume() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'paused' AND NEW.paused_by_id IS DISTINCT FROM OLD.paused_by_id THEN
        RAISE EXCEPTION 'Change % keeps who paused it.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_keeps_who_paused_it';
    END IF;
    IF NEW.state = 'running' AND NOT coalesce(
           EXISTS (SELECT FROM staff_staff WHERE id = NEW.resumed_by_id AND is_active)
           AND (NEW.resumed_by_id IS NOT DISTINCT FROM OLD.paused_by_id
                OR (NEW.resumed_by_id <> OLD.requested_by_id AND approvals_may_decide(NEW.resumed_by_id, 'change', ''))), FALSE) THEN
        RAISE EXCEPTION 'Change % is resumed by the person who paused it, or by an approver who did not request it.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_resumed_by_somebody_else';
    END IF;
    RETURN NEW;
END;
$$;

-- Who decides about an unknown item is active and has a role that may; that it is not the requester is checked already.
-- Those who may decide about changes are those who may decide about outcomes (riskadmin/staff/roles.py).
CREATE OR REPLACE FUNCTION changes_guard_resolver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT approvals_may_decide(NEW.resolved_by_id, 'change', '') THEN
        RAISE EXCEPTION 'Person % may not decide about item %: not active, or without the role.', NEW.resolved_by_id, OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_resolved_by_role';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER changes_change_resume_guard BEFORE UPDATE ON changes_change FOR EACH ROW
    WHEN (OLD.state = 'paused' AND NEW.state IN ('paused', 'running'))
    EXECUTE FUNCTION changes_guard_resume();
CREATE OR REPLACE TRIGGER changes_item_resolver_guard BEFORE UPDATE ON changes_item FOR EACH ROW
    WHEN (NEW.resolved_by_id IS NOT NULL AND NEW.resolved_by_id IS DISTINCT FROM OLD.resolved_by_id)
    EXECUTE FUNCTION changes_guard_resolver();

ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_resume_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_resolver_guard;

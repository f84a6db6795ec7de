-- Guards in addition to those of the newest complete file of this folder: when an approver may exclude an item.
-- docs/adr/0014-guards-in-sql.md says how to change guards; the next complete file takes these functions and triggers in.


-- An item of a change that waits for approval is skipped only while nothing of its content is approved: who excludes it gives the
-- change its new digest first, and earlier approvals no longer count.
CREATE OR REPLACE FUNCTION changes_guard_exclusion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM changes_change AS changed JOIN approvals_approvalrequest AS asked ON asked.id = changed.approval_id
        WHERE changed.id = NEW.change_id AND changed.state = 'pending'
          AND (asked.version = 1 OR approvals_given(asked.id, asked.digest) > 0)) THEN
        RAISE EXCEPTION 'Item % can''t be excluded from what was approved or shown: its change needs a new digest first.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_excluded_from_new_content';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER changes_item_exclusion_guard BEFORE UPDATE ON changes_item FOR EACH ROW
    WHEN (OLD.state = 'waiting' AND NEW.state = 'skipped')
    EXECUTE FUNCTION changes_guard_exclusion();

ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_exclusion_guard;

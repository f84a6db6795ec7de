-- Guards in addition to those of the newest complete file of this folder: digests that can be computed again.
-- docs/adr/0014-guards-in-sql.md says how to change guards; the next complete file takes these functions and triggers in.


-- A change that policy has judged by one of its versions has a digest that can be computed again over its rows
-- (accounts/changes/content.py).
CREATE OR REPLACE FUNCTION changes_guard_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.digest NOT LIKE '00000002%' AND EXISTS (
        SELECT FROM approvals_approvalrequest WHERE id = NEW.approval_id AND policy_id IS NOT NULL) THEN
        RAISE EXCEPTION 'The digest of change % can''t be computed again.', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_digest_of_content';
    END IF;
    RETURN NEW;
END;
$$;

-- An item keeps its digest, except that it may be skipped while its change waits for approval.
CREATE OR REPLACE FUNCTION changes_guard_item_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (NEW.state = 'skipped' AND EXISTS (SELECT FROM changes_change WHERE id = NEW.change_id AND state = 'pending')) THEN
        RAISE EXCEPTION 'Item % is frozen: only its way moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_frozen';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER changes_change_new_digest_guard BEFORE INSERT ON changes_change
    FOR EACH ROW EXECUTE FUNCTION changes_guard_digest();
CREATE OR REPLACE TRIGGER changes_change_version_guard BEFORE UPDATE ON changes_change FOR EACH ROW
    WHEN (NEW.digest IS DISTINCT FROM OLD.digest)
    EXECUTE FUNCTION changes_guard_digest();
CREATE OR REPLACE TRIGGER changes_item_digest_guard BEFORE UPDATE ON changes_item FOR EACH ROW
    WHEN (NEW.digest IS DISTINCT FROM OLD.digest)
    EXECUTE FUNCTION changes_guard_item_digest();

ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_new_digest_guard;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_version_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_digest_guard;

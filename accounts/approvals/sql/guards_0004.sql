-- Guards in addition to those of the newest complete file of this folder: a verdict that ends a request says why, and excluded
-- items belong to new content. docs/adr/0014-guards-in-sql.md says how to change guards; the next complete file takes these in.


-- Who rejects, or asks for edits, says why. Items are excluded only by an approval of the content without them.
CREATE OR REPLACE FUNCTION approvals_guard_reason() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.verdict <> 'approve' AND NEW.comment !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'A verdict that ends request % says why.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_says_why';
    END IF;
    IF NEW.excluded <> '[]' AND (NEW.verdict <> 'approve' OR NEW.version = 1 OR approvals_given(NEW.request_id, NEW.digest) > 0) THEN
        RAISE EXCEPTION 'Items of request % are excluded only by the first approval of its content without them.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_excludes_from_new_content';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER approvals_approval_reason_guard BEFORE INSERT ON approvals_approval
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_reason();

ALTER TABLE approvals_approval ENABLE ALWAYS TRIGGER approvals_approval_reason_guard;

-- PostgreSQL's own rule for notes about accounts: a note stays as it was written.
-- docs/adr/0014-guards-in-sql.md says how to change it.


CREATE OR REPLACE FUNCTION accounts_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Notes stay as they were written: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'notes_stay';
END;
$$;

CREATE OR REPLACE TRIGGER accounts_accountnote_stays BEFORE UPDATE OR DELETE ON accounts_accountnote
    FOR EACH ROW EXECUTE FUNCTION accounts_refuse();
CREATE OR REPLACE TRIGGER accounts_accountnote_no_truncate BEFORE TRUNCATE ON accounts_accountnote
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse();

-- ALWAYS: also in a session that replays a replica's changes, where ordinary triggers don't fire.
ALTER TABLE accounts_accountnote ENABLE ALWAYS TRIGGER accounts_accountnote_stays;
ALTER TABLE accounts_accountnote ENABLE ALWAYS TRIGGER accounts_accountnote_no_truncate;

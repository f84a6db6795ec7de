-- PostgreSQL's own rules for the proof of the trail. They hold for every writer, whatever the code does.
-- docs/adr/0014-guards-in-sql.md says how to change them.


CREATE OR REPLACE FUNCTION proof_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was sealed stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'sealed_stays';
END;
$$;

CREATE OR REPLACE TRIGGER proof_leaf_stays BEFORE UPDATE OR DELETE ON proof_leaf
    FOR EACH ROW EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_leaf_no_truncate BEFORE TRUNCATE ON proof_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_node_stays BEFORE UPDATE OR DELETE ON proof_node
    FOR EACH ROW EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_node_no_truncate BEFORE TRUNCATE ON proof_node
    FOR EACH STATEMENT EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_checkpoint_stays BEFORE UPDATE OR DELETE ON proof_checkpoint
    FOR EACH ROW EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_checkpoint_no_truncate BEFORE TRUNCATE ON proof_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_anchor_stays BEFORE UPDATE OR DELETE ON proof_anchor
    FOR EACH ROW EXECUTE FUNCTION proof_refuse();
CREATE OR REPLACE TRIGGER proof_anchor_no_truncate BEFORE TRUNCATE ON proof_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION proof_refuse();

-- ALWAYS: also in a session that replays a replica's changes, where ordinary triggers don't fire.
ALTER TABLE proof_leaf ENABLE ALWAYS TRIGGER proof_leaf_stays;
ALTER TABLE proof_leaf ENABLE ALWAYS TRIGGER proof_leaf_no_truncate;
ALTER TABLE proof_node ENABLE ALWAYS TRIGGER proof_node_stays;
ALTER TABLE proof_node ENABLE ALWAYS TRIGGER proof_node_no_truncate;
ALTER TABLE proof_checkpoint ENABLE ALWAYS TRIGGER proof_checkpoint_stays;
ALTER TABLE proof_checkpoint ENABLE ALWAYS TRIGGER proof_checkpoint_no_truncate;
ALTER TABLE proof_anchor ENABLE ALWAYS TRIGGER proof_anchor_stays;
ALTER TABLE proof_anchor ENABLE ALWAYS TRIGGER proof_anchor_no_truncate;

-- PostgreSQL's own rules for call evidence. They hold for every writer, whatever the code does.
-- docs/adr/0014-guards-in-sql.md says how to change them.


CREATE OR REPLACE FUNCTION execution_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was sent and answered stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'calls_stay';
END;
$$;

-- A call is completed once, from open: its end and its evidence. What it was claimed with is never changed. A condition of the
-- trigger, because every call is completed, and a function would be called for each.
CREATE OR REPLACE TRIGGER execution_call_completed_once BEFORE UPDATE ON execution_call FOR EACH ROW
    WHEN (OLD.state <> 'open' OR NEW.state = 'open'
          OR ROW(NEW.id, NEW.purpose, NEW.environment, NEW.lane, NEW.worker, NEW.started_at)
             IS DISTINCT FROM ROW(OLD.id, OLD.purpose, OLD.environment, OLD.lane, OLD.worker, OLD.started_at))
    EXECUTE FUNCTION execution_refuse();
CREATE OR REPLACE TRIGGER execution_call_stays BEFORE DELETE ON execution_call
    FOR EACH ROW EXECUTE FUNCTION execution_refuse();
CREATE OR REPLACE TRIGGER execution_call_no_truncate BEFORE TRUNCATE ON execution_call
    FOR EACH STATEMENT EXECUTE FUNCTION execution_refuse();
CREATE OR REPLACE TRIGGER execution_callitem_stays BEFORE UPDATE OR DELETE ON execution_callitem
    FOR EACH ROW EXECUTE FUNCTION execution_refuse();
CREATE OR REPLACE TRIGGER execution_callitem_no_truncate BEFORE TRUNCATE ON execution_callitem
    FOR EACH STATEMENT EXECUTE FUNCTION execution_refuse();

-- ALWAYS: also in a session that replays a replica's changes, where ordinary triggers don't fire.
ALTER TABLE execution_call ENABLE ALWAYS TRIGGER execution_call_completed_once;
ALTER TABLE execution_call ENABLE ALWAYS TRIGGER execution_call_stays;
ALTER TABLE execution_call ENABLE ALWAYS TRIGGER execution_call_no_truncate;
ALTER TABLE execution_callitem ENABLE ALWAYS TRIGGER execution_callitem_stays;
ALTER TABLE execution_callitem ENABLE ALWAYS TRIGGER execution_callitem_no_truncate;

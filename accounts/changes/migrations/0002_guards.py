"""PostgreSQL enforces the critical rules for every writer: who may approve, what may be sent, and that history is kept.

ALWAYS: the triggers also fire in a session that replays a replica's changes, where ordinary triggers do not.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION changes_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was asked for and decided stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END;
$$;

-- A change: what a decision rests on is written once; a decided change needs its decisions; a final state is left by nobody.
CREATE FUNCTION changes_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('pending', 'running') OR (NEW.state = 'running' AND NEW.decisions_needed > 0) THEN
            RAISE EXCEPTION 'A change that needs % decisions can''t begin as %.', NEW.decisions_needed, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.kind, NEW.environment, NEW.parameters, NEW.reason_code, NEW.reason_text, NEW.lane, NEW.digest,
           NEW.form_key, NEW.requested_by_id, NEW.requested_by_name, NEW.submitted_at, NEW.decisions_needed,
           NEW.decider_role, NEW.expires_at, NEW.item_count)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.kind, OLD.environment, OLD.parameters, OLD.reason_code, OLD.reason_text, OLD.lane, OLD.digest,
           OLD.form_key, OLD.requested_by_id, OLD.requested_by_name, OLD.submitted_at, OLD.decisions_needed,
           OLD.decider_role, OLD.expires_at, OLD.item_count) THEN
        RAISE EXCEPTION 'Change % is frozen: only its state moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.decided_at IS NOT NULL AND NEW.decided_at IS DISTINCT FROM OLD.decided_at)
       OR (OLD.finished_at IS NOT NULL AND NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        RAISE EXCEPTION 'Change % keeps the times at which it was decided and finished.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF NOT ((OLD.state = 'pending' AND NEW.state IN ('running', 'rejected', 'cancelled', 'expired'))
                OR (OLD.state = 'running' AND NEW.state = 'finished')) THEN
            RAISE EXCEPTION 'Change % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state = 'running' AND changes_approvals(NEW.id, NEW.digest) < NEW.decisions_needed THEN
            RAISE EXCEPTION 'Change % lacks the decisions it needs.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state = 'finished' AND EXISTS (
            SELECT FROM changes_item
            WHERE change_id = NEW.id AND state IN ('waiting', 'queued', 'sending', 'sent', 'unknown')
        ) THEN
            RAISE EXCEPTION 'Change % has items without an outcome.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

CREATE FUNCTION changes_approvals(wanted_change bigint, wanted_digest text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM changes_decision
    WHERE change_id = wanted_change AND verdict = 'approve' AND digest = wanted_digest;
$$;

-- A decision: by somebody else than the requester, in time, about the very content that stands.
CREATE FUNCTION changes_guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decided changes_change%ROWTYPE;
BEGIN
    SELECT * INTO decided FROM changes_change WHERE id = NEW.change_id FOR UPDATE;
    IF decided.requested_by_id = NEW.staff_id THEN
        RAISE EXCEPTION 'Who asked for change % can''t decide about it.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF decided.state <> 'pending' THEN
        RAISE EXCEPTION 'Change % is no longer waiting for a decision.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF decided.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'Change % has expired.', NEW.change_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF decided.digest <> NEW.digest THEN
        RAISE EXCEPTION 'The decision is about another content than that of change %.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

-- An item: it comes with its change and never later; what was shown is frozen; it goes its way step by step
-- (states.ITEM_TRANSITIONS), and is sent only for a running change that has its decisions; an outcome stays.
CREATE FUNCTION changes_guard_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked changes_change%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
        IF NOT (NEW.state = 'skipped'
                OR (NEW.state = 'waiting' AND asked.state = 'pending')
                OR (NEW.state = 'queued' AND asked.state = 'running' AND asked.decisions_needed = 0)) THEN
            RAISE EXCEPTION 'An item can''t begin as % in a change that is %.', NEW.state, asked.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        -- Positions are unique, so a change that has all its items has no place for another one.
        IF NEW.position NOT BETWEEN 1 AND asked.item_count THEN
            RAISE EXCEPTION 'Change % has % items, so none at %.', NEW.change_id, asked.item_count, NEW.position
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.change_id, NEW.position, NEW.target, NEW.account_id, NEW.target_name, NEW.before, NEW.after)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.change_id, OLD.position, OLD.target, OLD.account_id, OLD.target_name, OLD.before, OLD.after) THEN
        RAISE EXCEPTION 'Item % is frozen: only its way moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')
       AND ROW(NEW.state, NEW.note, NEW.observed, NEW.settled_at)
           IS DISTINCT FROM ROW(OLD.state, OLD.note, OLD.observed, OLD.settled_at) THEN
        RAISE EXCEPTION 'Item % has its outcome: %.', OLD.id, OLD.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('waiting', 'queued'), ('waiting', 'cancelled'),
            ('queued', 'sending'), ('queued', 'skipped'), ('queued', 'cancelled'),
            ('sending', 'sent'), ('sending', 'rejected'), ('sending', 'unknown'), ('sending', 'queued'),
            ('sending', 'applied'), ('sent', 'applied'), ('sent', 'unchanged'), ('sent', 'unknown'), ('sent', 'queued'),
            ('unknown', 'applied'), ('unknown', 'unchanged'), ('unknown', 'queued')
        ) THEN
            RAISE EXCEPTION 'Item % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state IN ('queued', 'sending') THEN
            SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
            IF asked.state <> 'running' OR changes_approvals(asked.id, asked.digest) < asked.decisions_needed THEN
                RAISE EXCEPTION 'Item % may not be sent: its change is not approved and running.', OLD.id
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER changes_change_guard BEFORE INSERT OR UPDATE ON changes_change
    FOR EACH ROW EXECUTE FUNCTION changes_guard_change();
CREATE TRIGGER changes_change_stays BEFORE DELETE ON changes_change FOR EACH ROW EXECUTE FUNCTION changes_refuse();
CREATE TRIGGER changes_decision_guard BEFORE INSERT ON changes_decision
    FOR EACH ROW EXECUTE FUNCTION changes_guard_decision();
CREATE TRIGGER changes_decision_stays BEFORE UPDATE OR DELETE ON changes_decision
    FOR EACH ROW EXECUTE FUNCTION changes_refuse();
CREATE TRIGGER changes_item_guard BEFORE INSERT OR UPDATE ON changes_item
    FOR EACH ROW EXECUTE FUNCTION changes_guard_item();
CREATE TRIGGER changes_item_stays BEFORE DELETE ON changes_item FOR EACH ROW EXECUTE FUNCTION changes_refuse();
CREATE TRIGGER changes_change_no_truncate BEFORE TRUNCATE ON changes_change
    FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();
CREATE TRIGGER changes_decision_no_truncate BEFORE TRUNCATE ON changes_decision
    FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();
CREATE TRIGGER changes_item_no_truncate BEFORE TRUNCATE ON changes_item
    FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();

ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_guard;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_stays;
ALTER TABLE changes_decision ENABLE ALWAYS TRIGGER changes_decision_guard;
ALTER TABLE changes_decision ENABLE ALWAYS TRIGGER changes_decision_stays;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_stays;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_no_truncate;
ALTER TABLE changes_decision ENABLE ALWAYS TRIGGER changes_decision_no_truncate;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_no_truncate;
"""

DROP = """
DROP TRIGGER changes_item_no_truncate ON changes_item;
DROP TRIGGER changes_decision_no_truncate ON changes_decision;
DROP TRIGGER changes_change_no_truncate ON changes_change;
DROP TRIGGER changes_item_stays ON changes_item;
DROP TRIGGER changes_item_guard ON changes_item;
DROP TRIGGER changes_decision_stays ON changes_decision;
DROP TRIGGER changes_decision_guard ON changes_decision;
DROP TRIGGER changes_change_stays ON changes_change;
DROP TRIGGER changes_change_guard ON changes_change;
DROP FUNCTION changes_guard_item();
DROP FUNCTION changes_guard_decision();
DROP FUNCTION changes_guard_change();
DROP FUNCTION changes_approvals(bigint, text);
DROP FUNCTION changes_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0001_changes")]

    operations = [migrations.RunSQL(CREATE, DROP)]

-- PostgreSQL's own rules for changes, approvals and items. They hold for every writer, whatever the code does.
--
-- The newest file of this folder is what is installed; docs/adr/0014-guards-in-sql.md says how to change it. Each refusal
-- names its rule (CONSTRAINT), by which code and tests tell refusals apart; the message is for people.
--
-- The transitions are those of accounts/changes/states.py; a test tries every pair of states against both.


-- Approvals ---------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION changes_approvals(wanted_change bigint, wanted_digest text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM changes_decision
    WHERE change_id = wanted_change AND verdict = 'approve' AND digest = wanted_digest;
$$;

-- Whether a person may decide about changes and limit templates: active, with a role that has `changes:decide`
-- (riskadmin/staff/roles.py), and with the role that policy asks for, if it asks for one.
CREATE OR REPLACE FUNCTION changes_may_decide(person bigint, asked_role text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM staff_staff WHERE id = person AND is_active)
       AND EXISTS (
           SELECT FROM staff_staff_groups AS has JOIN auth_group AS role ON role.id = has.group_id
           WHERE has.staff_id = person AND role.name IN ('supervisor'))
       AND (asked_role = '' OR EXISTS (
           SELECT FROM staff_staff_groups AS has JOIN auth_group AS role ON role.id = has.group_id
           WHERE has.staff_id = person AND role.name = asked_role));
$$;

-- An approval or a rejection: by another person than the requester who may decide, in time, about the content as it is.
CREATE OR REPLACE FUNCTION changes_guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decided changes_change%ROWTYPE;
BEGIN
    SELECT * INTO decided FROM changes_change WHERE id = NEW.change_id FOR UPDATE;
    IF decided.requested_by_id = NEW.staff_id THEN
        RAISE EXCEPTION 'Who asked for change % can''t decide about it.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'decision_not_by_requester';
    END IF;
    IF NOT changes_may_decide(NEW.staff_id, decided.decider_role) THEN
        RAISE EXCEPTION 'Person % may not decide about change %: not active, or without the role.', NEW.staff_id, NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'decision_by_role';
    END IF;
    IF decided.state <> 'pending' THEN
        RAISE EXCEPTION 'Change % is no longer waiting for a decision.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'decision_while_pending';
    END IF;
    IF decided.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'Change % has expired.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'decision_in_time';
    END IF;
    IF decided.digest <> NEW.digest THEN
        RAISE EXCEPTION 'The decision is about another content than that of change %.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'decision_about_content';
    END IF;
    RETURN NEW;
END;
$$;


-- Changes -----------------------------------------------------------------------------------------------------------------

-- What an approval covers is written once; a change runs only with its approvals; a final state is never left.
CREATE OR REPLACE FUNCTION changes_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('pending', 'running', 'scheduled') OR (NEW.state <> 'pending' AND NEW.decisions_needed > 0) THEN
            RAISE EXCEPTION 'A change that needs % decisions can''t begin as %.', NEW.decisions_needed, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_begins';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.kind, NEW.environment, NEW.parameters, NEW.reason_code, NEW.reason_text, NEW.lane, NEW.digest,
           NEW.form_key, NEW.requested_by_id, NEW.requested_by_name, NEW.submitted_at, NEW.decisions_needed,
           NEW.decider_role, NEW.expires_at, NEW.item_count, NEW.runs_at, NEW."window", NEW.goes_on, NEW.review_by,
           NEW.of_change_id, NEW.relation)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.kind, OLD.environment, OLD.parameters, OLD.reason_code, OLD.reason_text, OLD.lane, OLD.digest,
           OLD.form_key, OLD.requested_by_id, OLD.requested_by_name, OLD.submitted_at, OLD.decisions_needed,
           OLD.decider_role, OLD.expires_at, OLD.item_count, OLD.runs_at, OLD."window", OLD.goes_on, OLD.review_by,
           OLD.of_change_id, OLD.relation) THEN
        RAISE EXCEPTION 'Change % is frozen: only its state moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_frozen';
    END IF;
    IF (OLD.decided_at IS NOT NULL AND NEW.decided_at IS DISTINCT FROM OLD.decided_at)
       OR (OLD.finished_at IS NOT NULL AND NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        RAISE EXCEPTION 'Change % keeps the times at which it was decided and finished.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_keeps_its_times';
    END IF;
    IF OLD.stopped_at IS NOT NULL
       AND ROW(NEW.stopped_at, NEW.stopped_by_name) IS DISTINCT FROM ROW(OLD.stopped_at, OLD.stopped_by_name) THEN
        RAISE EXCEPTION 'Change % keeps who cancelled it, and when.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_keeps_who_cancelled_it';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('pending', 'running'), ('pending', 'scheduled'), ('pending', 'rejected'), ('pending', 'cancelled'),
            ('pending', 'expired'),
            ('scheduled', 'running'), ('scheduled', 'cancelled'),
            ('running', 'paused'), ('running', 'stopping'), ('running', 'finished'),
            ('paused', 'running'), ('paused', 'stopping'), ('paused', 'finished'),
            ('stopping', 'finished')
        ) THEN
            RAISE EXCEPTION 'Change % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_transition';
        END IF;
        IF NEW.state IN ('running', 'scheduled') AND changes_approvals(NEW.id, NEW.digest) < NEW.decisions_needed THEN
            RAISE EXCEPTION 'Change % lacks the decisions it needs.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_has_its_approvals';
        END IF;
        IF NEW.state = 'finished' AND EXISTS (
            SELECT FROM changes_item
            WHERE change_id = NEW.id AND state IN ('waiting', 'queued', 'sending', 'sent', 'unknown')
        ) THEN
            RAISE EXCEPTION 'Change % has items without an outcome.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_has_every_outcome';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

-- The effects that a change's preview found are kept too; a function of its own, since only few updates name them.
CREATE OR REPLACE FUNCTION changes_keep_effects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.effects IS DISTINCT FROM OLD.effects THEN
        RAISE EXCEPTION 'Change % is frozen: only its state moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_frozen';
    END IF;
    RETURN NEW;
END;
$$;


-- Items -------------------------------------------------------------------------------------------------------------------

-- An item comes with its change and never later; what was shown is frozen; it is sent only for a running change that has its
-- approvals; an outcome stays.
CREATE OR REPLACE FUNCTION changes_guard_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked changes_change%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
        IF NOT (NEW.state = 'skipped'
                OR (NEW.state = 'waiting' AND asked.state IN ('pending', 'scheduled'))
                OR (NEW.state = 'queued' AND asked.state = 'running' AND asked.decisions_needed = 0)) THEN
            RAISE EXCEPTION 'An item can''t begin as % in a change that is %.', NEW.state, asked.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_begins';
        END IF;
        -- Positions are unique, so a change that has all its items has no place for another one.
        IF NEW.position NOT BETWEEN 1 AND asked.item_count THEN
            RAISE EXCEPTION 'Change % has % items, so none at %.', NEW.change_id, asked.item_count, NEW.position
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_has_a_position';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.change_id, NEW.position, NEW.target, NEW.account_id, NEW.target_name, NEW.after, NEW.own_parameters)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.change_id, OLD.position, OLD.target, OLD.account_id, OLD.target_name, OLD.after, OLD.own_parameters)
       -- When the end of a lock begins, its items record since when the account is locked; that is not known when it is asked for.
       OR (NEW.before IS DISTINCT FROM OLD.before AND NOT (
              OLD.state = 'waiting' AND NEW.state = 'queued' AND OLD.before -> 'admin_at' = 'null'
              AND EXISTS (SELECT FROM changes_change WHERE id = NEW.change_id AND relation = 'ends'))) THEN
        RAISE EXCEPTION 'Item % is frozen: only its way moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_frozen';
    END IF;
    IF OLD.state IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')
       AND ROW(NEW.state, NEW.note, NEW.observed, NEW.settled_at)
           IS DISTINCT FROM ROW(OLD.state, OLD.note, OLD.observed, OLD.settled_at) THEN
        RAISE EXCEPTION 'Item % has its outcome: %.', OLD.id, OLD.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_keeps_its_outcome';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('waiting', 'queued'), ('waiting', 'skipped'), ('waiting', 'cancelled'),
            ('queued', 'sending'), ('queued', 'skipped'), ('queued', 'cancelled'),
            ('sending', 'sent'), ('sending', 'rejected'), ('sending', 'unknown'), ('sending', 'queued'), ('sending', 'applied'),
            ('sent', 'applied'), ('sent', 'unchanged'), ('sent', 'rejected'), ('sent', 'unknown'), ('sent', 'queued'),
            ('unknown', 'applied'), ('unknown', 'unchanged'), ('unknown', 'rejected'), ('unknown', 'queued'),
            ('unknown', 'cancelled')
        ) THEN
            RAISE EXCEPTION 'Item % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_transition';
        END IF;
        IF NEW.state IN ('queued', 'sending') THEN
            SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
            -- Sent, and queued for the first time, only while it runs; what comes back from a call returns to its queue.
            IF NOT (asked.state = 'running' OR (
                   NEW.state = 'queued' AND OLD.state <> 'waiting' AND asked.state IN ('paused', 'stopping')))
               OR changes_approvals(asked.id, asked.digest) < asked.decisions_needed THEN
                RAISE EXCEPTION 'Item % may not be sent: its change is not approved and running.', OLD.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_may_be_sent';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

-- Who decided about an unknown item: never the requester of its change, and only together with the outcome.
CREATE OR REPLACE FUNCTION changes_guard_resolution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'cancelled' AND OLD.state = 'unknown' AND NEW.resolved_by_id IS NULL THEN
        RAISE EXCEPTION 'Item % is unknown: only a person can say that it was not applied.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_resolved_by_a_person';
    END IF;
    IF NEW.resolved_by_id IS NOT DISTINCT FROM OLD.resolved_by_id THEN
        RETURN NEW;
    END IF;
    IF NEW.resolved_by_id IS NULL OR OLD.state <> 'unknown' OR NEW.state NOT IN ('applied', 'cancelled', 'queued') THEN
        RAISE EXCEPTION 'Item % keeps who decided about it: it does not go from unknown to an outcome.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_keeps_who_resolved_it';
    END IF;
    IF EXISTS (SELECT FROM changes_change WHERE id = NEW.change_id AND requested_by_id = NEW.resolved_by_id) THEN
        RAISE EXCEPTION 'The person who requested change % can''t decide about its unknown items.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_not_resolved_by_requester';
    END IF;
    RETURN NEW;
END;
$$;


-- History -----------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION changes_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was asked for and decided stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changes_stay';
END;
$$;


-- Which function guards what. ALWAYS: also in a session that replays a replica's changes, where ordinary triggers don't fire. ---

CREATE OR REPLACE TRIGGER changes_change_guard BEFORE INSERT OR UPDATE ON changes_change
    FOR EACH ROW EXECUTE FUNCTION changes_guard_change();
CREATE OR REPLACE TRIGGER changes_change_keeps_effects BEFORE UPDATE OF effects ON changes_change
    FOR EACH ROW EXECUTE FUNCTION changes_keep_effects();
CREATE OR REPLACE TRIGGER changes_change_stays BEFORE DELETE ON changes_change
    FOR EACH ROW EXECUTE FUNCTION changes_refuse();
CREATE OR REPLACE TRIGGER changes_change_no_truncate BEFORE TRUNCATE ON changes_change
    FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();
CREATE OR REPLACE TRIGGER changes_decision_guard BEFORE INSERT ON changes_decision
    FOR EACH ROW EXECUTE FUNCTION changes_guard_decision();
CREATE OR REPLACE TRIGGER changes_decision_stays BEFORE UPDATE OR DELETE ON changes_decision
    FOR EACH ROW EXECUTE FUNCTION changes_refuse();
CREATE OR REPLACE TRIGGER changes_decision_no_truncate BEFORE TRUNCATE ON changes_decision
    FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();
CREATE OR REPLACE TRIGGER changes_item_guard BEFORE INSERT OR UPDATE ON changes_item
    FOR EACH ROW EXECUTE FUNCTION changes_guard_item();
CREATE OR REPLACE TRIGGER changes_item_resolution_guard BEFORE UPDATE ON changes_item FOR EACH ROW
    WHEN (NEW.resolved_by_id IS DISTINCT FROM OLD.resolved_by_id OR (OLD.state = 'unknown' AND NEW.state = 'cancelled'))
    EXECUTE FUNCTION changes_guard_resolution();
CREATE OR REPLACE TRIGGER changes_item_stays BEFORE DELETE ON changes_item
    FOR EACH ROW EXECUTE FUNCTION changes_refuse();
CREATE OR REPLACE TRIGGER changes_item_no_truncate BEFORE TRUNCATE ON changes_item
    FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();

ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_guard;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_keeps_effects;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_stays;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_no_truncate;
ALTER TABLE changes_decision ENABLE ALWAYS TRIGGER changes_decision_guard;
ALTER TABLE changes_decision ENABLE ALWAYS TRIGGER changes_decision_stays;
ALTER TABLE changes_decision ENABLE ALWAYS TRIGGER changes_decision_no_truncate;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_resolution_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_stays;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_no_truncate;

-- PostgreSQL's own rules for changes and items. They hold for every writer, whatever the code does.
--
-- The newest file of this folder is what is installed; docs/adr/0014-guards-in-sql.md says how to change it. Each refusal
-- names its rule (CONSTRAINT), by which code and tests tell refusals apart; the message is for people.
--
-- Whether something is approved, and what policy wants for it, is in accounts/approvals/sql/. The transitions are those of accounts/changes/states.py; a test tries every pair of states against both.


-- Changes -----------------------------------------------------------------------------------------------------------------

-- What an approval covers is written once; a change runs only with its approvals; a final state is never left.
CREATE OR REPLACE FUNCTION changes_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked approvals_approvalrequest%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO asked FROM approvals_approvalrequest WHERE id = NEW.approval_id;
        IF ROW(asked.subject, asked.digest, asked.requested_by_id, asked.facts->>'kind', asked.facts->>'environment')
           IS DISTINCT FROM ROW('change'::varchar, NEW.digest, NEW.requested_by_id, NEW.kind::text, NEW.environment::text)
           OR (asked.facts->>'liquidations')::bigint
              < (NEW.effects->>'liquidated')::bigint + (NEW.effects->>'possibly_liquidated')::bigint THEN
            RAISE EXCEPTION 'Request % is not about this change.', NEW.approval_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_as_requested';
        END IF;
        IF NOT (NEW.state = 'pending' AND asked.state = 'waiting'
                OR NEW.state IN ('running', 'scheduled') AND approvals_hold(NEW.approval_id, NEW.digest)) THEN
            RAISE EXCEPTION 'A change whose request is % can''t begin as %.', asked.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_begins';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.kind, NEW.environment, NEW.parameters, NEW.reason_code, NEW.reason_text, NEW.lane,
           NEW.form_key, NEW.requested_by_id, NEW.requested_by_name, NEW.submitted_at, NEW.approval_id, NEW.item_count, NEW.runs_at, NEW."window", NEW.goes_on, NEW.review_by,
           NEW.of_change_id, NEW.relation)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.kind, OLD.environment, OLD.parameters, OLD.reason_code, OLD.reason_text, OLD.lane,
           OLD.form_key, OLD.requested_by_id, OLD.requested_by_name, OLD.submitted_at, OLD.approval_id, OLD.item_count, OLD.runs_at, OLD."window", OLD.goes_on, OLD.review_by,
           OLD.of_change_id, OLD.relation)
       -- Its content has a new digest only as the next version of its request, while that waits.
       OR (NEW.digest <> OLD.digest AND NOT (OLD.state = 'pending' AND NEW.state = 'pending' AND EXISTS (
              SELECT FROM approvals_approvalrequest
              WHERE id = NEW.approval_id AND state = 'waiting' AND digest = NEW.digest AND version > 1))) THEN
        RAISE EXCEPTION 'Change % is frozen: only its state moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_frozen';
    END IF;
    IF OLD.finished_at IS NOT NULL AND NEW.finished_at IS DISTINCT FROM OLD.finished_at THEN
        RAISE EXCEPTION 'Change % keeps the time at which it finished.', OLD.id
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
        IF NEW.state IN ('running', 'scheduled') AND NOT approvals_hold(NEW.approval_id, NEW.digest) THEN
            RAISE EXCEPTION 'Change % lacks the approvals it needs.', OLD.id
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

-- What policy was asked with is counted again once the items are stored: their number, and what the requester asked for in the
-- last 24 hours. Two changes of a kind that somebody asks for at the same moment wait for each other here.
CREATE OR REPLACE FUNCTION changes_count_facts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked approvals_approvalrequest%ROWTYPE;
    counted bigint;
    need jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.requested_by_id || ' ' || NEW.kind, 0));
    SELECT * INTO asked FROM approvals_approvalrequest WHERE id = NEW.approval_id;
    IF asked.policy_id IS NULL THEN
        RETURN NULL;  -- asked for before the policy had versions
    END IF;
    SELECT count(*) INTO counted FROM changes_item WHERE change_id = NEW.id AND state <> 'skipped';
    need := approvals_need(
        asked.facts || jsonb_build_object(
            'items', counted,
            'items_24h', counted + approvals_items_24h(NEW.requested_by_id, NEW.kind, asked.requested_at, asked.id)),
        asked.policy_id);
    IF (asked.facts->>'items')::bigint IS DISTINCT FROM counted OR need->'stages' IS DISTINCT FROM asked.stages THEN
        RAISE EXCEPTION 'Change % is larger than policy was told when it was asked for.', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_as_counted';
    END IF;
    RETURN NULL;
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
                OR (NEW.state = 'queued' AND asked.state = 'running' AND approvals_hold(asked.approval_id, asked.digest))) THEN
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
               OR NOT approvals_hold(asked.approval_id, asked.digest) THEN
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
DROP TRIGGER IF EXISTS changes_change_counts_facts ON changes_change;
CREATE CONSTRAINT TRIGGER changes_change_counts_facts AFTER INSERT ON changes_change DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION changes_count_facts();
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
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER changes_change_counts_facts;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_resolution_guard;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_stays;
ALTER TABLE changes_item ENABLE ALWAYS TRIGGER changes_item_no_truncate;

"""PostgreSQL's rules for changes that wait for their time; else those of 0007.

When a change runs, and its relation to an earlier one, is frozen with everything else that an approval covers. A scheduled
change has its approvals, and none of its items is queued before it runs.
"""

from django.db import migrations

GUARD_CHANGE = """
CREATE OR REPLACE FUNCTION changes_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('pending', %(decided)s) OR (NEW.state <> 'pending' AND NEW.decisions_needed > 0) THEN
            RAISE EXCEPTION 'A change that needs %% decisions can''t begin as %%.', NEW.decisions_needed, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.kind, NEW.environment, NEW.parameters, NEW.reason_code, NEW.reason_text, NEW.lane, NEW.digest,
           NEW.form_key, NEW.requested_by_id, NEW.requested_by_name, NEW.submitted_at, NEW.decisions_needed,
           NEW.decider_role, NEW.expires_at, NEW.item_count%(new)s)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.kind, OLD.environment, OLD.parameters, OLD.reason_code, OLD.reason_text, OLD.lane, OLD.digest,
           OLD.form_key, OLD.requested_by_id, OLD.requested_by_name, OLD.submitted_at, OLD.decisions_needed,
           OLD.decider_role, OLD.expires_at, OLD.item_count%(old)s) THEN
        RAISE EXCEPTION 'Change %% is frozen: only its state moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.decided_at IS NOT NULL AND NEW.decided_at IS DISTINCT FROM OLD.decided_at)
       OR (OLD.finished_at IS NOT NULL AND NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        RAISE EXCEPTION 'Change %% keeps the times at which it was decided and finished.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.stopped_at IS NOT NULL
       AND ROW(NEW.stopped_at, NEW.stopped_by_name) IS DISTINCT FROM ROW(OLD.stopped_at, OLD.stopped_by_name) THEN
        RAISE EXCEPTION 'Change %% keeps who cancelled it, and when.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF NOT ((OLD.state = 'pending' AND NEW.state IN (%(decided)s, 'rejected', 'cancelled', 'expired'))%(steps)s
                OR (OLD.state = 'running' AND NEW.state IN ('paused', 'stopping', 'finished'))
                OR (OLD.state = 'paused' AND NEW.state IN ('running', 'stopping', 'finished'))
                OR (OLD.state = 'stopping' AND NEW.state = 'finished')) THEN
            RAISE EXCEPTION 'Change %% can''t go from %% to %%.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state IN (%(decided)s) AND changes_approvals(NEW.id, NEW.digest) < NEW.decisions_needed THEN
            RAISE EXCEPTION 'Change %% lacks the decisions it needs.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state = 'finished' AND EXISTS (
            SELECT FROM changes_item
            WHERE change_id = NEW.id AND state IN ('waiting', 'queued', 'sending', 'sent', 'unknown')
        ) THEN
            RAISE EXCEPTION 'Change %% has items without an outcome.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;
"""

CHANGE_BEFORE = {"decided": "'running'", "new": "", "old": "", "steps": ""}
_FROZEN = ("runs_at", "window", "goes_on", "review_by", "of_change_id", "relation")
CHANGE_NOW = {
    "decided": "'running', 'scheduled'",
    "new": "".join(f', NEW."{column}"' for column in _FROZEN),
    "old": "".join(f', OLD."{column}"' for column in _FROZEN),
    "steps": """
                OR (OLD.state = 'scheduled' AND NEW.state IN ('running', 'cancelled'))""",
}

GUARD_ITEM = """
CREATE OR REPLACE FUNCTION changes_guard_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked changes_change%%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
        IF NOT (NEW.state = 'skipped'
                OR (NEW.state = 'waiting' AND asked.state IN (%(ahead)s))
                OR (NEW.state = 'queued' AND asked.state = 'running' AND asked.decisions_needed = 0)) THEN
            RAISE EXCEPTION 'An item can''t begin as %% in a change that is %%.', NEW.state, asked.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        -- Positions are unique, so a change that has all its items has no place for another one.
        IF NEW.position NOT BETWEEN 1 AND asked.item_count THEN
            RAISE EXCEPTION 'Change %% has %% items, so none at %%.', NEW.change_id, asked.item_count, NEW.position
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.change_id, NEW.position, NEW.target, NEW.account_id, NEW.target_name, NEW.after, NEW.own_parameters)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.change_id, OLD.position, OLD.target, OLD.account_id, OLD.target_name, OLD.after, OLD.own_parameters)
       OR (NEW.before IS DISTINCT FROM OLD.before%(learns)s) THEN
        RAISE EXCEPTION 'Item %% is frozen: only its way moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')
       AND ROW(NEW.state, NEW.note, NEW.observed, NEW.settled_at)
           IS DISTINCT FROM ROW(OLD.state, OLD.note, OLD.observed, OLD.settled_at) THEN
        RAISE EXCEPTION 'Item %% has its outcome: %%.', OLD.id, OLD.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('waiting', 'queued'), ('waiting', 'cancelled'),%(item_steps)s
            ('queued', 'sending'), ('queued', 'skipped'), ('queued', 'cancelled'),
            ('sending', 'sent'), ('sending', 'rejected'), ('sending', 'unknown'), ('sending', 'queued'),
            ('sending', 'applied'), ('sent', 'applied'), ('sent', 'unchanged'), ('sent', 'unknown'), ('sent', 'queued'),
            ('unknown', 'applied'), ('unknown', 'unchanged'), ('unknown', 'queued'), ('unknown', 'cancelled')
        ) THEN
            RAISE EXCEPTION 'Item %% can''t go from %% to %%.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state IN ('queued', 'sending') THEN
            SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
            -- Sent, and queued for the first time, only while it runs; what comes back from under way finds a place in its queue.
            IF NOT (asked.state = 'running' OR (
                   NEW.state = 'queued' AND OLD.state <> 'waiting' AND asked.state IN ('paused', 'stopping')))
               OR changes_approvals(asked.id, asked.digest) < asked.decisions_needed THEN
                RAISE EXCEPTION 'Item %% may not be sent: its change is not approved and running.', OLD.id
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END;
$$;
"""

ITEM_BEFORE = {"ahead": "'pending'", "item_steps": "", "learns": ""}
ITEM_NOW = {
    "ahead": "'pending', 'scheduled'",
    "item_steps": " ('waiting', 'skipped'),",
    # When the end of a lock begins, its items record since when the account is locked; that is not known when it is requested.
    "learns": """ AND NOT (
              OLD.state = 'waiting' AND NEW.state = 'queued' AND OLD.before -> 'admin_at' = 'null'
              AND EXISTS (SELECT FROM changes_change WHERE id = NEW.change_id AND relation = 'ends'))""",
}


class Migration(migrations.Migration):
    dependencies = [("changes", "0008_time")]

    operations = [
        migrations.RunSQL(GUARD_CHANGE % CHANGE_NOW, GUARD_CHANGE % CHANGE_BEFORE),
        migrations.RunSQL(GUARD_ITEM % ITEM_NOW, GUARD_ITEM % ITEM_BEFORE),
    ]

"""PostgreSQL's rules for changes that are paused and cancelled, and for items that a person resolves; else those of 0002."""

from django.db import migrations

GUARD_CHANGE = """
CREATE OR REPLACE FUNCTION changes_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('pending', 'running') OR (NEW.state = 'running' AND NEW.decisions_needed > 0) THEN
            RAISE EXCEPTION 'A change that needs %% decisions can''t begin as %%.', NEW.decisions_needed, NEW.state
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
        RAISE EXCEPTION 'Change %% is frozen: only its state moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.decided_at IS NOT NULL AND NEW.decided_at IS DISTINCT FROM OLD.decided_at)
       OR (OLD.finished_at IS NOT NULL AND NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        RAISE EXCEPTION 'Change %% keeps the times at which it was decided and finished.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;%(stays)s
    IF NEW.state <> OLD.state THEN
        IF NOT (%(steps)s) THEN
            RAISE EXCEPTION 'Change %% can''t go from %% to %%.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state = 'running' AND changes_approvals(NEW.id, NEW.digest) < NEW.decisions_needed THEN
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

CHANGE_BEFORE = {
    "stays": "",
    "steps": """(OLD.state = 'pending' AND NEW.state IN ('running', 'rejected', 'cancelled', 'expired'))
                OR (OLD.state = 'running' AND NEW.state = 'finished')""",
}
CHANGE_NOW = {
    "stays": """
    IF OLD.stopped_at IS NOT NULL
       AND ROW(NEW.stopped_at, NEW.stopped_by_name) IS DISTINCT FROM ROW(OLD.stopped_at, OLD.stopped_by_name) THEN
        RAISE EXCEPTION 'Change % keeps who cancelled it, and when.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;""",
    "steps": """(OLD.state = 'pending' AND NEW.state IN ('running', 'rejected', 'cancelled', 'expired'))
                OR (OLD.state = 'running' AND NEW.state IN ('paused', 'stopping', 'finished'))
                OR (OLD.state = 'paused' AND NEW.state IN ('running', 'stopping', 'finished'))
                OR (OLD.state = 'stopping' AND NEW.state = 'finished')""",
}

GUARD_ITEM = """
CREATE OR REPLACE FUNCTION changes_guard_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked changes_change%%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
        IF NOT (NEW.state = 'skipped'
                OR (NEW.state = 'waiting' AND asked.state = 'pending')
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
    IF ROW(NEW.id, NEW.change_id, NEW.position, NEW.target, NEW.account_id, NEW.target_name, NEW.before, NEW.after%(new)s)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.change_id, OLD.position, OLD.target, OLD.account_id, OLD.target_name, OLD.before, OLD.after%(old)s) THEN
        RAISE EXCEPTION 'Item %% is frozen: only its way moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state IN ('applied', 'unchanged', 'rejected', 'skipped', 'cancelled')
       AND ROW(NEW.state, NEW.note, NEW.observed, NEW.settled_at)
           IS DISTINCT FROM ROW(OLD.state, OLD.note, OLD.observed, OLD.settled_at) THEN
        RAISE EXCEPTION 'Item %% has its outcome: %%.', OLD.id, OLD.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('waiting', 'queued'), ('waiting', 'cancelled'),
            ('queued', 'sending'), ('queued', 'skipped'), ('queued', 'cancelled'),
            ('sending', 'sent'), ('sending', 'rejected'), ('sending', 'unknown'), ('sending', 'queued'),
            ('sending', 'applied'), ('sent', 'applied'), ('sent', 'unchanged'), ('sent', 'unknown'), ('sent', 'queued'),
            ('unknown', 'applied'), ('unknown', 'unchanged'), ('unknown', 'queued')%(item_steps)s
        ) THEN
            RAISE EXCEPTION 'Item %% can''t go from %% to %%.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state IN ('queued', 'sending') THEN
            SELECT * INTO asked FROM changes_change WHERE id = NEW.change_id;
            IF %(not_sendable)s OR changes_approvals(asked.id, asked.digest) < asked.decisions_needed THEN
                RAISE EXCEPTION 'Item %% may not be sent: its change is not approved and running.', OLD.id
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END;
$$;
"""

ITEM_BEFORE = {"new": "", "old": "", "item_steps": "", "not_sendable": "asked.state <> 'running'"}
ITEM_NOW = {
    "new": ", NEW.own_parameters",
    "old": ", OLD.own_parameters",
    "item_steps": ", ('unknown', 'cancelled')",
    # Sent, and queued for the first time, only while it runs; items that come back from a call return to their queue.
    "not_sendable": """NOT (asked.state = 'running' OR (
                   NEW.state = 'queued' AND OLD.state <> 'waiting' AND asked.state IN ('paused', 'stopping')))
              """,
}


class Migration(migrations.Migration):
    dependencies = [("changes", "0006_control")]

    operations = [
        migrations.RunSQL(GUARD_CHANGE % CHANGE_NOW, GUARD_CHANGE % CHANGE_BEFORE),
        migrations.RunSQL(GUARD_ITEM % ITEM_NOW, GUARD_ITEM % ITEM_BEFORE),
    ]

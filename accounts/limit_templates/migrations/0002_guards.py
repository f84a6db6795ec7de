"""PostgreSQL enforces the critical rules for every writer: who may approve a version, and that history is kept.

ALWAYS, as in the guards of changes: the triggers also fire in a session that replays a replica's changes. The trigger on
changes is here because it is about versions: a change that names a version applies exactly what it sets, and only while it is
in force.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION limit_templates_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What templates said and who decided so stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END;
$$;

CREATE FUNCTION limit_templates_guard_template() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF ROW(NEW.id, NEW.name, NEW.level) IS DISTINCT FROM ROW(OLD.id, OLD.name, OLD.level) THEN
        RAISE EXCEPTION 'Template % keeps its name and level.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE FUNCTION limit_templates_approvals(wanted_version bigint, wanted_digest text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM limit_templates_templatedecision
    WHERE version_id = wanted_version AND verdict = 'approve' AND digest = wanted_digest;
$$;

-- A version: what a decision rests on is written once; it is in force with its decisions only; a final state is left by nobody.
CREATE FUNCTION limit_templates_guard_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT (NEW.state = 'proposed' OR (NEW.state = 'in_force' AND NEW.decisions_needed = 0)) THEN
            RAISE EXCEPTION 'A version that needs % decisions can''t begin as %.', NEW.decisions_needed, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.template_id, NEW.number, NEW.limits, NEW.note, NEW.proposed_by_id, NEW.proposed_by_name,
           NEW.proposed_at, NEW.decisions_needed, NEW.decider_role, NEW.digest)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.template_id, OLD.number, OLD.limits, OLD.note, OLD.proposed_by_id, OLD.proposed_by_name,
           OLD.proposed_at, OLD.decisions_needed, OLD.decider_role, OLD.digest) THEN
        RAISE EXCEPTION 'Version % is frozen: only its state moves.', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.in_force_at IS NOT NULL AND NEW.in_force_at IS DISTINCT FROM OLD.in_force_at)
       OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) THEN
        RAISE EXCEPTION 'Version % keeps the times at which it came into force and ended.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF NOT ((OLD.state = 'proposed' AND NEW.state IN ('in_force', 'rejected', 'withdrawn'))
                OR (OLD.state = 'in_force' AND NEW.state = 'superseded')) THEN
            RAISE EXCEPTION 'Version % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state = 'in_force' AND limit_templates_approvals(NEW.id, NEW.digest) < NEW.decisions_needed THEN
            RAISE EXCEPTION 'Version % lacks the decisions it needs.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

-- A decision: by somebody else than the proposer, about the very content that stands.
CREATE FUNCTION limit_templates_guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decided limit_templates_templateversion%ROWTYPE;
BEGIN
    SELECT * INTO decided FROM limit_templates_templateversion WHERE id = NEW.version_id FOR UPDATE;
    IF decided.proposed_by_id = NEW.staff_id THEN
        RAISE EXCEPTION 'Who proposed version % can''t decide about it.', NEW.version_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF decided.state <> 'proposed' THEN
        RAISE EXCEPTION 'Version % is no longer waiting for a decision.', NEW.version_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF decided.digest <> NEW.digest THEN
        RAISE EXCEPTION 'The decision is about another content than that of version %.', NEW.version_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

-- A change that names a version: of one in force, and with just what it sets. FOR SHARE: none is superseded meanwhile.
CREATE FUNCTION limit_templates_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    version limit_templates_templateversion%ROWTYPE;
    template limit_templates_limittemplate%ROWTYPE;
BEGIN
    SELECT * INTO version FROM limit_templates_templateversion
    WHERE id = (NEW.parameters->>'template_version')::bigint FOR SHARE;
    SELECT * INTO template FROM limit_templates_limittemplate WHERE id = version.template_id;
    IF version.state IS DISTINCT FROM 'in_force' THEN
        RAISE EXCEPTION '% is not in force any more. Apply the template as it now is.',
                        coalesce(NEW.parameters->>'template', 'This version')
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_still_offered';
    END IF;
    IF NEW.kind <> 'auto_liq_limits'
       OR NEW.parameters <> version.limits || jsonb_build_object(
              'level', template.level, 'template_version', version.id,
              'template', template.name || ', version ' || version.number) THEN
        RAISE EXCEPTION 'The change says that it applies version %, and would set something else.', version.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER limit_templates_template_guard BEFORE UPDATE ON limit_templates_limittemplate
    FOR EACH ROW EXECUTE FUNCTION limit_templates_guard_template();
CREATE TRIGGER limit_templates_version_guard BEFORE INSERT OR UPDATE ON limit_templates_templateversion
    FOR EACH ROW EXECUTE FUNCTION limit_templates_guard_version();
CREATE TRIGGER limit_templates_decision_guard BEFORE INSERT ON limit_templates_templatedecision
    FOR EACH ROW EXECUTE FUNCTION limit_templates_guard_decision();
CREATE TRIGGER limit_templates_change_guard BEFORE INSERT ON changes_change
    FOR EACH ROW WHEN (NEW.parameters ? 'template_version') EXECUTE FUNCTION limit_templates_guard_change();
CREATE TRIGGER limit_templates_template_stays BEFORE DELETE ON limit_templates_limittemplate
    FOR EACH ROW EXECUTE FUNCTION limit_templates_refuse();
CREATE TRIGGER limit_templates_version_stays BEFORE DELETE ON limit_templates_templateversion
    FOR EACH ROW EXECUTE FUNCTION limit_templates_refuse();
CREATE TRIGGER limit_templates_decision_stays BEFORE UPDATE OR DELETE ON limit_templates_templatedecision
    FOR EACH ROW EXECUTE FUNCTION limit_templates_refuse();
CREATE TRIGGER limit_templates_template_no_truncate BEFORE TRUNCATE ON limit_templates_limittemplate
    FOR EACH STATEMENT EXECUTE FUNCTION limit_templates_refuse();
CREATE TRIGGER limit_templates_version_no_truncate BEFORE TRUNCATE ON limit_templates_templateversion
    FOR EACH STATEMENT EXECUTE FUNCTION limit_templates_refuse();
CREATE TRIGGER limit_templates_decision_no_truncate BEFORE TRUNCATE ON limit_templates_templatedecision
    FOR EACH STATEMENT EXECUTE FUNCTION limit_templates_refuse();

ALTER TABLE limit_templates_limittemplate ENABLE ALWAYS TRIGGER limit_templates_template_guard;
ALTER TABLE limit_templates_limittemplate ENABLE ALWAYS TRIGGER limit_templates_template_stays;
ALTER TABLE limit_templates_limittemplate ENABLE ALWAYS TRIGGER limit_templates_template_no_truncate;
ALTER TABLE limit_templates_templateversion ENABLE ALWAYS TRIGGER limit_templates_version_guard;
ALTER TABLE limit_templates_templateversion ENABLE ALWAYS TRIGGER limit_templates_version_stays;
ALTER TABLE limit_templates_templateversion ENABLE ALWAYS TRIGGER limit_templates_version_no_truncate;
ALTER TABLE limit_templates_templatedecision ENABLE ALWAYS TRIGGER limit_templates_decision_guard;
ALTER TABLE limit_templates_templatedecision ENABLE ALWAYS TRIGGER limit_templates_decision_stays;
ALTER TABLE limit_templates_templatedecision ENABLE ALWAYS TRIGGER limit_templates_decision_no_truncate;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER limit_templates_change_guard;
"""

DROP = """
DROP TRIGGER limit_templates_change_guard ON changes_change;
DROP TRIGGER limit_templates_decision_no_truncate ON limit_templates_templatedecision;
DROP TRIGGER limit_templates_version_no_truncate ON limit_templates_templateversion;
DROP TRIGGER limit_templates_template_no_truncate ON limit_templates_limittemplate;
DROP TRIGGER limit_templates_decision_stays ON limit_templates_templatedecision;
DROP TRIGGER limit_templates_version_stays ON limit_templates_templateversion;
DROP TRIGGER limit_templates_template_stays ON limit_templates_limittemplate;
DROP TRIGGER limit_templates_decision_guard ON limit_templates_templatedecision;
DROP TRIGGER limit_templates_version_guard ON limit_templates_templateversion;
DROP TRIGGER limit_templates_template_guard ON limit_templates_limittemplate;
DROP FUNCTION limit_templates_guard_change();
DROP FUNCTION limit_templates_guard_decision();
DROP FUNCTION limit_templates_guard_version();
DROP FUNCTION limit_templates_approvals(bigint, text);
DROP FUNCTION limit_templates_guard_template();
DROP FUNCTION limit_templates_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("limit_templates", "0001_limit_templates"), ("changes", "0002_guards")]

    operations = [migrations.RunSQL(CREATE, DROP)]

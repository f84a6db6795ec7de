-- PostgreSQL's own rules for limit templates and their versions, in the way of accounts/changes/sql/.
--
-- The newest file of this folder is what is installed; docs/adr/0014-guards-in-sql.md says how to change it. The trigger on changes
-- is here because it is about versions: a change that names a version applies exactly what it sets, and only while it is in force.

CREATE OR REPLACE FUNCTION limit_templates_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What templates said and who decided so stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'limit_templates_stay';
END;
$$;

CREATE OR REPLACE FUNCTION limit_templates_guard_template() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF ROW(NEW.id, NEW.name, NEW.level) IS DISTINCT FROM ROW(OLD.id, OLD.name, OLD.level) THEN
        RAISE EXCEPTION 'Template % keeps its name and level.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'template_keeps_name_and_level';
    END IF;
    RETURN NEW;
END;
$$;

-- A version: what an approval covers is written once; it is in force with its approvals only; a final state is never left.
CREATE OR REPLACE FUNCTION limit_templates_guard_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked approvals_approvalrequest%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO asked FROM approvals_approvalrequest WHERE id = NEW.approval_id;
        IF ROW(asked.subject, asked.digest, asked.requested_by_id)
           IS DISTINCT FROM ROW('template_version'::varchar, NEW.digest, NEW.proposed_by_id) THEN
            RAISE EXCEPTION 'Request % is not about this version.', NEW.approval_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'version_as_requested';
        END IF;
        IF NEW.state <> 'proposed' THEN
            RAISE EXCEPTION 'A version can''t begin as %.', NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'version_begins';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.template_id, NEW.number, NEW.limits, NEW.note, NEW.proposed_by_id, NEW.proposed_by_name,
           NEW.proposed_at, NEW.approval_id, NEW.digest)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.template_id, OLD.number, OLD.limits, OLD.note, OLD.proposed_by_id, OLD.proposed_by_name,
           OLD.proposed_at, OLD.approval_id, OLD.digest) THEN
        RAISE EXCEPTION 'Version % is frozen: only its state moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'version_frozen';
    END IF;
    IF (OLD.in_force_at IS NOT NULL AND NEW.in_force_at IS DISTINCT FROM OLD.in_force_at)
       OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) THEN
        RAISE EXCEPTION 'Version % keeps the times at which it came into force and ended.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'version_keeps_its_times';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('proposed', 'in_force'), ('proposed', 'rejected'), ('proposed', 'withdrawn'), ('in_force', 'superseded')
        ) THEN
            RAISE EXCEPTION 'Version % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'version_transition';
        END IF;
        IF NEW.state = 'in_force' AND NOT approvals_hold(NEW.approval_id, NEW.digest) THEN
            RAISE EXCEPTION 'Version % lacks the approvals it needs.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'version_has_its_approvals';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

-- A change that names a version: of one in force, and with exactly what it sets. FOR SHARE: none is superseded meanwhile.
CREATE OR REPLACE FUNCTION limit_templates_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'change_as_its_template';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER limit_templates_template_guard BEFORE UPDATE ON limit_templates_limittemplate
    FOR EACH ROW EXECUTE FUNCTION limit_templates_guard_template();
CREATE OR REPLACE TRIGGER limit_templates_version_guard BEFORE INSERT OR UPDATE ON limit_templates_templateversion
    FOR EACH ROW EXECUTE FUNCTION limit_templates_guard_version();
CREATE OR REPLACE TRIGGER limit_templates_change_guard BEFORE INSERT ON changes_change
    FOR EACH ROW WHEN (NEW.parameters ? 'template_version') EXECUTE FUNCTION limit_templates_guard_change();
CREATE OR REPLACE TRIGGER limit_templates_template_stays BEFORE DELETE ON limit_templates_limittemplate
    FOR EACH ROW EXECUTE FUNCTION limit_templates_refuse();
CREATE OR REPLACE TRIGGER limit_templates_version_stays BEFORE DELETE ON limit_templates_templateversion
    FOR EACH ROW EXECUTE FUNCTION limit_templates_refuse();
CREATE OR REPLACE TRIGGER limit_templates_template_no_truncate BEFORE TRUNCATE ON limit_templates_limittemplate
    FOR EACH STATEMENT EXECUTE FUNCTION limit_templates_refuse();
CREATE OR REPLACE TRIGGER limit_templates_version_no_truncate BEFORE TRUNCATE ON limit_templates_templateversion
    FOR EACH STATEMENT EXECUTE FUNCTION limit_templates_refuse();

ALTER TABLE limit_templates_limittemplate ENABLE ALWAYS TRIGGER limit_templates_template_guard;
ALTER TABLE limit_templates_limittemplate ENABLE ALWAYS TRIGGER limit_templates_template_stays;
ALTER TABLE limit_templates_limittemplate ENABLE ALWAYS TRIGGER limit_templates_template_no_truncate;
ALTER TABLE limit_templates_templateversion ENABLE ALWAYS TRIGGER limit_templates_version_guard;
ALTER TABLE limit_templates_templateversion ENABLE ALWAYS TRIGGER limit_templates_version_stays;
ALTER TABLE limit_templates_templateversion ENABLE ALWAYS TRIGGER limit_templates_version_no_truncate;
ALTER TABLE changes_change ENABLE ALWAYS TRIGGER limit_templates_change_guard;

-- PostgreSQL's own rules for approvals and for the policy. They hold for every writer, whatever the code does.
--
-- The newest file of this folder is what is installed; docs/adr/0014-guards-in-sql.md says how to change it. Pages, previews and
-- guards ask the same functions: what something needs (`approvals_need`), who may decide (`approvals_may_decide`), and whether
-- something is approved (`approvals_hold`).


-- Policy ------------------------------------------------------------------------------------------------------------------

-- Whether a rule matches. What is not known matches every condition, so that nothing is approved more easily because of it.
CREATE OR REPLACE FUNCTION approvals_rule_matches(rule approvals_policyrule, facts jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (cardinality(rule.kinds) = 0 OR coalesce(facts->>'kind' = ANY (rule.kinds), true))
       AND (cardinality(rule.directions) = 0 OR coalesce(facts->>'direction' = ANY (rule.directions), true))
       AND (rule.environment = '' OR coalesce(facts->>'environment' = rule.environment, true))
       AND (rule.requester_role = '' OR coalesce(nullif(facts->>'requester_role', '') = rule.requester_role, true))
       AND (rule.hours = '' OR coalesce(facts->>'hours' = rule.hours, true))
       AND coalesce((facts->>'items')::numeric >= rule.from_items, true)
       AND coalesce((facts->>'items_24h')::numeric >= rule.from_items_24h, true)
       AND coalesce((facts->>'money_usd')::numeric >= rule.from_money_usd, true)
       AND coalesce((facts->>'liquidations')::numeric >= rule.from_liquidations, true)
       AND coalesce((facts->>'open_positions')::numeric >= rule.from_open_positions, true);
$$;

CREATE OR REPLACE FUNCTION approvals_in_stages(stages jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(sum((stage->>'approvals')::bigint), 0)::bigint FROM jsonb_array_elements(stages) AS stage;
$$;

-- What rules want for something: the strictest that matches, as {approvals, stages, valid_hours, review_within_hours, rules};
-- NULL if none matches. The strictest asks for the most approvals; then for the most stages; then names the most roles; then has
-- it reviewed soonest, if at all; then is valid for the shortest time; then comes first. The rules may be stored or not: those of
-- a version that is only drafted are tried with the same function.
--
-- A change of the policy itself always needs another person who may decide about it: no policy can say otherwise.
CREATE OR REPLACE FUNCTION approvals_need_by_rules(facts jsonb, rules approvals_policyrule[]) RETURNS jsonb LANGUAGE sql STABLE AS $$
    WITH matching AS (
        SELECT rule.id, rule.stages, rule.valid_hours, rule.review_within_hours,
               row_number() OVER (ORDER BY
                   approvals_in_stages(rule.stages) DESC,
                   jsonb_array_length(rule.stages) DESC,
                   (SELECT count(*) FROM jsonb_array_elements(rule.stages) AS stage WHERE stage->>'role' <> '') DESC,
                   rule.review_within_hours ASC NULLS LAST,
                   rule.valid_hours ASC,
                   rule.position ASC) AS place
        FROM unnest(approvals_need_by_rules.rules) AS rule
        WHERE approvals_rule_matches(rule, approvals_need_by_rules.facts)
    ), strictest AS (
        -- What moved after it was approved goes back to the approvers, also where policy would let it run (`at_least`).
        SELECT CASE WHEN coalesce((facts->>'at_least')::bigint, 0) > approvals_in_stages(stages)
                    THEN jsonb_build_array(jsonb_build_object(
                             'approvals', (facts->>'at_least')::bigint, 'role', coalesce(stages->0->>'role', '')))
                    ELSE stages END AS stages,
               valid_hours, review_within_hours
        FROM matching WHERE place = 1
    )
    SELECT CASE WHEN facts->>'subject' = 'policy_version' THEN
        '{"approvals": 1, "stages": [{"role": "", "approvals": 1}], "valid_hours": null, "review_within_hours": null, "rules": []}'
        ELSE (
            SELECT jsonb_build_object(
                'approvals', approvals_in_stages(stages), 'stages', stages, 'valid_hours', valid_hours,
                'review_within_hours', CASE WHEN stages = '[]' THEN review_within_hours END,
                'rules', (SELECT jsonb_agg(id ORDER BY place) FROM matching))
            FROM strictest)
        END;
$$;

-- What a version of the policy wants for something.
CREATE OR REPLACE FUNCTION approvals_need(facts jsonb, version bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT approvals_need_by_rules(facts, ARRAY(
        SELECT rule FROM approvals_policyrule AS rule WHERE rule.version_id = approvals_need.version));
$$;

-- How many items of a kind someone has asked for since 24 hours before a moment, without what came to nothing and without one
-- request.
CREATE OR REPLACE FUNCTION approvals_items_24h(person bigint, asked_kind text, moment timestamptz, but bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum((facts->>'items')::bigint), 0)::bigint FROM approvals_approvalrequest
    WHERE requested_by_id = person AND requested_at > moment - interval '24 hours'
      AND subject = 'change' AND facts->>'kind' = asked_kind AND state IN ('waiting', 'approved') AND id IS DISTINCT FROM but;
$$;


-- Who may decide ------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION approvals_has_role(person bigint, roles text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM staff_staff_groups AS has JOIN auth_group AS role ON role.id = has.group_id
        WHERE has.staff_id = person AND role.name = ANY (roles));
$$;

-- The role that a requester is judged by: the first of these that they have; '' for a person who is not active or has none.
CREATE OR REPLACE FUNCTION approvals_role_of(person bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT role FROM unnest(ARRAY['supervisor', 'support', 'administrator', 'compliance']) WITH ORDINALITY AS known (role, place)
        WHERE approvals_has_role(person, ARRAY[role]) AND EXISTS (SELECT FROM staff_staff WHERE id = person AND is_active)
        ORDER BY place LIMIT 1), '');
$$;

-- Whether a person may decide about a type of subject: active, with a role that has the capability (riskadmin/staff/roles.py:
-- `policy:decide` for the policy, `changes:decide` for the rest), and with the role that the stage asks for, if it asks for one.
CREATE OR REPLACE FUNCTION approvals_may_decide(person bigint, about text, asked_role text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM staff_staff WHERE id = person AND is_active)
       AND approvals_has_role(person, CASE about
               WHEN 'policy_version' THEN ARRAY['administrator', 'supervisor']
               ELSE ARRAY['supervisor'] END)
       AND (asked_role = '' OR approvals_has_role(person, ARRAY[asked_role]));
$$;


-- What is approved ----------------------------------------------------------------------------------------------------------

-- How many approvals of this content a request has.
CREATE OR REPLACE FUNCTION approvals_given(wanted_request bigint, wanted_digest text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM approvals_approval AS given JOIN approvals_approvalrequest AS asked ON asked.id = given.request_id
    WHERE given.request_id = wanted_request AND given.verdict = 'approve' AND given.digest = wanted_digest
      AND given.version = asked.version;
$$;

-- Whether somebody whose approval of this content counts may no longer decide, in the role of its stage.
CREATE OR REPLACE FUNCTION approvals_lapsed(wanted_request bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM approvals_approval AS given JOIN approvals_approvalrequest AS asked ON asked.id = given.request_id
        WHERE given.request_id = wanted_request AND given.verdict = 'approve' AND given.digest = asked.digest
          AND given.version = asked.version
          AND NOT approvals_may_decide(given.staff_id, asked.subject, coalesce(asked.stages->(given.stage - 1)->>'role', '')));
$$;

-- The stage that a request is in, from 1; NULL once it has all its approvals.
CREATE OR REPLACE FUNCTION approvals_stage(wanted_request bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(place) FROM (
        SELECT place, sum((stage->>'approvals')::bigint) OVER (ORDER BY place) AS up_to, approvals_given(asked.id, asked.digest) AS given
        FROM approvals_approvalrequest AS asked, jsonb_array_elements(asked.stages) WITH ORDINALITY AS stages (stage, place)
        WHERE asked.id = wanted_request
    ) AS counted
    WHERE up_to > given;
$$;

-- The role that a request waits for; '' for any approver.
CREATE OR REPLACE FUNCTION approvals_stage_role(wanted_request bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(stages->((approvals_stage(id) - 1)::int)->>'role', '') FROM approvals_approvalrequest WHERE id = wanted_request;
$$;

-- Whether a request is approved for exactly this content. Someone who broke the glass acts alone, and is reviewed.
CREATE OR REPLACE FUNCTION approvals_hold(wanted_request bigint, wanted_digest text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM approvals_approvalrequest
        WHERE id = wanted_request AND state = 'approved' AND digest = wanted_digest
          AND (needed = 0 OR incident <> '' OR approvals_given(id, digest) >= needed));
$$;

-- A verdict: by another person than the requester who may decide at this stage, in time, about the content as it is. The person
-- is locked: no one is switched off or stripped of a role while they decide.
CREATE OR REPLACE FUNCTION approvals_guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked approvals_approvalrequest%ROWTYPE;
BEGIN
    SELECT * INTO asked FROM approvals_approvalrequest WHERE id = NEW.request_id FOR UPDATE;
    IF asked.requested_by_id = NEW.staff_id THEN
        RAISE EXCEPTION 'Who asked for something can''t decide about it: request %.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_not_by_requester';
    END IF;
    IF asked.facts->'earlier_requesters' @> to_jsonb(NEW.staff_id) THEN
        RAISE EXCEPTION 'Who asked for an earlier version can''t decide about it: request %.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_not_by_earlier_requester';
    END IF;
    IF asked.state <> 'waiting' THEN
        RAISE EXCEPTION 'Request % is no longer waiting.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_while_waiting';
    END IF;
    PERFORM FROM staff_staff WHERE id = NEW.staff_id FOR SHARE;
    PERFORM FROM staff_staff_groups WHERE staff_id = NEW.staff_id FOR SHARE;
    IF NOT approvals_may_decide(NEW.staff_id, asked.subject, approvals_stage_role(asked.id)) THEN
        RAISE EXCEPTION 'Person % may not decide about request %: not active, or without the role.', NEW.staff_id, NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_by_role';
    END IF;
    IF asked.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'Request % has expired.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_in_time';
    END IF;
    IF ROW(asked.digest, asked.version) IS DISTINCT FROM ROW(NEW.digest, NEW.version) THEN
        RAISE EXCEPTION 'The decision is about another content than that of request %.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_about_content';
    END IF;
    IF approvals_stage(asked.id) IS DISTINCT FROM NEW.stage THEN
        RAISE EXCEPTION 'Request % is not in stage %.', NEW.request_id, NEW.stage
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_in_its_stage';
    END IF;
    RETURN NEW;
END;
$$;

-- Who rejects, or asks for edits, says why. Items are excluded only by an approval of the content without them.
CREATE OR REPLACE FUNCTION approvals_guard_reason() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.verdict <> 'approve' AND NEW.comment !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'A verdict that ends request % says why.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_says_why';
    END IF;
    IF NEW.excluded <> '[]' AND (NEW.verdict <> 'approve' OR NEW.version = 1 OR approvals_given(NEW.request_id, NEW.digest) > 0) THEN
        RAISE EXCEPTION 'Items of request % are excluded only by the first approval of its content without them.', NEW.request_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approval_excludes_from_new_content';
    END IF;
    RETURN NEW;
END;
$$;


-- Requests ----------------------------------------------------------------------------------------------------------------

-- A supervisor acts alone only if nothing that they did alone before still has to be reviewed.
CREATE OR REPLACE FUNCTION approvals_check_incident(asked approvals_approvalrequest) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT approvals_may_decide(asked.requested_by_id, asked.subject, '') OR asked.subject = 'policy_version'
       OR asked.expires_at <= clock_timestamp() OR EXISTS (
        SELECT FROM approvals_approvalrequest AS earlier
        WHERE earlier.requested_by_id = asked.requested_by_id AND earlier.id <> asked.id
          AND earlier.incident <> '' AND earlier.reviewed_at IS NULL) THEN
        RAISE EXCEPTION 'Person % may not act alone: not a supervisor, too late, or an earlier incident has to be reviewed first.',
                        asked.requested_by_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_may_act_alone';
    END IF;
END;
$$;

-- A request says what the policy in force wants for its facts, and is approved only with its approvals.
CREATE OR REPLACE FUNCTION approvals_guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    need jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- FOR SHARE: no other version comes into force before this is written.
        PERFORM FROM approvals_policyversion WHERE id = NEW.policy_id AND state = 'in_force' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Policy version % is not in force.', NEW.policy_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_by_policy_in_force';
        END IF;
        IF NEW.facts->>'subject' IS DISTINCT FROM NEW.subject
           OR NEW.facts->>'requester_role' IS DISTINCT FROM approvals_role_of(NEW.requested_by_id) THEN
            RAISE EXCEPTION 'The facts of a request name another subject, or another role of person %.', NEW.requested_by_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_with_true_facts';
        END IF;
        need := approvals_need(NEW.facts, NEW.policy_id);
        IF need IS NULL
           OR ROW(NEW.needed::bigint, NEW.stages) IS DISTINCT FROM ROW((need->>'approvals')::bigint, need->'stages')
           OR (need->>'review_within_hours' IS NOT NULL AND NEW.review_due_at IS NULL)
           OR NEW.expires_at > greatest(NEW.requested_at, (NEW.facts->>'runs_at')::timestamptz)
                               + (need->>'valid_hours')::int * interval '1 hour'
           OR (NEW.expires_at IS NULL AND NEW.subject = 'change') THEN
            RAISE EXCEPTION 'Policy wants something else for this request: %.', coalesce(need::text, 'no rule covers it')
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_as_policy_wants';
        END IF;
        IF NEW.incident <> '' THEN
            PERFORM approvals_check_incident(NEW);
        END IF;
        IF NOT (NEW.state = 'waiting' AND (NEW.needed > 0)
                OR NEW.state = 'approved' AND (NEW.needed = 0 OR NEW.incident <> ''))
           OR NEW.version <> 1 OR NEW.reviewed_at IS NOT NULL THEN
            RAISE EXCEPTION 'A request that needs % approvals can''t begin as %.', NEW.needed, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_begins';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.subject, NEW.requested_by_id, NEW.requested_by_name, NEW.requested_at, NEW.facts, NEW.policy_id, NEW.rules,
           NEW.needed, NEW.stages, NEW.expires_at)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.subject, OLD.requested_by_id, OLD.requested_by_name, OLD.requested_at, OLD.facts, OLD.policy_id, OLD.rules,
           OLD.needed, OLD.stages, OLD.expires_at)
       OR (OLD.decided_at IS NOT NULL AND NEW.decided_at IS DISTINCT FROM OLD.decided_at)
       -- While it waits its content may change, or its approvals may lapse: a next version, of which nothing is approved yet.
       OR (ROW(NEW.digest, NEW.version) IS DISTINCT FROM ROW(OLD.digest, OLD.version)
           AND NOT (OLD.state = 'waiting' AND NEW.state = 'waiting' AND NEW.version = OLD.version + 1
                    AND (NEW.digest <> OLD.digest OR approvals_lapsed(OLD.id))))
       OR (ROW(NEW.incident, NEW.review_due_at) IS DISTINCT FROM ROW(OLD.incident, OLD.review_due_at)
           AND NOT (OLD.state = 'waiting' AND NEW.state = 'approved' AND NEW.incident <> '')) THEN
        RAISE EXCEPTION 'Request % is frozen: only its state moves.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_frozen';
    END IF;
    IF ROW(NEW.reviewed_by_id, NEW.reviewed_by_name, NEW.reviewed_at, NEW.review_comment)
       IS DISTINCT FROM ROW(OLD.reviewed_by_id, OLD.reviewed_by_name, OLD.reviewed_at, OLD.review_comment)
       AND (OLD.reviewed_at IS NOT NULL OR OLD.state <> 'approved' OR OLD.review_due_at IS NULL
            OR NEW.reviewed_by_id = OLD.requested_by_id OR NOT approvals_may_decide(NEW.reviewed_by_id, OLD.subject, '')) THEN
        RAISE EXCEPTION 'Request % is reviewed once, after it ran first, by another person who may decide.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_reviewed_by_another';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF OLD.state <> 'waiting' THEN
            RAISE EXCEPTION 'Request % can''t go from % to %.', OLD.id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_transition';
        END IF;
        IF NEW.state = 'approved' THEN
            IF NEW.incident <> '' THEN
                PERFORM approvals_check_incident(NEW);
            ELSIF approvals_given(NEW.id, NEW.digest) < NEW.needed THEN
                RAISE EXCEPTION 'Request % lacks the approvals it needs.', OLD.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_has_its_approvals';
            ELSIF approvals_lapsed(NEW.id) THEN
                RAISE EXCEPTION 'Somebody who approved request % may no longer decide.', OLD.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'request_approved_by_who_may';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END;
$$;


-- Versions of the policy ----------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION approvals_guard_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'proposed' OR NOT EXISTS (
            SELECT FROM approvals_approvalrequest
            WHERE id = NEW.approval_id AND subject = 'policy_version' AND state = 'waiting' AND digest = NEW.digest) THEN
            RAISE EXCEPTION 'A version of the policy begins as a proposal that waits for approval.'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'policy_begins';
        END IF;
        RETURN NEW;
    END IF;
    IF ROW(NEW.id, NEW.number, NEW.note, NEW.proposed_by_id, NEW.proposed_by_name, NEW.proposed_at, NEW.digest, NEW.approval_id,
           NEW.rule_count)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.number, OLD.note, OLD.proposed_by_id, OLD.proposed_by_name, OLD.proposed_at, OLD.digest, OLD.approval_id,
           OLD.rule_count)
       OR (OLD.in_force_at IS NOT NULL AND NEW.in_force_at IS DISTINCT FROM OLD.in_force_at)
       OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) THEN
        RAISE EXCEPTION 'Policy version % is frozen: only its state moves.', OLD.number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'policy_frozen';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('proposed', 'in_force'), ('proposed', 'rejected'), ('proposed', 'withdrawn'), ('in_force', 'superseded')
        ) THEN
            RAISE EXCEPTION 'Policy version % can''t go from % to %.', OLD.number, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'policy_transition';
        END IF;
        IF NEW.state = 'in_force' AND NOT (
            approvals_hold(NEW.approval_id, NEW.digest)
            AND (SELECT count(*) FROM approvals_policyrule WHERE version_id = NEW.id) = NEW.rule_count) THEN
            RAISE EXCEPTION 'Policy version % lacks its rules, or the approval it needs.', OLD.number
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'policy_has_its_approval';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;

-- A version has as many rules as it says, at unique positions: one that has all of them has no place for another.
CREATE OR REPLACE FUNCTION approvals_guard_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM approvals_policyversion
        WHERE id = NEW.version_id AND state = 'proposed' AND NEW.position BETWEEN 1 AND rule_count) THEN
        RAISE EXCEPTION 'A rule comes with its version of the policy, and never later.'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'policy_rule_comes_with_version';
    END IF;
    RETURN NEW;
END;
$$;


-- History -----------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION approvals_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was asked for, said and decided stays: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approvals_stay';
END;
$$;


-- Which function guards what. ALWAYS: also in a session that replays a replica's changes, where ordinary triggers don't fire. ---

CREATE OR REPLACE TRIGGER approvals_request_guard BEFORE INSERT OR UPDATE ON approvals_approvalrequest
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_request();
CREATE OR REPLACE TRIGGER approvals_request_stays BEFORE DELETE ON approvals_approvalrequest
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_request_no_truncate BEFORE TRUNCATE ON approvals_approvalrequest
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_approval_guard BEFORE INSERT ON approvals_approval
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_approval();
CREATE OR REPLACE TRIGGER approvals_approval_reason_guard BEFORE INSERT ON approvals_approval
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_reason();
CREATE OR REPLACE TRIGGER approvals_approval_stays BEFORE UPDATE OR DELETE ON approvals_approval
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_approval_no_truncate BEFORE TRUNCATE ON approvals_approval
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_comment_stays BEFORE UPDATE OR DELETE ON approvals_comment
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_comment_no_truncate BEFORE TRUNCATE ON approvals_comment
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_policy_guard BEFORE INSERT OR UPDATE ON approvals_policyversion
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_policy();
CREATE OR REPLACE TRIGGER approvals_policy_stays BEFORE DELETE ON approvals_policyversion
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_policy_no_truncate BEFORE TRUNCATE ON approvals_policyversion
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_rule_guard BEFORE INSERT ON approvals_policyrule
    FOR EACH ROW EXECUTE FUNCTION approvals_guard_rule();
CREATE OR REPLACE TRIGGER approvals_rule_stays BEFORE UPDATE OR DELETE ON approvals_policyrule
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse();
CREATE OR REPLACE TRIGGER approvals_rule_no_truncate BEFORE TRUNCATE ON approvals_policyrule
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse();

ALTER TABLE approvals_approvalrequest ENABLE ALWAYS TRIGGER approvals_request_guard;
ALTER TABLE approvals_approvalrequest ENABLE ALWAYS TRIGGER approvals_request_stays;
ALTER TABLE approvals_approvalrequest ENABLE ALWAYS TRIGGER approvals_request_no_truncate;
ALTER TABLE approvals_approval ENABLE ALWAYS TRIGGER approvals_approval_guard;
ALTER TABLE approvals_approval ENABLE ALWAYS TRIGGER approvals_approval_reason_guard;
ALTER TABLE approvals_approval ENABLE ALWAYS TRIGGER approvals_approval_stays;
ALTER TABLE approvals_approval ENABLE ALWAYS TRIGGER approvals_approval_no_truncate;
ALTER TABLE approvals_comment ENABLE ALWAYS TRIGGER approvals_comment_stays;
ALTER TABLE approvals_comment ENABLE ALWAYS TRIGGER approvals_comment_no_truncate;
ALTER TABLE approvals_policyversion ENABLE ALWAYS TRIGGER approvals_policy_guard;
ALTER TABLE approvals_policyversion ENABLE ALWAYS TRIGGER approvals_policy_stays;
ALTER TABLE approvals_policyversion ENABLE ALWAYS TRIGGER approvals_policy_no_truncate;
ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_guard;
ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_stays;
ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_no_truncate;

-- The API budget: an admission is decided and recorded by one function, under a lock (docs/adr/0004-rate-budget.md).
--
-- The newest file of this folder is what is installed; docs/adr/0014-guards-in-sql.md says how to change it.

CREATE OR REPLACE FUNCTION budget_stops(p_user text, p_address text, p_at timestamptz) RETURNS SETOF accounts_apihalt
LANGUAGE sql STABLE AS $$
    -- A stop of an endpoint concerns everyone at the address; a denial of access (endpoint@environment) the user alone.
    SELECT * FROM accounts_apihalt
    WHERE until > p_at AND (api_user = p_user OR address = p_address AND endpoint <> '' AND endpoint NOT LIKE '%@%')
$$;

CREATE OR REPLACE FUNCTION budget_allowed(p_user text, p_limit int, p_margin int, p_share_pct int, p_at timestamptz) RETURNS int
LANGUAGE sql STABLE AS $$
    -- How many calls of the window a lane may use: of the limit in the settings, or a lower one learned from a 429.
    SELECT greatest(1, least(p_limit, (
        SELECT calls FROM (
            SELECT calls, until FROM accounts_apilimit WHERE api_user = p_user ORDER BY learnt_at DESC, id DESC LIMIT 1
        ) AS latest WHERE until > p_at
    )) - p_margin) * p_share_pct / 100
$$;

CREATE OR REPLACE FUNCTION budget_admit(
    p_user text, p_address text, p_endpoint text, p_scope text, p_lane text, p_calls int, p_limit int, p_margin int,
    p_share_pct int, p_own_limit int, p_window interval, p_now timestamptz,
    OUT at timestamptz, OUT ids bigint[], OUT stopped_until timestamptz, OUT stopped_by text, OUT frees_at timestamptz,
    OUT is_denied boolean
) LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
    allowed int;
    used bigint;
    latest record;
    room bigint := p_calls;
BEGIN
    -- Each statement after these sees what the lock's last holder committed.
    PERFORM pg_advisory_xact_lock(hashtextextended('calls of ' || p_user, 0));
    IF p_own_limit IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('calls from ' || p_address, 0));
    END IF;
    at := coalesce(p_now, pg_catalog.clock_timestamp());
    since := at - p_window;

    SELECT until, reason INTO stopped_until, stopped_by FROM budget_stops(p_user, p_address, at)
    WHERE endpoint IN ('', p_endpoint, p_scope) ORDER BY until DESC LIMIT 1;
    IF stopped_until IS NOT NULL THEN
        RETURN;
    END IF;

    allowed := budget_allowed(p_user, p_limit, p_margin, p_share_pct, at);
    SELECT id, attempted_at INTO latest FROM accounts_apiattempt WHERE api_user = p_user
    ORDER BY attempted_at DESC, id DESC LIMIT 1;
    -- A clock that was set back stands still here until it has caught up, unless it was far ahead: times rise with ids.
    IF latest.attempted_at BETWEEN at AND at + p_window THEN
        at := latest.attempted_at;
        since := at - p_window;
    END IF;
    -- So at most this many calls are in the window: counting 5,000 rows takes longer than all else.
    SELECT coalesce(latest.id - (
        SELECT id FROM accounts_apiattempt WHERE api_user = p_user AND attempted_at > since
        ORDER BY attempted_at, id LIMIT 1) + 1, 0) INTO used;
    IF used + p_calls > allowed OR latest.attempted_at > at THEN
        SELECT count(*) INTO used FROM accounts_apiattempt WHERE api_user = p_user AND attempted_at > since;
        IF used >= allowed THEN
            frees_at := coalesce((
                SELECT attempted_at FROM accounts_apiattempt WHERE api_user = p_user AND attempted_at > since
                ORDER BY attempted_at, id OFFSET used - allowed LIMIT 1), at) + p_window;
            RETURN;
        END IF;
        room := least(room, allowed - used);
    END IF;

    IF p_own_limit IS NOT NULL THEN
        SELECT count(*) INTO used FROM accounts_apiattempt
        WHERE address = p_address AND endpoint = p_endpoint AND counts_at_address AND attempted_at > since;
        IF used >= p_own_limit THEN
            frees_at := coalesce((
                SELECT attempted_at FROM accounts_apiattempt
                WHERE address = p_address AND endpoint = p_endpoint AND counts_at_address AND attempted_at > since
                ORDER BY attempted_at OFFSET used - p_own_limit LIMIT 1), at) + p_window;
            RETURN;
        END IF;
        room := least(room, p_own_limit - used);
    END IF;

    WITH made AS (
        INSERT INTO accounts_apiattempt (api_user, address, endpoint, lane, attempted_at, counts_at_address)
        SELECT p_user, p_address, p_endpoint, p_lane, at, p_own_limit IS NOT NULL FROM generate_series(1, room)
        RETURNING id
    )
    SELECT array_agg(id ORDER BY id) INTO ids FROM made;
    is_denied := EXISTS (
        SELECT FROM accounts_apihalt WHERE api_user = p_user AND endpoint = p_scope AND succeeded_at IS NULL);
END
$$;

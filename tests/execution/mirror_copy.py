"""The mirror as the first full read of a simulator wrote it, kept in the database and put back for each later test.

The simulator returns to its start for each test, so that a second full read would write the same rows.
"""

from django.db import connection

from tests import kept_tables
from tests.simulator.driver import Simulator

MIRROR = "tablename LIKE 'accounts\\_%' AND tablename NOT IN ('accounts_apitoken', 'accounts_apiattempt')"
KEPT_AT = "CREATE TABLE {schema}.kept_at AS SELECT clock_timestamp() AS at"
RESTORE = """
DO $$
DECLARE
    kept record;
BEGIN
    SET LOCAL session_replication_role = replica;  -- rows come in any order
    FOR kept IN
        SELECT table_name AS name,
               string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS columns,
               string_agg(
                   CASE WHEN column_name IN ('fresh_at', 'positions_read_at', 'checked_at', 'started_at', 'seen_at', 'ended_at')
                        THEN format('%I + (SELECT clock_timestamp() - at FROM {schema}.kept_at)', column_name)
                        ELSE quote_ident(column_name) END, ', ' ORDER BY ordinal_position) AS now_read
        FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name <> 'kept_at'
        GROUP BY table_name
    LOOP
        EXECUTE format('INSERT INTO public.%I (%s) SELECT %s FROM {schema}.%1$I', kept.name, kept.columns, kept.now_read);
    END LOOP;
END;
$$
"""

_kept: set[str] = set()
"""The schemas of this process' database."""


def keep(simulator: Simulator) -> None:
    """Keep the mirror as it is now."""
    kept_tables.keep(_schema(simulator), which=MIRROR)
    _run(KEPT_AT, simulator)
    _kept.add(_schema(simulator))


def restore(simulator: Simulator) -> bool:
    """Put the kept rows into the empty mirror, as if they had been read now; False if there are none."""
    if _schema(simulator) not in _kept:
        return False
    _run(RESTORE, simulator)
    return True


def _schema(simulator: Simulator) -> str:
    return f"mirror_of_{simulator.pid}"


def _run(statement: str, simulator: Simulator) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(schema=_schema(simulator)))

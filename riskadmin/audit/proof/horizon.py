"""Which rows of a table can be sealed: those that are committed, and below which nothing can appear any more.

An id is drawn before its row is committed, so a row with a higher id may be visible while one with a lower id is still in
flight. Every INSERT holds a ROW EXCLUSIVE lock on its table, from before it draws an id until its transaction ends. So once
the highest visible id is known, and every transaction that holds such a lock after that has ended, each lower id belongs to a
committed row, or to none for ever. CREATE INDEX CONCURRENTLY waits in the same way. Nothing is asked of the writers.
"""

from typing import Final

from django.db import connection
from psycopg import sql

from riskadmin.audit.proof.models import Horizon
from riskadmin.audit.proof.sources import Source

HIGHEST: Final = "SELECT max({id}) FROM {table}"
WRITERS: Final = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND relation = {table}::regclass
"""


def advance(source: Source, horizon: Horizon) -> int:
    """Return up to which id a table can be sealed now, and note in `horizon`, unsaved, what the next round waits for.

    Doesn't wait: while a transaction that may still bring a lower id is open, the answer is what is sealed already.
    """
    with connection.cursor() as cursor:
        if horizon.candidate is None:
            # In this order: a transaction that drew a lower id than this one has ended, or is seen to hold its lock.
            cursor.execute(_of_table(HIGHEST, source))
            highest = cursor.fetchone()[0] or 0
            if highest <= horizon.reached:
                return horizon.reached
            cursor.execute(_named(WRITERS, source))
            horizon.candidate, horizon.waits_for = highest, sorted(name for (name,) in cursor.fetchall())
        if horizon.waits_for:
            cursor.execute(_named(WRITERS, source))
            still = {name for (name,) in cursor.fetchall()}
            horizon.waits_for = sorted(still & set(horizon.waits_for))
            if horizon.waits_for:
                return horizon.reached
    reached, horizon.candidate = horizon.candidate, None
    return reached


def _of_table(query: str, source: Source) -> sql.Composed:
    return sql.SQL(query).format(table=sql.Identifier(source.table), id=sql.Identifier(source.columns[0]))


def _named(query: str, source: Source) -> sql.Composed:
    return sql.SQL(query).format(table=sql.Literal(source.table))

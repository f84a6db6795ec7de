"""A clock for the guards in the database, so that a test may live on any day, past or to come.

The triggers ask `clock_timestamp()`, which time_machine can't move: on a day that is past, they would refuse every approval as
expired. Here those functions find another one of that name first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection

SET_UP = """
CREATE SCHEMA test_clock;
CREATE TABLE test_clock.present (at timestamptz NOT NULL);
INSERT INTO test_clock.present VALUES (pg_catalog.clock_timestamp());
CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM test_clock.present';
"""
FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prosrc LIKE '%clock_timestamp()%'
"""


class DatabaseClock:
    """What the guards take for the present."""

    def move_to(self, moment: datetime) -> None:
        """Let it be another time."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE test_clock.present SET at = %s", [moment])


@contextmanager
def database_clock() -> Iterator[DatabaseClock]:
    """Give the guards of the test database a clock that the test moves; afterwards they have the machine's again."""
    with connection.cursor() as cursor:
        cursor.execute(SET_UP)
        cursor.execute(FUNCTIONS)
        functions = [name for (name,) in cursor.fetchall()]
        assert functions
        for name in functions:
            cursor.execute(f"ALTER FUNCTION {name} SET search_path = test_clock, pg_catalog, public")
    try:
        yield DatabaseClock()
    finally:
        with connection.cursor() as cursor:
            for name in functions:
                cursor.execute(f"ALTER FUNCTION {name} RESET search_path")
            cursor.execute("DROP SCHEMA test_clock CASCADE")

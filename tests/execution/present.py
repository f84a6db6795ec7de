"""The present of a test that lives on days of its own: here, at Tradovate and in the database's guards.

None of the three clocks runs by itself, so that such a test rests neither on the day it is run nor on how fast the machine is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import time_machine
from django.db import connection

from tests.simulator.driver import Simulator

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
    """Give the guards of the test database a clock that the test moves; afterwards they have the machine's again.

    They ask `clock_timestamp()`, which time_machine can't move: on a day that is past, they would refuse every approval as
    expired. Here they find another function of that name first.
    """
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


@dataclass
class Present:
    """The three clocks."""

    here: time_machine.Traveller
    simulator: Simulator
    guards: DatabaseClock

    def move_to(self, moment: datetime) -> None:
        """Let it be another time, not before the one that it is: the simulator's clock doesn't go back."""
        self.here.move_to(moment)
        self.simulator.advance_to(moment.isoformat())
        self.guards.move_to(moment)


@contextmanager
def present_from(here: time_machine.Traveller, simulator: Simulator, moment: datetime) -> Iterator[Present]:
    """Let it be that time. The simulator's clock is stopped at it or before it; the database is the test's already."""
    with database_clock() as guards:
        present = Present(here, simulator, guards)
        present.move_to(moment)
        yield present

"""The present of a test that lives on days of its own: here, at Tradovate and in the database's guards.

None of the three clocks runs by itself, so that such a test rests neither on the day it is run nor on how fast the machine is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import time_machine

from tests.database_clock import DatabaseClock, database_clock
from tests.simulator.driver import Simulator


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

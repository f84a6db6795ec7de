"""The simulator's clock and the exchange's calendar in Chicago time."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from typing import Final
from zoneinfo import ZoneInfo

CHICAGO: Final = ZoneInfo("America/Chicago")
ROLL_AT: Final = day_time(17, 0)
FRIDAY: Final = 4
SATURDAY: Final = 5
SUNDAY: Final = 6


class Clock:
    """Milliseconds since the epoch, which can be moved forward but never back.

    It runs with the machine's clock, `offset_ms` ahead of it, or it is `stopped`: then only `advance` moves it, and
    `offset_ms` counts from the epoch.
    """

    def __init__(self, offset_ms: int = 0, *, stopped: bool = False) -> None:
        self.offset_ms = offset_ms
        self.stopped = stopped

    @classmethod
    def at(cls, moment_ms: int, *, stopped: bool = False) -> Clock:
        """Return a clock that now shows this moment."""
        return cls(moment_ms if stopped else moment_ms - _machine_ms(), stopped=stopped)

    def now_ms(self) -> int:
        """Return the simulated moment."""
        return self.offset_ms if self.stopped else self.offset_ms + _machine_ms()

    def ahead_ms(self) -> int:
        """Return how far it is ahead of the machine's clock."""
        return self.now_ms() - _machine_ms()

    def advance(self, milliseconds: int) -> None:
        """Move the clock forward. Raise ValueError for a step back, which the store could not handle."""
        if milliseconds < 0:
            msg = "the clock only goes forward"
            raise ValueError(msg)
        self.offset_ms += milliseconds


def _machine_ms() -> int:
    return time.time_ns() // 1_000_000


def iso(at_ms: int) -> str:
    """Return the API's form of a moment: ISO-8601, UTC, milliseconds, ``Z``."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    # isoformat, because strftime takes five times as long; on a naive value, because its result has no offset.
    return f"{moment.replace(tzinfo=None).isoformat()}.{at_ms % 1000:03d}Z"


def parse_iso(text: str) -> int:
    """Return the milliseconds of an ISO-8601 moment. Raise ValueError when it is invalid or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"{text!r} names no time zone"
        raise ValueError(msg)
    return round(moment.timestamp() * 1000)


def _chicago(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, CHICAGO)


def next_roll_ms(after_ms: int) -> int:
    """Return the first session start (17:00 Chicago, Sunday to Thursday) later than ``after_ms``."""
    day = _chicago(after_ms).date()
    while True:
        moment = datetime.combine(day, ROLL_AT, CHICAGO)
        start_ms = round(moment.timestamp() * 1000)
        if moment.weekday() not in {FRIDAY, SATURDAY} and start_ms > after_ms:
            return start_ms
        day += timedelta(days=1)


def starts_week(roll_ms: int) -> bool:
    """Return whether this session start is Sunday's, which also resets weekly figures."""
    return _chicago(roll_ms).weekday() == SUNDAY


def trade_date(at_ms: int) -> dict[str, int]:
    """Return the trade date: from 17:00 Chicago on it is the next weekday's."""
    moment = _chicago(at_ms)
    day: date = moment.date()
    if moment.time() >= ROLL_AT:
        day += timedelta(days=1)
    while day.weekday() in {SATURDAY, SUNDAY}:
        day += timedelta(days=1)
    return {"year": day.year, "month": day.month, "day": day.day}


def in_maintenance(at_ms: int) -> bool:
    """Return whether it is within the published weekly maintenance.

    Monday to Thursday 16:00-17:00, Friday 16:00-20:00, Saturday 22:00 to Sunday 06:30, Chicago time.
    """
    moment = _chicago(at_ms)
    day, now = moment.weekday(), moment.time()
    if day == SATURDAY:
        return now >= day_time(22, 0)
    if day == SUNDAY:
        return now < day_time(6, 30)
    return day_time(16, 0) <= now < (day_time(20, 0) if day == FRIDAY else day_time(17, 0))

"""When the exchange trades, from the table `sessions.json` beside this file: the only file that knows the table.

`make sessions` makes the table from the library pandas_market_calendars, and a test compares the two. Of each calendar it has
the zone of its times, the session of each day of a usual week, and each day that differs, with None where there is none.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

TABLE: Final = Path(__file__).with_name("sessions.json")
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS: Final = re.compile(r"(?P<before>day before )?(?P<begins>\d\d:\d\d) - (?P<ends>\d\d:\d\d)")
"""As in "day before 17:00 - 16:00"."""

# Sessions are looked for beyond the last day wanted, so that a window before it closes for one that begins just after it.
MARGIN: Final = timedelta(days=14)

# What reading a damaged table raises.
FAILURES: Final = (AttributeError, LookupError, OSError, TypeError, ValueError)

Session = tuple[datetime, datetime]
"""Begin and end, in UTC."""


class CalendarError(Exception):
    """A calendar can't be read; the message is for people."""


def sessions(names: Iterable[str], *, since: date, until: date) -> tuple[list[Session], datetime]:
    """Return every session of every calendar named, from the day `since` on, and until when all of them are known.

    That is the beginning of `until`, or the end of the last session of the table. Sessions are in no order, and those of two
    calendars overlap. Pauses within a session count as trading. Raises CalendarError if a calendar is unknown, can't be read
    or has no sessions at all, and for days before the table begins.
    """
    try:
        table = json.loads(TABLE.read_text(encoding="utf-8"))
        calendars: dict[str, Any] = dict(table["calendars"])
        first, last = date.fromisoformat(table["since"]), date.fromisoformat(table["until"])
    except FAILURES as error:
        raise CalendarError(f"The table of the exchange's sessions can't be read: {error}.") from error
    if since < first:
        raise CalendarError(f"The table of the exchange's sessions begins on {first}: nothing is known about {since}.")
    days = [since + timedelta(days=number) for number in range((min(until + MARGIN, last) - since).days + 1)]
    of_each = [_of_calendar(calendars, name, days) for name in names]
    if not all(of_each):
        raise CalendarError(f"The table of the exchange's sessions ends on {last}. Update riskadmin.")
    last_ends = [max(ends for _, ends in found) for found in of_each]
    known_until = min([*last_ends, datetime.combine(until, time.min, tzinfo=UTC)])
    return [session for found in of_each for session in found], known_until


def _of_calendar(calendars: dict[str, Any], name: str, days: Sequence[date]) -> list[Session]:
    if name not in calendars:
        raise CalendarError(f"There is no calendar {name!r}; docs/running.md lists them.")
    try:
        calendar = calendars[name]
        zone, week, exceptions = ZoneInfo(calendar["zone"]), calendar["week"], calendar["exceptions"]
        hours = (
            (day, exceptions[iso] if (iso := day.isoformat()) in exceptions else week[DAYS[day.weekday()]]) for day in days
        )
        return [_session(day, each, zone) for day, each in hours if each is not None]
    except FAILURES as error:
        raise CalendarError(f"The calendar {name!r} can't be read: {error}.") from error


def _session(day: date, hours: str, zone: ZoneInfo) -> Session:
    read = HOURS.fullmatch(hours)
    if read is None:
        raise ValueError(f"{day} has the hours {hours!r}")
    begins_on = day - timedelta(days=1) if read["before"] else day
    begins, ends = (
        datetime.combine(on, time.fromisoformat(clock), tzinfo=zone).astimezone(UTC)
        for on, clock in ((begins_on, read["begins"]), (day, read["ends"]))
    )
    if not begins < ends:
        raise ValueError(f"the session of {day} ends before it begins")
    return begins, ends

"""`make sessions`: make the table of the exchange's sessions from the library pandas_market_calendars.

A table, since the library brings pandas, which takes much memory and time in each process. How the product reads the table:
`accounts/changes/scheduling/market_calendar.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, Final

import pandas_market_calendars as library

from riskadmin.local.places import PROJECT

TABLE: Final = PROJECT / "accounts" / "changes" / "scheduling" / "sessions.json"
SINCE, UNTIL = date(2025, 1, 1), date(2036, 12, 31)

# Those of the exchanges that Tradovate's accounts trade at, under the library's names.
CALENDARS: Final = (
    "CME Globex Equity",
    "CMEGlobex_FX",
    "CMEGlobex_EnergyAndMetals",
    "CME Globex Interest Rate Products",
    "CMEGlobex_Grains",
    "CMEGlobex_Livestock",
    "CME Globex Crypto",
    "CFE",
    "ICE",
    "EUREX",
)
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Sessions = dict[date, tuple[datetime, datetime]]
"""Begin and end of each day's session, in the zone of the calendar."""


def text() -> str:
    """Return the whole table as it is written."""
    calendars = {name: calendar(name) for name in CALENDARS}
    table = {"since": SINCE.isoformat(), "until": UNTIL.isoformat(), "calendars": calendars}
    return json.dumps(table, indent=1) + "\n"


def calendar(name: str) -> dict[str, Any]:
    """Return one calendar: its zone, its usual week, and the days that differ from it."""
    found = of_library(name)
    days = [SINCE + timedelta(days=number) for number in range((UNTIL - SINCE).days + 1)]
    hours = {day: _hours(day, *found[day]) if day in found else None for day in days}
    week = [Counter(each for day, each in hours.items() if day.weekday() == number).most_common(1)[0][0] for number in range(7)]
    return {
        "zone": str(library.get_calendar(name).tz),
        "week": dict(zip(DAYS, week, strict=True)),
        "exceptions": {day.isoformat(): each for day, each in hours.items() if each != week[day.weekday()]},
    }


def of_library(name: str) -> Sessions:
    """Return the sessions as the library has them, by the day that each belongs to."""
    exchange = library.get_calendar(name)
    schedule = exchange.schedule(start_date=SINCE, end_date=UNTIL)
    return {
        day.date(): (begins.tz_convert(exchange.tz).to_pydatetime(), ends.tz_convert(exchange.tz).to_pydatetime())
        for day, begins, ends in zip(schedule.index, schedule["market_open"], schedule["market_close"], strict=True)
    }


def _hours(day: date, begins: datetime, ends: datetime) -> str:
    """Return a session's hours as the table has them. Those it can't express end the command."""
    if ends.date() != day or begins.date() not in {day, day - timedelta(days=1)}:
        raise ValueError(f"the session of {day} begins at {begins} and ends at {ends}")
    return f"{'' if begins.date() == day else 'day before '}{begins:%H:%M} - {ends:%H:%M}"


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="utf-8")

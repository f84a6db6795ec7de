"""When the exchange trades, from the calendars of pandas_market_calendars: the only file that knows this library."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

# Requested beyond the last day wanted, so that a calendar that ends before it can be told from one with a long weekend there.
MARGIN: Final = timedelta(days=14)
WORDS_MAX: Final = 120
"""Characters of a library's error message that are shown: a line on a page."""

# What a library raises that is asked for something it doesn't have, or that is incompatible with its dependencies.
FAILURES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


Session = tuple[datetime, datetime]
"""Begin and end, in UTC."""


class CalendarError(Exception):
    """A calendar can't be read; the message is for people."""


def sessions(names: Iterable[str], *, since: date, until: date) -> tuple[list[Session], datetime]:
    """Return every session of every calendar named, from the day `since` on, and until when all of them are known.

    That is the beginning of `until`, or the end of the last session of the calendar that ends first. Sessions are as the
    calendars give them: in no order, and those of two calendars overlap. Pauses within a session count as trading. Raises
    CalendarError if a calendar is unknown, fails, or has no sessions at all.
    """
    try:
        # Here and not at the top: it imports pandas, which costs 0.7 s and 67 MiB, and many processes never need it.
        import pandas_market_calendars as library  # noqa: PLC0415  (for the reason above)
    except FAILURES as error:
        raise CalendarError(f"The library of the exchange's calendars can't be loaded: {error}") from error
    of_each = [_of_calendar(library, name, since, until) for name in names]
    last_ends = [max(ends for _, ends in found) for found in of_each]
    known_until = min([*last_ends, datetime.combine(until, time.min, tzinfo=UTC)])
    return [session for found in of_each for session in found], known_until


def _of_calendar(library: Any, name: str, since: date, until: date) -> list[Session]:
    try:
        schedule = library.get_calendar(name).schedule(start_date=since, end_date=until + MARGIN)
        found = [
            (begins.to_pydatetime().astimezone(UTC), ends.to_pydatetime().astimezone(UTC))
            for begins, ends in zip(schedule["market_open"], schedule["market_close"], strict=True)
        ]
        backwards = [begins for begins, ends in found if not begins < ends]
    except FAILURES as error:
        # For an unknown name it lists all that exist, hundreds of them.
        raise CalendarError(f"The calendar {name!r} can't be read: {_in_short(error)}") from error
    if backwards:
        raise CalendarError(f"The calendar {name!r} has a session of {backwards[0]:%Y-%m-%d} that ends before it begins.")
    if not found:
        raise CalendarError(f"The calendar {name!r} has no sessions since {since}.")
    return found


def _in_short(error: Exception) -> str:
    words = str(error) or type(error).__name__
    return f"{words[:WORDS_MAX]}…" if len(words) > WORDS_MAX else words

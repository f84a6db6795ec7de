"""When the exchange trades, when Tradovate has maintenance, and the windows that remain between them.

Pure except for the calendars that it is given. Times are aware, in and out; returned times are in UTC. If something is not
known, it raises: no window is better than a wrong one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from operator import attrgetter
from threading import Lock
from typing import Final, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from accounts.changes.scheduling import market_calendar
from riskadmin.web import formats
from riskadmin.web.clock import display_zone

CHICAGO: Final = ZoneInfo("America/Chicago")
"""The time zone of Tradovate's maintenance times."""

KNOWN_BACK: Final = timedelta(days=62)
"""How far back hours are known, for pages that show past weeks."""

WEEK: Final = timedelta(days=7)

Weekly = tuple[timedelta, timedelta]
"""Begin and end of a weekly span, from Monday 00:00 by the clock in Chicago."""


class HoursUnknown(Exception):
    """The exchange's hours are not known, so no window is; the message is for people."""


class BeyondHorizon(HoursUnknown):
    """The exchange's holidays are not known that far ahead (or no longer kept); the message is for people."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """From `begins_at` until just before `ends_at`."""

    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Sessions (merged over the calendars that count), maintenance with its buffers, and the time range they are known for.

    Both are in order, do not overlap, and extend past `known_until`, so that what comes just after it is considered. A window
    closes `closes_before` the next session, so that a call that was claimed at the last moment has ended when trading begins.
    """

    known_since: datetime
    known_until: datetime
    sessions: tuple[Span, ...]
    maintenance: tuple[Span, ...]
    closes_before: timedelta

    @classmethod
    def of(
        cls,
        *,
        sessions: Iterable[tuple[datetime, datetime]],
        weekly: Iterable[Weekly],
        buffer: timedelta,
        closes_before: timedelta,
        known_since: datetime,
        known_until: datetime,
    ) -> Self:
        """Return hours from sessions in any order, and from weekly maintenance, with a `buffer` around it."""
        maintenance = _every_week(tuple(weekly), since=known_since - WEEK, until=known_until + WEEK)
        return cls(
            known_since=known_since,
            known_until=known_until,
            sessions=_merged(Span(begins_at=begins_at, ends_at=ends_at) for begins_at, ends_at in sessions),
            maintenance=_merged(Span(begins_at=span.begins_at - buffer, ends_at=span.ends_at + buffer) for span in maintenance),
            closes_before=closes_before,
        )

    def is_trading(self, at: datetime) -> bool:
        """Say whether any of the calendars trades."""
        self._demand_known(at)
        session = _current_or_next(self.sessions, at)
        return session is not None and session.begins_at <= at

    def session_end(self, at: datetime) -> datetime:
        """Return the end of the session that is open at that time, or of the next one."""
        self._demand_known(at)
        session = _current_or_next(self.sessions, at)
        if session is None or session.ends_at > self.known_until:
            raise self._beyond()
        return session.ends_at

    def next_session(self, at: datetime) -> datetime:
        """Return when the next session begins, after that time."""
        self._demand_known(at)
        index = bisect_right(self.sessions, at, key=attrgetter("begins_at"))
        if index == len(self.sessions) or self.sessions[index].begins_at > self.known_until:
            raise self._beyond()
        return self.sessions[index].begins_at

    def is_open(self, at: datetime) -> bool:
        """Say whether a window is open: outside trading and outside maintenance, buffers kept."""
        self._demand_known(at)
        window = _current_or_next(self._windows, at)
        return window is not None and window.begins_at <= at

    def window(self, at: datetime) -> Span:
        """Return the window that is open at that time, or the next one. Unknown parts are not included."""
        self._demand_known(at)
        window = _current_or_next(self._windows, at)
        if window is None:
            raise self._beyond()
        return window

    def windows(self, since: datetime, until: datetime) -> Iterator[Span]:
        """Yield the windows that are open at any time in between, whole and in order, as far as they are known."""
        for window in self._windows[_index(self._windows, since) :]:
            if window.begins_at >= until:
                return
            yield window

    @cached_property
    def _windows(self) -> tuple[Span, ...]:
        """The known time that neither a session, from `closes_before` it, nor maintenance takes."""
        before_too = (
            Span(begins_at=session.begins_at - self.closes_before, ends_at=session.ends_at) for session in self.sessions
        )
        windows = []
        begins_at = self.known_since
        for closed in _merged((*before_too, *self.maintenance)):
            ends_at = min(closed.begins_at, self.known_until)
            if begins_at < ends_at:
                windows.append(Span(begins_at=begins_at, ends_at=ends_at))
            begins_at = max(begins_at, closed.ends_at)
        if begins_at < self.known_until:
            windows.append(Span(begins_at=begins_at, ends_at=self.known_until))
        return tuple(windows)

    def _demand_known(self, at: datetime) -> None:
        if at >= self.known_until:
            raise self._beyond()
        if at < self.known_since:
            raise BeyondHorizon(f"The exchange's hours before {_in_words(self.known_since)} are no longer kept.")

    def _beyond(self) -> BeyondHorizon:
        return BeyondHorizon(
            f"The exchange's holidays are known until {_in_words(self.known_until)}. Its hours after that are not known yet."
        )


def hours() -> Hours:
    """Return the hours in force: from the settings and the table of sessions, built once per process and UTC day.

    Raises HoursUnknown if the calendars can't be read: then it is not known whether a window is open, and nothing may begin
    as if one were.
    """
    with _making:  # one thread builds them, the others wait for it
        return _of_day(
            timezone.now().astimezone(UTC).date(),
            calendars=tuple(settings.EXCHANGE_CALENDARS),
            known_days=settings.HOURS_KNOWN_DAYS,
            weekly=tuple(settings.MAINTENANCE_WINDOWS),
            buffer=timedelta(minutes=settings.MAINTENANCE_BUFFER_MINUTES),
            closes_before=timedelta(seconds=settings.WINDOW_CLOSES_BEFORE_S),
        )


_making = Lock()


@lru_cache(maxsize=1)
def _of_day(
    today: date,
    *,
    calendars: tuple[str, ...],
    known_days: int,
    weekly: tuple[Weekly, ...],
    buffer: timedelta,
    closes_before: timedelta,
) -> Hours:
    since, until = today - KNOWN_BACK, today + timedelta(days=known_days)
    try:
        # A week earlier, for a session that began before and is still open then.
        sessions, known_until = market_calendar.sessions(calendars, since=since - WEEK, until=until)
    except market_calendar.CalendarError as error:
        raise HoursUnknown(str(error)) from error
    return Hours.of(
        sessions=sessions,
        weekly=weekly,
        buffer=buffer,
        closes_before=closes_before,
        known_since=datetime.combine(since, time.min, tzinfo=UTC),
        known_until=known_until,
    )


def _every_week(weekly: Sequence[Weekly], *, since: datetime, until: datetime) -> Iterator[Span]:
    """Yield weekly spans, of all weeks that have a part in the time between."""
    day = since.astimezone(CHICAGO).date()
    monday = datetime.combine(day, time.min) - timedelta(days=day.weekday()) - WEEK  # what began last week may continue
    while monday.replace(tzinfo=CHICAGO) < until:
        for begins, ends in weekly:
            yield Span(begins_at=min(_readings(monday + begins)), ends_at=max(_readings(monday + ends)))
        monday += WEEK


def _readings(wall: datetime) -> tuple[datetime, datetime]:
    """Return the two times that a clock in Chicago can mean; they differ only in the hour that is skipped or repeated.

    It is not known which of the two Tradovate uses, so a span that begins or ends there is taken at its longest.
    """
    local = wall.replace(tzinfo=CHICAGO)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans in order, those that overlap or touch merged into one."""
    merged: list[Span] = []
    for span in sorted(spans, key=attrgetter("begins_at")):
        if merged and span.begins_at <= merged[-1].ends_at:
            merged[-1] = Span(begins_at=merged[-1].begins_at, ends_at=max(merged[-1].ends_at, span.ends_at))
        else:
            merged.append(span)
    return tuple(merged)


def _index(spans: Sequence[Span], at: datetime) -> int:
    """Return the index of the first span that ends after that time."""
    return bisect_right(spans, at, key=attrgetter("ends_at"))


def _current_or_next(spans: Sequence[Span], at: datetime) -> Span | None:
    index = _index(spans, at)
    return spans[index] if index < len(spans) else None


def _in_words(at: datetime) -> str:
    return formats.moment(at, display_zone(), seconds=False)

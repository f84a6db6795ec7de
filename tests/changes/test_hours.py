"""Trading hours and windows: the dates that matter, every minute of a year, and whatever else may come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.conf import settings
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.scheduling import market_calendar
from accounts.changes.scheduling.hours import CHICAGO, BeyondHorizon, Hours, Span, hours

EQUITIES = "CME Globex Equity"
MINUTE = timedelta(minutes=1)
FIRST, LAST = date(2026, 1, 1), date(2028, 1, 1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def chicago(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


def in_chicago(span: Span) -> tuple[str, str]:
    begins, ends = (each.astimezone(CHICAGO).strftime("%a %m-%d %H:%M") for each in (span.begins_at, span.ends_at))
    return begins, ends


def of_calendars(*names: str) -> Hours:
    """Hours of two years, with the settings' maintenance."""
    return Hours.of(
        sessions=market_calendar.sessions(names, since=FIRST - timedelta(days=7), until=LAST)[0],
        weekly=settings.MAINTENANCE_WINDOWS,
        buffer=timedelta(minutes=30),
        closes_before=timedelta(seconds=120),
        known_since=datetime(FIRST.year, 1, 1, tzinfo=UTC),
        known_until=datetime(LAST.year, 1, 1, tzinfo=UTC),
    )


@pytest.fixture(scope="module")
def known() -> Hours:
    return of_calendars(*settings.EXCHANGE_CALENDARS)


# --- Dates that matter -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_minute", "last_minute", "is_trading"),
    [
        # The daily break.
        ("2026-03-03 17:00", "2026-03-04 15:59", True),
        ("2026-03-04 16:00", "2026-03-04 16:59", False),
        ("2026-03-04 17:00", "2026-03-05 15:59", True),
        # A weekend.
        ("2026-02-27 16:00", "2026-03-01 16:59", False),
        # The clocks go forward, back, and forward: the session begins at 17:00 of the new time.
        ("2026-03-06 16:00", "2026-03-08 16:59", False),
        ("2026-03-08 17:00", "2026-03-09 15:59", True),
        ("2026-10-30 16:00", "2026-11-01 16:59", False),
        ("2026-11-01 17:00", "2026-11-02 15:59", True),
        ("2027-03-12 16:00", "2027-03-14 16:59", False),
        ("2027-03-14 17:00", "2027-03-15 15:59", True),
        # Good Friday: currencies and interest rates close last.
        ("2026-04-02 17:00", "2026-04-03 10:14", True),
        ("2026-04-03 10:15", "2026-04-05 16:59", False),
        ("2027-03-26 10:15", "2027-03-28 16:59", False),
        # Monday holidays, on which currencies trade as ever.
        ("2026-01-18 17:00", "2026-01-19 15:59", True),
        ("2026-05-24 17:00", "2026-05-25 15:59", True),
        ("2026-09-06 17:00", "2026-09-07 15:59", True),
        # Thanksgiving and the day after.
        ("2026-11-25 17:00", "2026-11-26 15:59", True),
        ("2026-11-26 17:00", "2026-11-27 13:44", True),
        ("2026-11-27 13:45", "2026-11-29 16:59", False),
        ("2027-11-26 12:45", "2027-11-28 16:59", False),
        # Christmas on a Friday, and on a Saturday; New Year.
        ("2026-12-23 17:00", "2026-12-24 12:44", True),
        ("2026-12-24 12:45", "2026-12-27 16:59", False),
        ("2026-12-31 16:00", "2027-01-03 16:59", False),
        ("2027-12-23 16:00", "2027-12-26 16:59", False),
    ],
)
def test_known_dates(known: Hours, first_minute: str, last_minute: str, *, is_trading: bool) -> None:
    first, last = chicago(first_minute), chicago(last_minute)
    assert known.is_trading(first) is is_trading
    assert known.is_trading(last) is is_trading
    assert known.is_trading(first - MINUTE) is not is_trading
    assert known.is_trading(last.astimezone(UTC) + MINUTE) is not is_trading


@pytest.mark.parametrize(
    ("sunday", "begins"),
    [
        ("2026-03-01", "23:00"),
        ("2026-03-08", "22:00"),
        ("2026-10-25", "22:00"),
        ("2026-11-01", "23:00"),
        ("2027-03-14", "22:00"),
    ],
)
def test_a_session_begins_at_17_by_the_clock_in_chicago(known: Hours, sunday: str, begins: str) -> None:
    assert known.next_session(utc(f"{sunday} 12:00")) == utc(f"{sunday} {begins}")


def test_where_one_calendar_closes_early_another_may_trade(known: Hours) -> None:
    at = chicago("2026-11-26 14:00")
    assert not of_calendars(EQUITIES).is_trading(at)
    assert known.is_trading(at)


@pytest.mark.parametrize(
    ("at", "ends", "begins"),
    [
        ("2026-03-04 12:00", "2026-03-04 16:00", "2026-03-04 17:00"),  # within a session
        ("2026-03-04 16:00", "2026-03-05 16:00", "2026-03-04 17:00"),  # as one ends
        ("2026-03-04 17:00", "2026-03-05 16:00", "2026-03-05 17:00"),  # as one begins
        ("2026-03-07 12:00", "2026-03-09 16:00", "2026-03-08 17:00"),  # on a weekend
        ("2026-12-24 12:44", "2026-12-24 12:45", "2026-12-27 17:00"),  # before a holiday
        ("2026-12-25 12:00", "2026-12-28 16:00", "2026-12-27 17:00"),  # on it
    ],
)
def test_the_sessions_end_and_the_next_ones_begin(known: Hours, at: str, ends: str, begins: str) -> None:
    found = known.session_end(chicago(at)), known.next_session(chicago(at))
    assert found == (chicago(ends), chicago(begins))
    assert {each.tzinfo for each in found} == {UTC}


WINDOWS = [
    # A week like most, in which maintenance leaves nothing of the breaks.
    ("2026-03-02 00:00", "2026-03-08 00:00", [("Fri 03-06 20:30", "Sat 03-07 21:30")]),
    # Sundays on which the clocks change.
    ("2026-03-08 00:00", "2026-03-09 00:00", [("Sun 03-08 07:00", "Sun 03-08 16:58")]),
    ("2026-11-01 00:00", "2026-11-02 00:00", [("Sun 11-01 07:00", "Sun 11-01 16:58")]),
    ("2027-03-14 00:00", "2027-03-15 00:00", [("Sun 03-14 07:00", "Sun 03-14 16:58")]),
    # Holidays open some more.
    ("2026-04-03 00:00", "2026-04-04 00:00", [("Fri 04-03 10:15", "Fri 04-03 15:30"), ("Fri 04-03 20:30", "Sat 04-04 21:30")]),
    ("2026-11-26 00:00", "2026-11-28 00:00", [("Fri 11-27 13:45", "Fri 11-27 15:30"), ("Fri 11-27 20:30", "Sat 11-28 21:30")]),
    (
        "2026-12-24 00:00",
        "2026-12-26 00:00",
        [
            ("Thu 12-24 12:45", "Thu 12-24 15:30"),
            ("Thu 12-24 17:30", "Fri 12-25 15:30"),
            ("Fri 12-25 20:30", "Sat 12-26 21:30"),
        ],
    ),
    ("2026-12-31 00:00", "2027-01-01 12:00", [("Thu 12-31 17:30", "Fri 01-01 15:30")]),
]


@pytest.mark.parametrize(("since", "until", "windows"), WINDOWS)
def test_known_windows(known: Hours, since: str, until: str, windows: list[tuple[str, str]]) -> None:
    assert [in_chicago(window) for window in known.windows(chicago(since), chicago(until))] == windows


def test_the_window_of_a_time_is_the_one_it_is_in_or_the_next(known: Hours) -> None:
    expected = Span(begins_at=utc("2026-03-08 12:00"), ends_at=utc("2026-03-08 21:58"))
    for at in ("2026-03-08 03:30", "2026-03-08 12:00", "2026-03-08 21:57:59.999999"):
        assert known.window(utc(at)) == expected
    assert known.window(expected.ends_at).begins_at > expected.ends_at
    assert [known.is_open(at) for at in (expected.begins_at - MINUTE, expected.begins_at, expected.ends_at)] == [
        False,
        True,
        False,
    ]


# --- Every minute, against a slow and simple oracle -------------------------------------------------------------------

# Written down by hand: nothing of it comes from the library or its table, from zoneinfo, or from the code under test.
SUMMER_TIME = [(utc("2026-03-08 08:00"), utc("2026-11-01 07:00")), (utc("2027-03-14 08:00"), utc("2027-11-07 07:00"))]
NO_SESSION = {date(2026, 12, 25), date(2027, 1, 1)}
EARLY_CLOSES = {
    date(2026, 4, 3): 10 * 60 + 15,
    date(2026, 11, 27): 13 * 60 + 45,
    date(2026, 12, 24): 12 * 60 + 45,
    date(2027, 3, 26): 10 * 60 + 15,
}


def local_minutes(since: datetime, count: int) -> Iterator[tuple[date, int]]:
    """The day and the minute of it that a clock in Chicago shows, of each minute."""
    days = [date(1970, 1, 1) + timedelta(days=number) for number in range(24_000)]
    epoch = int(since.timestamp()) // 60
    summers = [(int(begins.timestamp()) // 60, int(ends.timestamp()) // 60) for begins, ends in SUMMER_TIME]
    for minute in range(epoch, epoch + count):
        hours_behind = 5 if any(begins <= minute < ends for begins, ends in summers) else 6
        day, of_day = divmod(minute - hours_behind * 60, 1440)
        yield days[day], of_day


def trades(day: date, minute: int) -> bool:
    if minute >= 17 * 60:
        day, minute = day + timedelta(days=1), -1  # it is the next day's session that has begun
    if day.weekday() >= 5 or day in NO_SESSION:
        return False
    return minute < EARLY_CLOSES.get(day, 16 * 60)


def is_maintained(day: date, minute: int) -> bool:
    weekday = day.weekday()
    if weekday == 5:
        return minute >= 22 * 60
    if weekday == 6:
        return minute < 6 * 60 + 30
    return 16 * 60 <= minute < (20 if weekday == 4 else 17) * 60


def test_every_minute_of_thirteen_months_agrees_with_the_reference(known: Hours) -> None:
    since, count, pad = utc("2026-03-02 00:00"), 396 * 1440, 60  # both ends are within sessions, so that no window is cut
    local = list(local_minutes(since - pad * MINUTE, count + 2 * pad))
    trading = bytes(trades(day, minute) for day, minute in local)
    maintained = bytes(is_maintained(day, minute) for day, minute in local)
    expected = bytes(
        1 not in trading[minute : minute + 3] and 1 not in maintained[minute - 30 : minute + 31]
        for minute in range(pad, pad + count)
    )

    found = bytearray(count)
    for window in known.windows(since, since + count * MINUTE):
        first, end = ((at - since) // MINUTE for at in (window.begins_at, window.ends_at))
        found[first:end] = b"\1" * (end - first)
    wrong = [since + minute * MINUTE for minute in range(count) if found[minute] != expected[minute]]
    assert wrong == []
    # One by one they are dearer: each fifth minute, which sees every edge but those of 16:58.
    assert [known.is_open(since + minute * MINUTE) for minute in range(0, count, 5)] == list(map(bool, expected[::5]))
    assert [known.is_trading(since + minute * MINUTE) for minute in range(0, count, 5)] == list(map(bool, trading[pad:-pad:5]))


# --- Whatever may come ------------------------------------------------------------------------------------------------

CLOCKS_CHANGE = (utc("2026-03-08 08:00"), utc("2026-11-01 07:00"))
DAYS = 28
ANY_MINUTE = st.integers(min_value=0, max_value=DAYS * 1440 - 1).map(MINUTE.__mul__)


@dataclass(frozen=True, kw_only=True)
class Made:
    """Hours, and what they were made of."""

    hours: Hours
    since: datetime
    until: datetime
    sessions: list[tuple[datetime, datetime]]
    weekly: list[tuple[timedelta, timedelta]]
    buffer: timedelta

    def shows_maintenance(self, at: datetime) -> bool:
        """Whether the clock in Chicago stands within one that comes every week."""
        local = at.astimezone(CHICAGO)
        of_week = timedelta(days=local.weekday(), hours=local.hour, minutes=local.minute)
        return any(begins <= of_week < ends or begins <= of_week + timedelta(days=7) < ends for begins, ends in self.weekly)


@st.composite
def any_hours(draw: st.DrawFn) -> Made:
    """Hours of any sessions and maintenance around a change of the clocks, forward or back."""

    def minutes(least: int, most: int) -> st.SearchStrategy[timedelta]:
        return st.integers(min_value=least, max_value=most).map(MINUTE.__mul__)

    since = draw(st.sampled_from(CLOCKS_CHANGE)) - timedelta(days=DAYS // 2)
    until = since + timedelta(days=DAYS)
    sessions = [
        (since + begins, since + begins + lasts)
        for begins, lasts in draw(st.lists(st.tuples(minutes(-720, (DAYS + 1) * 1440), minutes(1, 3000)), max_size=12))
    ]
    weekly = [
        (begins, begins + lasts)
        for begins, lasts in draw(st.lists(st.tuples(minutes(0, 7 * 1440 - 1), minutes(1, 900)), max_size=4))
    ]
    buffer = draw(minutes(0, 60))
    made = Hours.of(
        sessions=sessions,
        weekly=weekly,
        buffer=buffer,
        closes_before=draw(minutes(0, 10)),
        known_since=since,
        known_until=until,
    )
    return Made(hours=made, since=since, until=until, sessions=sessions, weekly=weekly, buffer=buffer)


def are_disjoint(spans: Sequence[Span]) -> bool:
    return all(span.begins_at < span.ends_at for span in spans) and all(
        before.ends_at < after.begins_at for before, after in pairwise(spans)
    )


@given(any_hours())
def test_windows_never_overlap_what_they_keep_away_from(made: Made) -> None:
    windows = list(made.hours.windows(made.since, made.until))
    assert all(are_disjoint(spans) for spans in (windows, made.hours.sessions, made.hours.maintenance))
    closes_before = made.hours.closes_before
    for window in windows:
        assert made.since <= window.begins_at < window.ends_at <= made.until
        assert not any(begins - closes_before < window.ends_at and window.begins_at < ends for begins, ends in made.sessions)
        for at in (window.begins_at, window.ends_at - MINUTE):
            near = int(made.buffer / MINUTE)
            assert not any(made.shows_maintenance(at + offset * MINUTE) for offset in range(-near, near + 1))


@given(any_hours(), ANY_MINUTE, st.integers(min_value=0, max_value=59))
def test_a_time_is_open_exactly_within_a_window(made: Made, after: timedelta, second: int) -> None:
    at = made.since + after + timedelta(seconds=second)
    windows = list(made.hours.windows(made.since, made.until))
    assert made.hours.is_open(at) is any(window.begins_at <= at < window.ends_at for window in windows)
    not_over = [window for window in windows if window.ends_at > at]
    assert list(made.hours.windows(at, made.until)) == not_over
    if not_over:
        assert made.hours.window(at) == not_over[0]
    else:
        with pytest.raises(BeyondHorizon):
            made.hours.window(at)


@given(any_hours(), ANY_MINUTE)
def test_a_time_is_open_exactly_when_nothing_speaks_against_it(made: Made, after: timedelta) -> None:
    at = made.since + after
    near = int(made.buffer / MINUTE)
    is_maintained = any(made.shows_maintenance(at + offset * MINUTE) for offset in range(-near, near + 1))
    is_session_near = any(begins - made.hours.closes_before <= at < ends for begins, ends in made.sessions)
    if is_maintained or is_session_near:
        assert not made.hours.is_open(at)
    elif all(abs(at - change) > timedelta(hours=3) for change in CLOCKS_CHANGE):  # maintenance is taken at its longest there
        assert made.hours.is_open(at)


@pytest.mark.parametrize(
    ("sunday", "weekly", "begins", "ends"),
    [
        # 02:00 to 03:00 is skipped: as if the clock had gone on, or had been put forward before.
        ("2026-03-08", (timedelta(days=6, hours=2, minutes=30), timedelta(days=6, hours=6)), "07:30", "11:00"),
        ("2026-03-08", (timedelta(days=6), timedelta(days=6, hours=2, minutes=30)), "06:00", "08:30"),
        # 01:00 to 02:00 comes twice: from the first until the second.
        ("2026-11-01", (timedelta(days=6, hours=1, minutes=30), timedelta(days=6, hours=6)), "06:30", "12:00"),
        ("2026-11-01", (timedelta(days=6), timedelta(days=6, hours=1, minutes=30)), "05:00", "07:30"),
    ],
)
def test_maintenance_in_the_hour_that_is_skipped_or_comes_twice_is_taken_at_its_longest(
    sunday: str, weekly: tuple[timedelta, timedelta], begins: str, ends: str
) -> None:
    since = utc(f"{sunday} 00:00")
    made = Hours.of(
        sessions=[],
        weekly=[weekly],
        buffer=timedelta(),
        closes_before=timedelta(),
        known_since=since,
        known_until=since + timedelta(days=1),
    )
    closed = Span(begins_at=utc(f"{sunday} {begins}"), ends_at=utc(f"{sunday} {ends}"))
    assert [span for span in made.maintenance if span.begins_at.date() == since.date()] == [closed]
    assert [(window.begins_at, window.ends_at) for window in made.windows(since, made.known_until)] == [
        (since, closed.begins_at),
        (closed.ends_at, made.known_until),
    ]


# --- What no one knows ------------------------------------------------------------------------------------------------


def test_beyond_what_is_known_everything_is_refused_in_words(known: Hours) -> None:
    for ask in (known.is_trading, known.session_end, known.next_session, known.is_open, known.window):
        with pytest.raises(BeyondHorizon, match=r"known until 2027-12-31 18:00\. Its hours after that are not known yet\."):
            ask(known.known_until)
        with pytest.raises(BeyondHorizon, match="before 2025-12-31 18:00 are no longer kept"):
            ask(known.known_since - MINUTE)


def test_up_to_what_is_known_nothing_is_made_up(known: Hours) -> None:
    until = chicago("2026-03-04 12:00")
    short = replace(known, known_until=until)
    with pytest.raises(BeyondHorizon):
        short.session_end(until - MINUTE)
    with pytest.raises(BeyondHorizon):
        short.next_session(until - MINUTE)
    with pytest.raises(BeyondHorizon):
        short.window(until - MINUTE)
    assert short.is_trading(until - MINUTE)
    # A window that reaches further is known to be open until then.
    on_sunday = replace(known, known_until=chicago("2026-03-08 12:00"))
    assert in_chicago(on_sunday.window(chicago("2026-03-08 10:00"))) == ("Sun 03-08 07:00", "Sun 03-08 12:00")
    # One that would close for a session just after closes all the same.
    before_trading = replace(known, known_until=chicago("2026-03-08 16:59"))
    assert in_chicago(before_trading.window(chicago("2026-03-08 10:00"))) == ("Sun 03-08 07:00", "Sun 03-08 16:58")


# --- Those in force ---------------------------------------------------------------------------------------------------


def test_they_are_made_once_a_day() -> None:
    with time_machine.travel(utc("2026-03-02 00:00"), tick=False) as clock:
        first = hours()
        assert (first.known_since, first.known_until) == (utc("2025-12-30 00:00"), utc("2027-03-02 00:00"))
        clock.move_to(utc("2026-03-02 23:59:59"))
        assert hours() is first
        clock.move_to(utc("2026-03-03 00:00"))
        assert hours().known_until == utc("2027-03-03 00:00")


@time_machine.travel(utc("2026-03-02 12:00"), tick=False)
def test_they_are_those_of_the_settings() -> None:
    before_christmas = chicago("2026-12-24 12:30")
    assert hours().is_trading(before_christmas)
    assert not hours().is_open(chicago("2026-03-06 20:29"))
    with override_settings(
        EXCHANGE_CALENDARS=[EQUITIES],
        HOURS_KNOWN_DAYS=300,
        MAINTENANCE_WINDOWS=[],
        WINDOW_CLOSES_BEFORE_S=600,
    ):
        assert not hours().is_trading(before_christmas)
        assert hours().known_until == utc("2026-12-27 00:00")
        assert in_chicago(hours().window(chicago("2026-03-04 16:00"))) == ("Wed 03-04 16:00", "Wed 03-04 16:50")
    with override_settings(MAINTENANCE_BUFFER_MINUTES=15):
        assert in_chicago(hours().window(chicago("2026-03-06 20:14"))) == ("Fri 03-06 20:15", "Sat 03-07 21:45")

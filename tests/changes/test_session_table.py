"""The table of the exchange's sessions against the library that it is made from, and what a damaged one leads to."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.test import override_settings

from accounts.changes.scheduling import hours as market_hours
from accounts.changes.scheduling import market_calendar
from accounts.changes.scheduling.hours import BeyondHorizon, HoursUnknown, hours
from riskadmin.local import sessions

PROJECT = Path(__file__).resolve().parents[2]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", sessions.CALENDARS)
def test_every_session_of_the_table_is_the_librarys(name: str) -> None:
    found, known_until = market_calendar.sessions([name], since=sessions.SINCE, until=sessions.UNTIL + timedelta(days=30))
    expected = [(begins.astimezone(UTC), ends.astimezone(UTC)) for begins, ends in sessions.of_library(name).values()]
    assert found == expected
    assert known_until == expected[-1][1]
    assert expected[-1][1].date() >= sessions.UNTIL - timedelta(days=3)


def test_the_table_is_what_the_command_makes() -> None:
    """After an update of the library: `make sessions`."""
    assert market_calendar.TABLE == sessions.TABLE
    assert market_calendar.TABLE.read_text(encoding="utf-8") == sessions.text()


def test_the_calendars_that_count_are_in_the_table_and_all_are_documented() -> None:
    assert set(settings.EXCHANGE_CALENDARS) <= set(sessions.CALENDARS)
    (listed,) = re.findall(r"^- Firms that trade other markets .*?:(.*?)\.$", _manual(), flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([^`]+)`", listed)) == set(sessions.CALENDARS)


@pytest.mark.parametrize(("earlier", "later"), [(1, 0), (0, 1)])
def test_hours_that_the_table_cant_express_end_the_command(earlier: int, later: int) -> None:
    day = sessions.SINCE + timedelta(days=1)
    begins, ends = sessions.of_library(sessions.CALENDARS[0])[day]
    with pytest.raises(ValueError, match=f"the session of {day} begins at"):
        sessions._hours(day, begins - timedelta(days=earlier), ends + timedelta(days=later))


def _manual() -> str:
    return (PROJECT / "docs" / "running.md").read_text(encoding="utf-8")


# --- Damaged, missing, too short ---------------------------------------------------------------------------------------

WEEK = dict.fromkeys(("Mon", "Tue", "Wed", "Thu", "Fri"), "day before 17:00 - 16:00") | {"Sat": None, "Sun": None}


def table_of(exceptions: object = None, *, until: str = "2036-12-31", **calendar: object) -> str:
    """A table with one calendar, CME: a usual week, except as given."""
    cme = {"zone": "America/Chicago", "week": WEEK, "exceptions": exceptions or {}, **calendar}
    return json.dumps({"since": "2025-01-01", "until": until, "calendars": {"CME": cme}})


@pytest.fixture
def given_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Replace the table of sessions by a text."""

    def give(text: str) -> None:
        table = tmp_path / "sessions.json"
        table.write_text(text, encoding="utf-8")
        monkeypatch.setattr(market_calendar, "TABLE", table)
        market_hours._of_day.cache_clear()

    return give


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """Hours of a replaced table are not kept for other tests."""
    yield
    market_hours._of_day.cache_clear()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "table of the exchange's sessions can't be read"),
        ("{}", "table of the exchange's sessions can't be read: 'calendars'"),
        ('{"calendars": null}', "table of the exchange's sessions can't be read"),
        ('{"calendars": {}, "since": "2025-01-01", "until": "then"}', "table of the exchange's sessions can't be read"),
        (table_of(until="2025-12-01"), r"ends on 2025-12-01\. Update riskadmin"),
        (table_of(zone="Mars/Olympus"), "'CME' can't be read"),
        (table_of(zone=None), "'CME' can't be read"),
        (table_of(week={}), "'CME' can't be read: '...'"),
        (table_of(week=None), "'CME' can't be read"),
        (table_of(exceptions=7), "'CME' can't be read"),
        (table_of({"2026-03-05": "closed"}), "'CME' can't be read: 2026-03-05 has the hours 'closed'"),
        (table_of({"2026-03-05": 0}), "'CME' can't be read"),
        (table_of({"2026-03-05": "17:00 - 25:00"}), "'CME' can't be read"),
        (table_of({"2026-03-05": "17:00 - 16:00"}), "'CME' can't be read: the session of 2026-03-05 ends before it begins"),
    ],
)
@time_machine.travel(utc("2026-03-02 12:00"), tick=False)
@override_settings(EXCHANGE_CALENDARS=["CME"])
def test_without_the_calendars_there_are_no_hours(given_table: Callable[[str], None], table: str, words: str) -> None:
    given_table(table)
    with pytest.raises(HoursUnknown, match=words):
        hours()


@override_settings(EXCHANGE_CALENDARS=["CME"])
def test_without_the_table_there_are_no_hours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(market_calendar, "TABLE", tmp_path / "none.json")
    with pytest.raises(HoursUnknown, match="can't be read"):
        hours()


def test_days_before_the_table_are_not_taken_for_days_without_trading() -> None:
    with (
        time_machine.travel(utc("2025-03-01 12:00"), tick=False),
        pytest.raises(HoursUnknown, match="begins on 2025-01-01: nothing is known about 2024-12-22"),
    ):
        hours()


@time_machine.travel(utc("2026-03-02 12:00"), tick=False)
@override_settings(EXCHANGE_CALENDARS=["CME"])
def test_a_table_that_has_ended_lets_nothing_begin(given_table: Callable[[str], None]) -> None:
    given_table(table_of(until="2026-01-31"))
    for ask in (hours().is_trading, hours().is_open, hours().window):
        with pytest.raises(BeyondHorizon, match="known until 2026-01-30"):
            ask(utc("2026-03-02 12:00"))


@time_machine.travel(utc("2026-03-02 12:00"), tick=False)
@override_settings(EXCHANGE_CALENDARS=["CME"])
def test_a_table_that_ends_early_is_known_until_then_and_no_further(given_table: Callable[[str], None]) -> None:
    given_table(table_of({"2026-03-04": None}, until="2026-03-04"))
    known = hours()
    assert known.known_until == utc("2026-03-03 22:00")
    assert known.session_end(utc("2026-03-03 12:00")) == utc("2026-03-03 22:00")
    with pytest.raises(BeyondHorizon, match="known until 2026-03-03 16:00"):
        known.is_trading(utc("2026-03-03 22:00"))


@override_settings(EXCHANGE_CALENDARS=["CME Globex Equity", "CME Globex Equitiy"])
def test_a_calendar_that_there_is_not_is_named_and_not_left_out() -> None:
    with pytest.raises(HoursUnknown, match="no calendar 'CME Globex Equitiy'") as refused:
        hours()
    assert len(str(refused.value)) < 200

"""Asking for a change at a time, in a window, and for a lock that ends: what the page offers, takes and refuses."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.changes.editing import as_typed
from accounts.changes.forms import AskForm
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.scheduling import hours as hours_module
from accounts.changes.scheduling import timing_form
from accounts.changes.scheduling.hours import Hours, HoursUnknown
from accounts.changes.states import ChangeState, Relation, Window
from riskadmin.staff.models import Staff
from tests.changes.pages import new, typed
from tests.changes.world import LOCKED, make_account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]

# A Friday, 15:00 in Chicago: the session ends at 16:00, the next begins on Sunday at 17:00.
NOW = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
SESSION_ENDS = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
NEXT_SESSION = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
WINDOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _friday() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def browser(client: Client, support: Staff) -> Client:
    client.force_login(support)
    return client


def page_of(browser: Client, kind_name: str, number: int = 101) -> Any:
    return browser.get(new(kind_name), {"account": f"demo:{number}"})


def asked(browser: Client, kind_name: str, **fields: Any) -> Any:
    """Send the form of an account's page."""
    return browser.post(new(kind_name), typed(page_of(browser, kind_name), **fields))


class TestLocks:
    @pytest.fixture(autouse=True)
    def _account(self) -> None:
        make_account(101)

    def test_the_page_says_what_each_choice_means_now(self, browser: Client) -> None:
        text = page_of(browser, "lock").content.decode()
        assert "Until the end of the session (Fri 2026-11-20 16:00)" in text
        assert "Until the next session (Sun 2026-11-22 17:00)" in text
        assert "from Fri 2026-11-20 20:30 until Sat 2026-11-21 21:30" in text

    def test_without_a_word_it_lasts_and_is_looked_at_tomorrow(self, browser: Client) -> None:
        assert asked(browser, "lock").status_code == 303
        change = Change.objects.get()
        assert (change.state, change.review_by, change.runs_at) == (ChangeState.RUNNING, date(2026, 11, 21), None)

    def test_a_day_of_ones_own(self, browser: Client) -> None:
        asked(browser, "lock", review_by="2026-11-30")
        assert Change.objects.get().review_by == date(2026, 11, 30)

    @pytest.mark.parametrize(
        ("fields", "ends_at"),
        [
            ({"lasts": "session_end"}, SESSION_ENDS),
            ({"lasts": "next_session"}, NEXT_SESSION),
            ({"lasts": "until", "ends_at": "2026-11-20T17:00"}, datetime(2026, 11, 20, 23, 0, tzinfo=UTC)),
        ],
    )
    def test_it_may_end(self, browser: Client, fields: dict[str, str], ends_at: datetime) -> None:
        assert asked(browser, "lock", **fields).status_code == 303
        lock = Change.objects.get(relation="")
        end = Change.objects.get(relation=Relation.ENDS)
        assert (lock.state, lock.review_by) == (ChangeState.RUNNING, None)
        assert (end.of_change, end.kind, end.runs_at, end.state) == (lock, "unlock", ends_at, ChangeState.PENDING)
        assert end.items.get().after == {"admin_action": "Normal"}

    @pytest.mark.parametrize(
        ("fields", "field", "words"),
        [
            ({"lasts": "until"}, "ends_at", "Say until when."),
            ({"lasts": "until", "ends_at": "2026-11-20T14:59"}, "ends_at", "That is over already."),
            ({"lasts": "until", "ends_at": "2027-11-20T14:59"}, "ends_at", "more than 90 days ahead"),
            ({"lasts": "until", "ends_at": "tomorrow"}, "ends_at", "Write year, month, day and time"),
            ({"lasts": "until", "ends_at": "2027-03-14T02:30"}, "ends_at", "This time does not exist"),
            ({"lasts": "until", "ends_at": "2027-11-07T01:30"}, "ends_at", "This time comes twice"),
            ({"lasts": "for ever"}, "lasts", "Select a valid choice"),
            ({"review_by": "2026-11-19"}, "review_by", "That day is over."),
            ({"when": "at"}, "runs_at", "Say at what time."),
            ({"when": "at", "runs_at": "2026-11-20T14:00"}, "runs_at", "That is over already."),
            (
                {"when": "at", "runs_at": "2026-11-20T18:00", "lasts": "until", "ends_at": "2026-11-20T17:00"},
                "ends_at",
                "That is before it begins.",
            ),
            # Nothing that was filled in is dropped silently.
            ({"ends_at": "2026-11-20T17:00"}, "ends_at", "Choose that, or clear this."),
            ({"lasts": "session_end", "ends_at": "2026-11-20T17:00"}, "ends_at", "Choose that, or clear this."),
            ({"lasts": "session_end", "review_by": "2026-11-30"}, "review_by", "Only a lock without an end is reviewed."),
            ({"runs_at": "2026-11-20T18:00"}, "runs_at", "Choose one of them, or clear this."),
            ({"when": "session_end", "runs_at": "2026-11-20T18:00"}, "runs_at", "Choose one of them, or clear this."),
            ({"when": "at", "runs_at": "2026-11-20T18:00", "goes_on": "on"}, "goes_on", "Choose it, or clear this."),
        ],
    )
    def test_impossible_times_are_refused_at_their_field(
        self, browser: Client, fields: dict[str, str], field: str, words: str
    ) -> None:
        answer = asked(browser, "lock", **fields)
        assert answer.status_code == 422
        assert words in str(answer.context["form"].errors[field])
        assert answer.context["form"]["reason_text"].value() == "Asked for by hand"
        assert not Change.objects.exists()

    def test_edited_it_keeps_its_end(self, browser: Client) -> None:
        fields = {"lasts": "until", "ends_at": "2026-11-20T17:00"}
        asked(browser, "lock", **fields)
        filled_in = as_typed(Change.objects.get(relation=""), KINDS["lock"])
        assert filled_in | fields == filled_in

    def test_the_account_says_when_it_ends(self, browser: Client) -> None:
        asked(browser, "lock", lasts="session_end")
        text = browser.get(reverse("changes:account_panel", args=["demo", 101])).content.decode()
        assert "2026-11-20 16:00" in text


class TestTimes:
    @pytest.fixture(autouse=True)
    def _account(self) -> None:
        make_account(101, LOCKED)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"when": "at", "runs_at": "2026-11-20T18:30"}, (datetime(2026, 11, 21, 0, 30, tzinfo=UTC), Window.ANY, False)),
            ({"when": "session_end"}, (SESSION_ENDS, Window.ANY, False)),
            ({"when": "window"}, (None, Window.OUTSIDE_TRADING, False)),
            ({"when": "window", "goes_on": "on"}, (None, Window.OUTSIDE_TRADING, True)),
            (
                {"when": "window", "runs_at": "2026-11-21T12:00"},
                (datetime(2026, 11, 21, 18, 0, tzinfo=UTC), Window.OUTSIDE_TRADING, False),
            ),
        ],
    )
    def test_when_it_runs(
        self, browser: Client, fields: dict[str, str], expected: tuple[datetime | None, Window, bool]
    ) -> None:
        assert asked(browser, "unlock", **fields).status_code == 303
        change = Change.objects.get()
        assert (change.runs_at, change.window, change.goes_on) == expected
        assert change.review_by is None

    def test_its_page_says_when(self, browser: Client) -> None:
        asked(browser, "unlock", when="window", goes_on="on", runs_at="2026-11-21T12:00")
        text = browser.get(reverse("changes:detail", args=[Change.objects.get().pk])).content.decode()
        assert "not before" in text
        assert "it goes on in the next" in text

    def test_beyond_the_horizon_there_is_no_window(self, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timing_form, "AHEAD_MAX", timedelta(days=4000))
        answer = asked(browser, "unlock", when="window", runs_at="2030-01-01T12:00")
        assert answer.status_code == 422
        assert "not known yet" in str(answer.context["form"].errors["runs_at"])

    def test_while_the_hours_are_unknown_only_times_are_offered(self, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown() -> Hours:
            raise HoursUnknown("The library does not answer.")

        monkeypatch.setattr(timing_form, "hours", unknown)
        assert hours_module.hours() is not None
        text = page_of(browser, "unlock").content.decode()
        assert "The library does not answer." in text
        assert asked(browser, "unlock", when="window").status_code == 422
        assert asked(browser, "unlock", when="at", runs_at="2026-11-20T18:30").status_code == 303


def test_only_what_can_be_taken_away_again_is_offered_an_end() -> None:
    with_end = {name for name, kind in KINDS.items() if "lasts" in AskForm(kind=kind, initial={"form_key": uuid4()}).fields}
    assert with_end == {"lock", "liquidate_only"}

"""Nothing is promised sooner than what is stopped allows, on any page."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.changes.estimate import outlook_of
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.queries import progress
from accounts.changes.scheduling.calendar import ahead
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.stops import Ahead, stops_now
from accounts.changes.tracking.pace import pace
from riskadmin.staff.models import Staff
from riskadmin.tradovate.budget_state import HaltedEndpoint
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes import stopped as having
from tests.changes.pages import new, words
from tests.changes.stopped import AT, CATEGORY, DENIED, IN_AN_HOUR, LOCK, NOW, Stopped, connect
from tests.changes.world import ask, make_account, make_accounts, open_item

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_o_clock")]


@pytest.fixture
def browser(client: Client, support: Staff, sent: list[Any]) -> Client:
    client.force_login(support)
    return client


class TestPromises:
    """Nothing is said to be done sooner than a stop's end."""

    def test_a_stop_of_one_endpoint_ends_no_sooner_than_that_of_all_calls(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings, browser: Client, support: Staff
    ) -> None:
        account, other, state = make_account(1), make_account(2), having.everything().state
        assert state is not None
        soon = NOW + timedelta(minutes=48)
        both = (HaltedEndpoint(LOCK, soon, "captcha"), HaltedEndpoint(CATEGORY, soon, DENIED, Environment.DEMO))
        connect(monkeypatch, settings, Stopped(state=replace(state, halted_endpoints=both)))
        item = open_item(support, account, "lock", ItemState.QUEUED)
        pages = [new("lock"), reverse("home"), reverse("changes:stops"), reverse("changes:detail", args=[item.change_id])]
        for page in (*pages, reverse("accounts:detail", args=["demo", account.tradovate_id])):
            text = words(browser.get(page, {"account": f"demo:{other.tradovate_id}"} if page == pages[0] else {}))
            assert AT in text
            assert "14:48:00" not in text
        assert {stop.until for stop in stops_now().found} == {IN_AN_HOUR, None}
        assert {stop.again_at for stop in stops_now().found} == {IN_AN_HOUR, None}

    def test_no_end_of_a_denial_is_promised(
        self, stop: Callable[[Stopped], None], browser: Client, support: Staff, sent: list[Any]
    ) -> None:
        item = open_item(support, make_account(1), "lock", ItemState.QUEUED)
        stop(having.endpoint(LOCK, DENIED, environment=Environment.DEMO))
        page = words(browser.get(reverse("changes:detail", args=[item.change_id])))
        assert f"Waits until Tradovate allows access again: {DENIED}. It is tried again at {AT}" in page
        assert f"until {AT}" not in page
        assert "through at about" not in page
        preview = browser.get(new("lock"), {"account": "demo:1"})
        assert f"until {AT}" not in words(preview)
        assert not preview.context["outlook"].is_known

    def test_a_scheduled_change_whose_reading_is_denied_is_promised_no_end_either(
        self, stop: Callable[[Stopped], None], support: Staff, sent: list[Any]
    ) -> None:
        make_account(1)
        change = ask(support, "lock", 1, timing=Timing(runs_at=NOW + timedelta(minutes=30)))
        Change.objects.filter(pk=change.pk).update(held_until=IN_AN_HOUR, held_why=DENIED)
        change.refresh_from_db()
        assert change.state == ChangeState.SCHEDULED
        stop(having.endpoint("accountRiskStatus/ldeps", DENIED, environment=Environment.DEMO))
        first, *_ = pace(progress(change.pk)).holds
        assert first.words == f"It is due, and what it rests on can't be read: {DENIED}. It is tried again at {AT}"
        assert first.until is None

    def test_an_outlook_ends_with_the_last_of_several_stops(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        stopped = having.endpoint(LOCK, until=NOW + timedelta(hours=2))
        stopped.finish_at = NOW + timedelta(hours=1)
        connect(monkeypatch, settings, stopped)
        change = Ahead(kind=KINDS["lock"], environment=Environment.DEMO, lane=Lane.URGENT)
        assert outlook_of(1, change).finish_at == NOW + timedelta(hours=2)
        stopped.finish_at = NOW + timedelta(hours=3)
        assert outlook_of(1, change).finish_at == NOW + timedelta(hours=3)

    def test_a_running_change_of_many(self, stop: Callable[[Stopped], None], support: Staff, sent: list[Any]) -> None:
        make_accounts(range(1, 11))
        change = ask(support, "lock", *range(1, 11))
        stop(having.endpoint(LOCK))
        found = pace(progress(change.pk))
        assert found.finish_at == IN_AN_HOUR
        assert [(hold.words, hold.until) for hold in found.holds] == [
            (f"Waits: Tradovate demands a captcha for {LOCK}", IN_AN_HOUR)
        ]

    def test_a_change_that_is_held_for_longer_than_the_stop(
        self, stop: Callable[[Stopped], None], support: Staff, sent: list[Any]
    ) -> None:
        item = open_item(support, make_account(1), "lock", ItemState.QUEUED)
        later = NOW + timedelta(hours=2)
        Change.objects.filter(pk=item.change_id).update(held_until=later, held_why="Tradovate warns of a lockout (HTTP 423)")
        stop(having.endpoint(LOCK))
        found = pace(progress(item.change_id))
        assert found.finish_at == later
        assert [hold.until for hold in found.holds] == [IN_AN_HOUR, later]
        # The call that met the stop was answered a moment before it was written down.
        Change.objects.filter(pk=item.change_id).update(held_until=IN_AN_HOUR + timedelta(milliseconds=40))
        assert [hold.until for hold in pace(progress(item.change_id)).holds] == [IN_AN_HOUR]

    def test_what_was_sent_and_can_not_be_read_back(
        self, stop: Callable[[Stopped], None], support: Staff, sent: list[Any]
    ) -> None:
        item = open_item(support, make_account(1), "lock", ItemState.SENT)
        stop(having.endpoint("accountRiskStatus/ldeps", "Tradovate makes us wait (p-ticket)"))
        (hold,) = pace(progress(item.change_id)).holds
        assert hold.words.endswith("Tradovate makes us wait (p-ticket) for accountRiskStatus/ldeps")
        assert hold.until == IN_AN_HOUR
        stop(having.endpoint(LOCK))
        assert pace(progress(item.change_id)).holds == (), "its call has left"

    @pytest.mark.parametrize(("runs_at", "is_shown"), [(timedelta(minutes=30), True), (timedelta(hours=2), False)])
    def test_a_scheduled_change_that_comes_due_before_the_stop_ends(
        self, stop: Callable[[Stopped], None], support: Staff, sent: list[Any], runs_at: timedelta, *, is_shown: bool
    ) -> None:
        make_account(1)
        change = ask(support, "lock", 1, timing=Timing(runs_at=NOW + runs_at))
        stop(having.endpoint(LOCK))
        holds = [(hold.words, hold.until) for hold in pace(progress(change.pk)).holds]
        (entry,) = ahead(support).days[0].entries
        assert entry.begins_at == max(IN_AN_HOUR, NOW + runs_at)
        assert holds == ([(f"It can't begin: Tradovate demands a captcha for {LOCK}", IN_AN_HOUR)] if is_shown else [])

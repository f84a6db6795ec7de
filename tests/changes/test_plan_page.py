"""The plan on its page: in brief above, row by row below, as fresh as it can be, and with what it would cost."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.changes import freshness
from accounts.changes.models import Item
from accounts.changes.plan_summary import ROWS_A_PAGE, sheet
from accounts.changes.states import ItemState
from accounts.changes.topics import Topic, shared, topics
from accounts.gateway.connection import NotConnected
from accounts.models import Account, RiskStatus
from riskadmin.staff.models import Staff
from riskadmin.tradovate.budget_state import BudgetState
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.fake_kind import FakeKind
from tests.changes.pages import listed, new, read_aloud, text_of, typed, uploaded
from tests.changes.world import CLOSING_ONLY, LOCKED, make_account, make_accounts, make_stale, open_item, written

pytestmark = pytest.mark.django_db


class TestPages:
    def test_rows_come_a_hundred_at_a_time_the_heaviest_first(self, support_client: Client, support: Staff) -> None:
        make_accounts(range(1, 251))
        rows = [f"{number},{number}" for number in range(1, 251)]
        query = {"targets": uploaded(support, "account,amount", *rows)}
        first, third = support_client.get(new(), query), support_client.get(new(), {**query, "page": "3"})
        assert [row.target_id for row in first.context["sheet"].rows] == list(range(250, 150, -1))
        assert [row.target_id for row in third.context["sheet"].rows] == list(range(50, 0, -1))
        assert "1 to 100 of 250" in text_of(first)
        assert "201 to 250 of 250" in text_of(third)
        assert f"?targets={query['targets']}&amp;tab=&amp;page=2" in text_of(first)
        assert first.context["plan"].digest == third.context["plan"].digest

    def test_what_is_skipped_has_a_place_of_its_own(self, support_client: Client, support: Staff) -> None:
        make_accounts([1, 2])
        make_account(3, LOCKED)
        make_account(4, LOCKED)
        page = support_client.get(new("lock"), {"targets": listed(support, "1 2 3 4")})
        assert page.context["overview"].skips == (Topic(words="Already locked", count=2),)
        assert [row.target_id for row in page.context["sheet"].rows] == [1, 2]
        skipped = support_client.get(new("lock"), {"targets": listed(support, "1 2 3 4"), "tab": "skipped"})
        assert [row.target_id for row in skipped.context["sheet"].rows] == [3, 4]
        assert "Already locked" in text_of(skipped)

    @pytest.mark.parametrize("tab", ["left_out", "x", "", "\x00"])
    def test_there_are_no_other_tabs(self, support_client: Client, tab: str) -> None:
        make_accounts([1])
        assert support_client.get(new("lock"), {"account": "demo:1", "tab": tab}).context["tab"] == ""

    @pytest.mark.parametrize(
        ("wanted", "number"),
        [("1", 1), ("2", 2), ("3", 3), ("4", 3), ("0", 1), ("-1", 1), ("x", 1), ("", 1), ("9" * 5000, 1), ("\u0662", 1)],
    )
    def test_every_page_number_leads_somewhere(self, wanted: str, number: int) -> None:
        found = sheet(list(range(2 * ROWS_A_PAGE + 1)), wanted)
        assert (found.number, found.pages, found.total) == (number, 3, 201)
        assert list(found.rows) == list(range(found.first - 1, found.last))
        assert (found.previous, found.next) == (number - 1 or None, number + 1 if number < 3 else None)

    def test_a_page_of_nothing(self) -> None:
        found: Any = sheet([], "7")
        assert (found.number, found.pages, found.rows) == (1, 1, [])

    @pytest.mark.parametrize("count", [20, 200])
    def test_it_costs_the_same_few_queries_for_any_number(self, support_client: Client, support: Staff, count: int) -> None:
        make_accounts(range(1, count + 1))
        query = {"targets": uploaded(support, "account,amount", *(f"{number},{number}" for number in range(1, count + 1)))}
        with CaptureQueriesContext(connection) as queries:
            assert len(support_client.get(new(), query).context["plan"].sent) == count
        # Session, person, roles, access; list; accounts, marks of relatives, open items, what was done lately; policy; the budget and its stops; of the
        # rows on the page, traders with money, and positions; the firm's reasons.
        assert len(queries) <= 17


class TestTopics:
    def test_texts_that_differ_in_numbers_are_one_topic(self) -> None:
        assert topics(
            [
                "1 open position: they stay",
                "12 open positions: they stay",
                "Not locked",
                "Costs $1,200.50 a day: really",
                "Costs -$3 a day: yes",
                "Costs \N{MINUS SIGN}4.5% a day",
                "Not locked",
                "Change 7 is already on its way for this account",
            ]
        ) == (
            Topic(words="Costs … a day", count=3),
            Topic(words="Open positions", count=2),
            Topic(words="Not locked", count=2),
            Topic(words="Change 7 is already on its way for this account", count=1),
        )

    def test_a_single_text_is_shown_whole(self) -> None:
        assert topics(["1 open position: they stay"] * 3) == (Topic(words="1 open position: they stay", count=3),)
        assert topics([]) == ()

    def test_each_row_counts_once_and_the_first_found_comes_first(self) -> None:
        rows = [("Liquidates now: $1", "Unusual: $2", "Unusual: $3"), ("Unusual: $4",), ()]
        assert shared(rows) == (Topic(words="Liquidates now: $1", count=1), Topic(words="Unusual", count=2))

    def test_they_are_shown_above_the_rows(self, support_client: Client, support: Staff) -> None:
        make_accounts([1, 2, 3])
        page = support_client.get(new(), {"targets": uploaded(support, "account,amount", "1,1000", "2,2000", "3,3")})
        assert page.context["overview"].effects.warnings == (Topic(words="Costs … dollars", count=2),)


def test_live_is_shown_first(support_client: Client) -> None:
    make_account(1, environment="live")
    make_account(2)
    live = support_client.get(new(), {"account": "live:1", "amount": "20", "level": "firm", "preview": "1"})
    words = "Touches live: orders there are filled for real money"
    assert live.context["overview"].effects.warnings[0] == Topic(words=words, count=1)
    assert words in text_of(live)
    demo = support_client.get(new(), {"account": "demo:2", "amount": "20", "level": "firm", "preview": "1"})
    assert words not in text_of(demo)


def test_what_gets_looser_or_tighter_is_counted(support_client: Client, support: Staff) -> None:
    make_account(1, LOCKED)
    make_account(2, CLOSING_ONLY)
    make_account(3)
    unlocked = support_client.get(new("unlock"), {"targets": listed(support, "1 2 3")}).context["overview"].effects
    assert (unlocked.looser, unlocked.tighter) == (2, 0)
    locked = support_client.get(new("lock"), {"targets": listed(support, "1 2 3")})
    assert (locked.context["effects"].looser, locked.context["effects"].tighter) == (0, 2)
    assert "0 accounts would be liquidated now" in read_aloud(locked)
    assert "2 become tighter" in read_aloud(locked)


class TestTurnedWithoutAScript:
    """Where no script runs, a link would forget what is typed: buttons of the form turn the pages then."""

    @pytest.fixture
    def page(self, support_client: Client, support: Staff) -> Any:
        make_accounts(range(1, 251))
        return support_client.get(new("lock"), {"targets": listed(support, f"{' '.join(map(str, range(1, 251)))}")})

    def test_what_was_typed_stays_and_nothing_is_requested(self, support_client: Client, page: Any) -> None:
        reported = {"reason_code": "Other", "reason_text": "Half typ", "confirm_count": "2", "show": " 2"}
        second = support_client.post(new("lock"), typed(page, **reported))
        assert (second.status_code, written()) == (200, (0, 0, 0, 0))
        assert (second.context["sheet"].number, second.context["tab"]) == (2, "")
        form = second.context["form"]
        assert [form[name].value() for name in ("reason_code", "reason_text", "confirm_count")] == ["Other", "Half typ", "2"]
        last = support_client.post(new("lock"), typed(second, reason_text="Typed", confirm_count="250"))
        assert last.status_code == 303
        assert written()[1] == 250

    def test_the_buttons_are_there_for_who_has_no_script(self, page: Any) -> None:
        words = page.content.decode().partition("<noscript>")[2].partition("</noscript>")[0]
        assert re.findall(r'form="reason"\s+formnovalidate\s+name="show"\s+value="([^"]*)"', words) == ["skipped 1", " 2"]

    @pytest.mark.parametrize("show", ["skipped 1", "skipped", "skipped x"])
    def test_the_other_rows(self, support_client: Client, page: Any, show: str) -> None:
        assert support_client.post(new("lock"), typed(page, show=show)).context["tab"] == "skipped"


class TestTouchedOften:
    def touch(self, person: Staff, account: Account, *, days: float = 1, outcome: ItemState = ItemState.APPLIED) -> None:
        """Let something have been done to the account so many days ago."""
        before = ItemState.SENDING if outcome == ItemState.REJECTED else ItemState.SENT
        item = open_item(person, account, "lock", before)
        Item.objects.filter(pk=item.pk).update(state=outcome, settled_at=timezone.now() - timedelta(days=days))

    def test_recent_repeated_changes_are_shown(self, support_client: Client, support: Staff) -> None:
        often, once, long_ago, refused, thrice = (make_account(number) for number in range(1, 6))
        for account, times in ((often, 2), (once, 1), (thrice, 2)):
            for _ in range(times):
                self.touch(support, account, days=6.9)
        self.touch(support, thrice, outcome=ItemState.UNCHANGED)
        for _ in range(3):
            self.touch(support, long_ago, days=7.1)
            self.touch(support, refused, outcome=ItemState.REJECTED)
        page = support_client.get(new("lock"), {"targets": listed(support, "1 2 3 4 5")})
        assert page.context["overview"].touched == {"demo:account:1": 2, "demo:account:5": 3}
        assert Topic(words="Changed twice or more within 7 days", count=2) in page.context["overview"].effects.warnings
        assert "Changed 3 times within 7 days" in text_of(page)


class TestStale:
    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], Lane]]:
        """What was read again, after which it is fresh and locked."""
        reads: list[tuple[list[int], Lane]] = []

        def refresh(_environment: Environment, ids: list[int], *, lane: Lane, parts: frozenset[Any]) -> int:
            reads.append((list(ids), lane))
            RiskStatus.objects.filter(account__tradovate_id__in=ids).update(fresh_at=timezone.now(), admin_action=LOCKED)
            return 1

        monkeypatch.setattr(freshness, "refresh", refresh)
        return reads

    def test_the_few_that_are_old_are_read_before_they_are_shown(
        self, support_client: Client, support: Staff, read: list[Any]
    ) -> None:
        make_stale(make_account(1, LOCKED))
        make_account(2, LOCKED)
        make_stale(make_account(3, archived=True))
        make_stale(make_account(4))
        page = support_client.get(new("unlock"), {"targets": listed(support, "1 2 4")})
        assert read == [([1, 4], Lane.URGENT)]
        assert [row.is_sent for row in page.context["plan"].rows] == [True, True, True]
        assert page.context["oldest"] is None
        # Nothing is read when it is submitted: what was shown is what counts.
        assert support_client.post(new("unlock"), typed(page)).status_code == 303
        assert len(read) == 1

    def test_so_are_many(self, support_client: Client, support: Staff, read: list[Any]) -> None:
        make_accounts(range(1, 602))
        RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(hours=1), admin_action=LOCKED)
        page = support_client.get(new("unlock"), {"targets": listed(support, " ".join(map(str, range(1, 602))))})
        assert read == [(list(range(1, 602)), Lane.BULK)]
        assert page.context["oldest"] is None

    def test_a_lock_waits_for_no_reading(self, support_client: Client, read: list[Any]) -> None:
        make_stale(make_account(1))
        page = support_client.get(new("lock"), {"account": "demo:1"})
        assert read == []
        assert "Some of this was read from Tradovate" in text_of(page)

    @pytest.mark.parametrize(
        "error",
        [
            NotConnected(Environment.DEMO),
            NotHandled("no calls left", reason=NotHandledReason.NO_BUDGET, retry_after_s=60),
        ],
    )
    def test_what_can_not_be_read_is_shown_with_its_age(
        self, support_client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def refuse(*_: Any, **__: Any) -> int:
            raise error

        monkeypatch.setattr(freshness, "refresh", refuse)
        make_stale(make_account(1, LOCKED))
        page = support_client.get(new("unlock"), {"account": "demo:1"})
        assert page.status_code == 200
        assert "Tradovate can&#x27;t be read now:" in text_of(page)
        assert len(page.context["plan"].sent) == 1


class TestOutlook:
    @pytest.fixture
    def budget(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What is left of the hour; changing it changes what the budget says."""
        left: dict[str, Any] = {"left_urgent": 500, "left_bulk": 400, "halted_until": None, "finish_at": timezone.now()}

        class Budget:
            def estimate_finish(self, calls: int, lane: Lane, **_: object) -> tuple[BudgetState, datetime]:
                if left.get("away"):
                    raise NotHandled("PostgreSQL is away", reason=NotHandledReason.BUDGET_UNAVAILABLE)
                left["asked"] = (calls, lane)
                state = BudgetState(
                    limit=1000,
                    used=500,
                    next_free_at=None,
                    halt_reason="",
                    halted_endpoints=(),
                    left_urgent=left["left_urgent"],
                    left_bulk=left["left_bulk"],
                    halted_until=left["halted_until"],
                )
                return state, left["finish_at"]

        monkeypatch.setattr("accounts.gateway.connection.budget", Budget)
        return left

    def test_a_few_have_room_in_the_urgent_lane(self, support_client: Client, support: Staff, budget: dict[str, Any]) -> None:
        make_accounts([1, 2])
        page = support_client.get(new("lock"), {"targets": listed(support, "1 2")})
        found = page.context["outlook"]
        assert (found.calls, found.lane, found.left, found.finish_at, found.fits) == (2, Lane.URGENT, 500, None, True)
        assert "the budget has room for all of it" in text_of(page)

    def test_many_end_when_the_budget_says(self, support_client: Client, support: Staff, budget: dict[str, Any]) -> None:
        budget["left_bulk"] = 10
        budget["finish_at"] = timezone.now() + timedelta(minutes=73)
        make_accounts(range(1, 61))
        page = support_client.get(new("lock"), {"targets": listed(support, " ".join(map(str, range(1, 61))))})
        found = page.context["outlook"]
        assert (found.calls, found.lane, found.left, found.fits) == (60, Lane.BULK, 10, False)
        assert found.finish_at == budget["finish_at"]
        assert budget["asked"] == (60, Lane.BULK)

    def test_calls_of_many_accounts_and_of_several_steps(
        self, support_client: Client, support: Staff, budget: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_accounts(range(1, 52))
        query = {"targets": listed(support, " ".join(map(str, range(1, 52)))), "preview": "1", "amount": "1", "level": "own"}
        assert support_client.get(new(), query).context["outlook"].calls == 2
        monkeypatch.setattr(FakeKind, "steps", ("one", "two", "three"))
        assert support_client.get(new(), query).context["outlook"].calls == 6

    def test_a_stop_of_all_calls_is_waited_for(self, support_client: Client, support: Staff, budget: dict[str, Any]) -> None:
        budget["halted_until"] = budget["finish_at"] = timezone.now() + timedelta(minutes=40)
        make_accounts([1])
        page = support_client.get(new("lock"), {"targets": listed(support, "1")})
        assert page.context["outlook"].finish_at == budget["halted_until"]
        assert "it waits for the end of what is stopped" in text_of(page)

    def test_where_the_budget_can_not_be_read(self, support_client: Client, budget: dict[str, Any]) -> None:
        budget["away"] = True
        make_accounts([1])
        page = support_client.get(new("lock"), {"account": "demo:1"})
        assert page.status_code == 200
        assert "the budget of calls can't be read now" in text_of(page)

    @pytest.mark.parametrize(("count", "is_shown"), [(200, False), (201, True)])
    def test_a_category_is_one_call_for_all(
        self, support_client: Client, support: Staff, budget: dict[str, Any], count: int, *, is_shown: bool
    ) -> None:
        make_accounts(range(1, count + 1))
        list_id = listed(support, " ".join(map(str, range(1, count + 1))))
        page = text_of(support_client.get(new("lock"), {"targets": list_id}))
        assert (f'href="{new("risk_category")}?targets={list_id}"' in page) == is_shown

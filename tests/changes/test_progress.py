"""Following a change of any size: what a tick of its page costs, how fast it runs, which items it shows."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import redis
import time_machine
from django.contrib.auth import SESSION_KEY
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.states import Verdict
from accounts.changes.estimate import Outlook
from accounts.changes.models import Change, Item
from accounts.changes.queries import progress
from accounts.changes.states import ItemState
from accounts.changes.stops import Ahead
from accounts.changes.tracking import control, pace
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.pages import text_of
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account, make_accounts, open_item, walk
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
HTMX = {"HX-Request": "true"}
OF_THE_PERSON = ("staff_sessions_staffsession", "staff_staff", "auth_group", "access_accesslimit")


def tick_of(change: Change) -> str:
    return reverse("changes:progress", args=[change.pk])


def lock_of(support: Staff, accounts: int) -> Change:
    """Request a lock of so many accounts, of which some have come to each state."""
    make_accounts(range(1, accounts + 1))
    change = ask(support, "lock", *range(1, accounts + 1))
    for position, state in enumerate(
        (ItemState.SENDING, ItemState.SENT, ItemState.UNKNOWN, ItemState.APPLIED, ItemState.REJECTED, ItemState.SKIPPED),
        start=1,
    ):
        walk(change.items.get(position=position), state)
    return change


@pytest.fixture
def change(support: Staff, sent: Sent) -> Change:
    """A lock of 25 accounts, of which some have come to each state."""
    return lock_of(support, 25)


@pytest.fixture
def of_pages(support: Staff, sent: Sent) -> Change:
    """A lock of 250 accounts, whose items are three pages, of which some have come to each state."""
    return lock_of(support, 250)


@pytest.fixture
def watching(client: Client, support: Staff, redis_client: redis.Redis) -> Client:
    """Support's browser."""
    client.force_login(support)
    return client


class TestTicks:
    @staticmethod
    def cost(client: Client, address: str) -> list[str]:
        """The statements of a tick, but for finding out who asks."""
        client.get(address, headers=HTMX)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address, headers=HTMX).status_code == 200
        return [query["sql"] for query in queries if not any(table in query["sql"] for table in OF_THE_PERSON)]

    def test_it_takes_three_queries_for_every_role(self, watching: Client, change: Change, supervisor: Staff) -> None:
        assert SESSION_KEY in watching.session
        assert len(self.cost(watching, tick_of(change))) == 3
        for role in (Role.COMPLIANCE, Role.ADMINISTRATOR):
            watching.force_login(make_person(role))
            assert len(self.cost(watching, tick_of(change))) == 3
        watching.force_login(supervisor)
        assert len(self.cost(watching, tick_of(change))) == 3

    def test_also_of_some_of_the_items(self, watching: Client, of_pages: Change, subtests: pytest.Subtests) -> None:
        for asked in ("?state=queued", "?q=KTR50K-0001", "?state=applied&q=4", "?state=cancelled"):
            with subtests.test(asked):
                assert len(self.cost(watching, tick_of(of_pages) + asked)) == 3

    def test_also_with_decisions_and_when_it_is_held(self, watching: Client, support: Staff, supervisor: Staff) -> None:
        make_account(901, LOCKED)
        waiting = ask(support, "unlock", 901)
        assert len(self.cost(watching, tick_of(waiting))) == 3
        approve(supervisor, waiting, comment="Called him")
        control.pause(actor=supervisor, origin=ORIGIN, change_id=waiting.pk)
        assert len(self.cost(watching, tick_of(waiting))) == 3

    def test_it_repeats_what_was_requested(self, watching: Client, change: Change) -> None:
        shown = text_of(watching.get(tick_of(change) + "?state=queued&q=KTR", headers=HTMX))
        assert f'hx-get="{tick_of(change)}?state=queued&amp;q=KTR"' in shown

    def test_many_are_looked_at_less_often(self, watching: Client, of_pages: Change, support: Staff) -> None:
        assert 'data-poll="2s"' in text_of(watching.get(tick_of(of_pages), headers=HTMX))
        few = open_item(support, make_account(901), "lock", ItemState.QUEUED).change
        assert 'data-poll="1s"' in text_of(watching.get(tick_of(few), headers=HTMX))

    def test_nothing_is_asked_once_it_is_over(self, watching: Client, change: Change, support: Staff) -> None:
        control.cancel(actor=support, origin=ORIGIN, change_id=change.pk)
        assert "data-poll" in text_of(watching.get(tick_of(change), headers=HTMX))
        Item.objects.filter(state__in=[ItemState.SENDING, ItemState.SENT]).update(state=ItemState.UNKNOWN)
        Item.objects.filter(state=ItemState.UNKNOWN).update(state=ItemState.APPLIED)
        control.cancel_put_back(origin=ORIGIN)
        response = watching.get(tick_of(change), headers=HTMX)
        assert "data-poll" not in text_of(response)
        assert response["HX-Trigger"] == '{"change-moved": {}}'


class TestProgress:
    def test_it_counts(self, change: Change, supervisor: Staff) -> None:
        following = progress(change.pk)
        assert following.counts == {
            ItemState.QUEUED: 19,
            ItemState.SENDING: 1,
            ItemState.SENT: 1,
            ItemState.UNKNOWN: 1,
            ItemState.APPLIED: 1,
            ItemState.REJECTED: 1,
            ItemState.SKIPPED: 1,
        }
        assert (following.total, following.settled, following.unknown, following.failed) == (25, 3, 1, 2)
        ends = [begins + width for _, _, begins, width in following.shares]
        assert ends[-1] == pytest.approx(100)
        assert [begins for _, _, begins, _ in following.shares] == pytest.approx([0.0, *ends[:-1]])

    def test_it_knows_who_decided_what(self, support: Staff, supervisor: Staff, sent: Sent) -> None:
        make_account(901, LOCKED)
        waiting = ask(support, "unlock", 901)
        approve(supervisor, waiting, comment="Called him")
        (decision,) = progress(waiting.pk).approvals
        assert (decision.staff_name, decision.verdict, decision.comment) == ("supervisor", Verdict.APPROVE, "Called him")
        assert decision.made_at == waiting.approval.approvals.get().made_at

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(Change.DoesNotExist):
            progress(4711)


class TestItems:
    def test_they_are_narrowed(self, watching: Client, of_pages: Change, subtests: pytest.Subtests) -> None:
        cases: list[tuple[dict[str, str], Sequence[int]]] = [
            ({"state": "applied"}, [4]),
            ({"state": "queued", "q": "ktr50k-00019"}, list(range(190, 200))),
            ({"q": "KTR50K-000017"}, [17]),
            ({"q": "17"}, [17, *(number for number in range(1, 251) if "17" in f"KTR50K-{number:06}" and number != 17)]),
            ({"q": "50"}, range(1, 101)),  # it stands in every name; the first page of them
            ({"q": "%"}, []),
            ({"state": "nonsense"}, range(1, 101)),
            ({"q": "x" * 65}, range(1, 101)),
            ({"q": "a\x00"}, range(1, 101)),
            ({"q": "KTR50K-9"}, []),
        ]
        for asked, ids in cases:
            for name in ("detail", "progress"):
                with subtests.test(name, **asked):
                    response = watching.get(reverse(f"changes:{name}", args=[of_pages.pk]), asked)
                    assert [item.target_id for item, _ in response.context["items"]] == list(ids)

    def test_page_by_page(self, watching: Client, of_pages: Change) -> None:
        seen: list[int] = []
        cursor = ""
        while True:
            response = watching.get(tick_of(of_pages), {"state": "queued", "cursor": cursor})
            seen += [item.target_id for item, _ in response.context["items"]]
            cursor = response.context["page"].next_cursor
            if not cursor:
                break
        assert seen == list(range(7, 251))

    def test_htmx_gets_the_live_part_of_the_page(self, watching: Client, change: Change) -> None:
        shown = text_of(watching.get(reverse("changes:detail", args=[change.pk]), {"state": "applied"}, headers=HTMX))
        assert shown.lstrip().startswith(f"<title>Change {change.pk} running, 3 of 25 · riskadmin</title>")
        assert "<body" not in shown
        assert "No item matches." in text_of(watching.get(tick_of(change), {"state": "cancelled"}))


class TestPace:
    @staticmethod
    def with_budget(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
        def outlook_of(calls: int, change: Ahead) -> Outlook:
            return Outlook(**{"calls": calls, "lane": change.lane, "left": 5000, **fields})  # type: ignore[arg-type]

        monkeypatch.setattr(pace, "outlook_of", outlook_of)

    def test_before_the_first_nothing_is_said(self, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        self.with_budget(monkeypatch)
        now = pace.pace(progress(change.pk))
        assert (now.a_minute, now.calls_left, now.finish_at, now.holds) == (None, 19, None, ())

    def test_the_rate_is_that_of_the_last_five_minutes(self, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        self.with_budget(monkeypatch)
        asked_at = change.submitted_at
        for number, minutes in enumerate((1, 4, 6, 7, 8), start=10):
            item = change.items.get(position=number)
            walk(item, ItemState.SENT)
            Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED, settled_at=asked_at + timedelta(minutes=minutes))
        with time_machine.travel(asked_at + timedelta(minutes=10), tick=False):
            now = pace.pace(progress(change.pk))
            assert now.a_minute == pytest.approx(3 / 5)
            # 14 queued, 2 under way, 1 unknown.
            assert now.finish_at == timezone.now() + timedelta(minutes=17 / (3 / 5))
        with time_machine.travel(asked_at + timedelta(minutes=2), tick=False):
            assert pace.pace(progress(change.pk)).a_minute == pytest.approx(5 / 2)

    def test_what_was_skipped_when_it_was_requested_is_no_speed(self, support: Staff, sent: Sent, of_pages: Change) -> None:
        archived = ask(support, "lock", 900_001, 249, 250)
        assert progress(archived.pk).counts[ItemState.SKIPPED] >= 1
        assert pace.pace(progress(archived.pk)).a_minute is None

    def test_the_end_is_not_before_the_budget_allows(self, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        late = timezone.now() + timedelta(hours=3)
        self.with_budget(monkeypatch, left=10, finish_at=late)
        assert pace.pace(progress(change.pk)).finish_at == late

    def test_the_reason_for_a_delay_is_found(self, change: Change, supervisor: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        until = timezone.now() + timedelta(minutes=30)

        def held() -> list[tuple[str, object]]:
            return [(hold.words, hold.until) for hold in pace.pace(progress(change.pk)).holds]

        self.with_budget(monkeypatch)
        assert held() == []
        Item.objects.filter(state=ItemState.QUEUED).update(not_before=until)
        assert held() == [("The next items wait before they are tried again", until)]
        control.pause(actor=supervisor, origin=ORIGIN, change_id=change.pk)
        assert held() == [("Paused by supervisor", None)]
        assert pace.pace(progress(change.pk)).finish_at is None

    def test_calls_of_several_steps_and_of_many_items(
        self, support: Staff, change: Change, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.with_budget(monkeypatch)
        item = open_item(support, make_account(901), "liquidate", ItemState.QUEUED)
        steps = len(progress(item.change_id).kind.steps)
        assert steps > 1
        assert pace.pace(progress(item.change_id)).calls_left == steps
        Item.objects.filter(pk=item.pk).update(step=1)
        assert pace.pace(progress(item.change_id)).calls_left == steps - 1
        one = open_item(support, make_account(902), "risk_category", ItemState.QUEUED)
        assert pace.pace(progress(one.change_id)).calls_left == 1

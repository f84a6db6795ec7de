"""The page of a decision: what the change would do now and what has moved since it was requested, above the buttons."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.models import Approval
from accounts.approvals.subjects import DecisionRefused
from accounts.changes import freshness
from accounts.changes.decision_page import ITEMS_TO_DECIDE
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import plan
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.topics import Topic
from accounts.gateway.connection import NotConnected
from accounts.models import Account, AutoLiqLimits, Cash, LimitLevel, Position, RiskStatus, Source
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.pages import listed, new, read_aloud, text_of
from tests.changes.world import LOCKED, approve, ask, make_account, make_accounts, open_item, reject
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
NEW_LIMIT = {"daily_loss_auto_liq_usd": "1500"}
LIQUIDATES = "Would auto-liquidate now, on realised figures"


def make_evaluations(numbers: Sequence[int], *, limit: str = "1000", today: str = "0", positions: int = 0) -> None:
    """Add evaluations of $50,000 with a daily loss limit, each with a result today, some holding a position."""
    fresh: dict[str, Any] = {"fresh_at": timezone.now(), "source": Source.SYNC}
    made = Account.objects.bulk_create(
        Account(
            environment="demo",
            tradovate_id=number,
            name=f"KTR50K-{number:06}",
            positions_read_at=timezone.now(),
            evaluation_size_usd=50_000,
            **fresh,
        )
        for number in numbers
    )
    RiskStatus.objects.bulk_create(RiskStatus(account=account, admin_action="Normal", **fresh) for account in made)
    Cash.objects.bulk_create(
        Cash(
            account=account,
            amount_usd=50_000,
            amount_sod_usd=50_000,
            realized_pnl_usd=today,
            week_realized_pnl_usd=today,
            **fresh,
        )
        for account in made
    )
    AutoLiqLimits.objects.bulk_create(
        AutoLiqLimits(account=account, level=LimitLevel.FIRM, daily_loss_auto_liq_usd=limit, **fresh) for account in made
    )
    Position.objects.bulk_create(
        Position(account=account, tradovate_id=account.tradovate_id, contract_id=1, net_pos=1, **fresh)
        for account in made[:positions]
    )


def make_the_reported() -> list[int]:
    """Add 354 evaluations: 256 become looser, 98 tighter, 88 hold positions, and 8 of those would be liquidated."""
    make_evaluations(range(1, 257), limit="1000", positions=50)
    make_evaluations(range(257, 347), limit="2500", positions=30)
    make_evaluations(range(347, 355), limit="2500", positions=8)
    for number in range(347, 355):
        Cash.objects.filter(account__tradovate_id=number).update(realized_pnl_usd=-1600 - number)
    return list(range(1, 355))


def address(name: str, *args: object) -> str:
    return reverse(f"changes:{name}", args=args)


def opened(client: Client, person: Staff, change: Change, **query: str) -> Any:
    """Open a change's page as somebody."""
    client.force_login(person)
    page = client.get(address("detail", change.pk), query)
    assert page.status_code == 200
    return page


def names(page: Any) -> list[str]:
    """The accounts that a page lists, in its order."""
    return [each.item.target_name for each in page.context["sheet"].rows]


class TestReported:
    """A change of 354 limits that would liquidate eight was approved twice without a word about it on the page."""

    @pytest.fixture
    def change(self, support: Staff, sent: Sent) -> Change:
        return ask(support, "auto_liq_limits", *make_the_reported(), parameters=NEW_LIMIT)

    def test_both_approvers_read_the_effects_above_the_buttons(
        self, client: Client, change: Change, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        assert change.approval.needed == 2
        for person in (supervisor, second_supervisor):
            words = read_aloud(opened(client, person, change))
            button = words.index("Approve and liquidate 8")
            for effect in (
                "8 accounts would be liquidated now",
                "88 accounts hold open positions",
                "256 become looser",
                "98 become tighter",
                f"{LIQUIDATES} 8",
            ):
                assert words.index(effect) < button
            assert "You approve the 354 accounts as requested, also those on the other pages." in words
            assert "8 would be liquidated now; that can't be undone." in words
            approve(person, change)
        assert Change.objects.get().state == ChangeState.RUNNING

    def test_preview_and_decision_say_the_same(self, client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
        ids = make_the_reported()
        client.force_login(support)
        query = {"targets": listed(support, " ".join(map(str, ids))), **NEW_LIMIT, "preview": "1", "level": "firm"}
        preview = client.get(new("auto_liq_limits"), query)
        change = ask(support, "auto_liq_limits", *ids, parameters=NEW_LIMIT)
        page = opened(client, supervisor, change)
        assert preview.context["effects"] == page.context["review"].overview.effects == page.context["stored"]
        for words in (read_aloud(preview), read_aloud(page)):
            figures = re.search(
                r"8 accounts would be liquidated now Together (\S+) today 88 accounts hold open positions", words
            )
            assert figures
            assert figures[1] == "\N{MINUS SIGN}$15,604.00"
            assert "256 become looser 98 become tighter" in words

    def test_the_worst_come_first_a_few_at_a_time(self, client: Client, change: Change, supervisor: Staff) -> None:
        page = opened(client, supervisor, change)
        assert names(page)[:8] == [f"KTR50K-{number:06}" for number in range(347, 355)]
        assert len(names(page)) == ITEMS_TO_DECIDE == 15
        assert "1 to 15 of 354" in text_of(page)
        assert f"{address('detail', change.pk)}?q=&amp;page=2" in text_of(page)
        assert names(opened(client, supervisor, change, page="24")) == [f"KTR50K-{number:06}" for number in range(248, 257)]

    def test_effects_and_warnings_filter_the_list(self, client: Client, change: Change, supervisor: Staff) -> None:
        cases: list[tuple[dict[str, str], int]] = [
            ({"effect": "liquidated"}, 8),
            ({"effect": "holding_positions"}, 88),
            ({"effect": "looser"}, 256),
            ({"effect": "tighter"}, 98),
            ({"effect": "moved"}, 0),
            ({"effect": "skipped"}, 0),
            ({"effect": "nonsense"}, 354),
            ({"warning": Topic(words=LIQUIDATES, count=8).key}, 8),
            ({"warning": "loosen"}, 256),
            ({"warning": "nonsense"}, 0),
            ({"q": "000354"}, 1),
            ({"q": "354"}, 1),
            ({"q": "350", "effect": "looser"}, 0),
        ]
        found = [opened(client, supervisor, change, **query).context["sheet"].total for query, _ in cases]
        assert found == [count for _, count in cases]

    def test_each_count_is_a_link_to_its_accounts(self, client: Client, change: Change, supervisor: Staff) -> None:
        page = text_of(opened(client, supervisor, change))
        path = re.escape(address("detail", change.pk))
        assert re.findall(rf'href="{path}\?q=&amp;(effect=\w+)"', page) == [
            "effect=liquidated",
            "effect=holding_positions",
            "effect=looser",
            "effect=tighter",
        ]
        for query in re.findall(rf'href="{path}\?q=&amp;warning=([^"]*)"', page):
            assert opened(client, supervisor, change, warning=query).context["sheet"].total > 0

    def test_others_read_it_too_and_have_no_buttons(self, client: Client, change: Change, support: Staff) -> None:
        for person in (support, make_person(Role.SUPPORT, "another"), make_person(Role.COMPLIANCE)):
            page = opened(client, person, change)
            assert "8 accounts would be liquidated now" in read_aloud(page)
            assert "Approve:" not in read_aloud(page)
            assert reverse("approvals:decide", args=[change.approval_id]) not in text_of(page)

    def test_once_it_is_decided_the_stored_effects_are_shown(
        self, client: Client, change: Change, supervisor: Staff, second_supervisor: Staff
    ) -> None:
        approve(supervisor, change)
        approve(second_supervisor, change)
        Cash.objects.update(realized_pnl_usd=0)
        page = opened(client, supervisor, change)
        words = read_aloud(page)
        assert page.context["review"] is None
        assert "As previewed when it was requested" in words
        assert "8 accounts would be liquidated 88 accounts hold open positions" in words
        assert "liquidated now" not in words
        poll = read_aloud(client.get(address("progress", change.pk), headers={"HX-Request": "true"}))
        assert "As previewed when it was requested" in poll
        assert "Approve:" not in poll

    def test_while_it_waits_the_poll_leaves_list_and_decision_alone(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        client.force_login(supervisor)
        poll = text_of(client.get(address("progress", change.pk), headers={"HX-Request": "true"}))
        for part in ("items", "review", "decision"):
            assert f'id="{part}"' not in poll

    def test_a_rejected_one_keeps_them(self, client: Client, change: Change, supervisor: Staff) -> None:
        reject(supervisor, change)
        assert "8 accounts would be liquidated 88 accounts" in read_aloud(opened(client, supervisor, change))


class TestMovedSince:
    @pytest.fixture
    def change(self, support: Staff, sent: Sent) -> Change:
        make_evaluations([1, 2, 3, 4], limit="2500", positions=3)
        Cash.objects.filter(account__tradovate_id=1).update(realized_pnl_usd="-1600")
        return ask(support, "auto_liq_limits", 1, 2, 3, 4, parameters=NEW_LIMIT)

    def test_nothing_moved(self, client: Client, change: Change, supervisor: Staff) -> None:
        words = read_aloud(opened(client, supervisor, change))
        assert "Nothing moved since it was requested" in words
        assert "Since it was requested" not in words

    def test_what_is_left_before_the_limit_counts_a_profit_of_today(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        Cash.objects.filter(account__tradovate_id=2).update(realized_pnl_usd="227.68")
        Cash.objects.filter(account__tradovate_id=3).update(realized_pnl_usd="-173.79")
        words = read_aloud(opened(client, supervisor, change))
        assert "+$227.68 $1,727.68 left" in words
        assert "$173.79 $1,326.21 left" in words

    def test_figures_that_moved_change_the_effects_and_refuse_nothing(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        Cash.objects.filter(account__tradovate_id__in=[2, 3]).update(realized_pnl_usd="-1700")
        Position.objects.filter(account__tradovate_id=1).delete()
        page = opened(client, supervisor, change)
        words = read_aloud(page)
        assert "Since it was requested. 3 would be liquidated now; 1 when it was requested." in words
        assert "2 hold open positions now; 3 when it was requested." in words
        assert "3 accounts would be liquidated now" in words
        assert names(page) == ["KTR50K-000001", "KTR50K-000002", "KTR50K-000003", "KTR50K-000004"]
        form = {"digest": change.digest, "verdict": "approve", "shown": page.context["shown"], "confirm_count": "3"}
        assert client.post(reverse("approvals:decide", args=[change.approval_id]), form).status_code == 303
        change.refresh_from_db()
        assert change.state == ChangeState.RUNNING
        assert change.effects is not None
        assert change.effects["liquidated"] == 1

    def test_what_was_approved_is_kept_and_shown_beside_what_was_requested(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        Cash.objects.filter(account__tradovate_id__in=[2, 3]).update(realized_pnl_usd="-1700")
        page = opened(client, supervisor, change)
        form = {"digest": change.digest, "verdict": "approve", "shown": page.context["shown"], "confirm_count": "3"}
        # What the figures are by now is not what was looked at.
        Cash.objects.update(realized_pnl_usd="0")
        assert client.post(reverse("approvals:decide", args=[change.approval_id]), form).status_code == 303
        event = Event.objects.get(change_id=change.pk, tag="change:decision:approved")
        assert event.detail["effects"] == page.context["review"].overview.effects.to_json()
        assert event.detail["effects"]["liquidated"] == 3
        words = read_aloud(opened(client, supervisor, change))
        assert f"Approved by {supervisor.who().name}" in words
        assert "Was shown: 3 would be liquidated, 3 hold open positions." in words
        assert "shown that 3 would be liquidated" in read_aloud(client.get(reverse("audit:change_history", args=[change.pk])))

    def test_what_was_shown_of_another_change_or_to_somebody_else_decides_nothing(
        self, client: Client, change: Change, supervisor: Staff, second_supervisor: Staff, support: Staff
    ) -> None:
        others = opened(client, second_supervisor, change).context["shown"]
        shown = opened(client, supervisor, change).context["shown"]
        for forged in (others, f"{shown}x", "x"):
            form = {"digest": change.digest, "verdict": "approve", "shown": forged}
            answer = client.post(reverse("approvals:decide", args=[change.approval_id]), form)
            assert answer.status_code == 409
            assert "Nothing was decided: This is not what you were shown. Review it again." in read_aloud(answer)
        assert not Approval.objects.exists()

    def test_an_account_whose_limits_moved_is_named_and_the_approval_refused(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        AutoLiqLimits.objects.filter(account__tradovate_id=2).update(daily_loss_auto_liq_usd=2000)
        page = opened(client, supervisor, change)
        words = read_aloud(page)
        assert "Since it was requested: 1 account moved." in words
        assert "KTR50K-000002 2 : Daily loss: auto-liquidation from $2,500.00 to $2,000.00" in words
        assert "An approval would be refused: 1 account moved." in words
        assert names(opened(client, supervisor, change, effect="moved")) == ["KTR50K-000002"]
        with pytest.raises(DecisionRefused) as caught:
            approve(supervisor, change)
        assert [item.target_name for item, _ in caught.value.moved] == ["KTR50K-000002"]
        assert (Change.objects.get().state, Approval.objects.filter(request__subject="change").count()) == (
            ChangeState.PENDING,
            0,
        )

    def test_of_many_that_moved_five_are_named_and_the_others_are_a_click_away(
        self, client: Client, support: Staff, supervisor: Staff, sent: Sent
    ) -> None:
        make_evaluations(range(1, 8), limit="2500")
        change = ask(support, "auto_liq_limits", *range(1, 8), parameters=NEW_LIMIT)
        AutoLiqLimits.objects.update(daily_loss_auto_liq_usd=2000)
        page = opened(client, supervisor, change)
        reported = text_of(page).partition('id="moved"')[2].partition('id="effects"')[0]
        assert re.findall(r"KTR50K-\d+", reported) == [f"KTR50K-{number:06}" for number in range(1, 6)]
        assert "Show all 7" in reported
        assert len(names(opened(client, supervisor, change, effect="moved"))) == 7

    def test_what_is_approved_is_shown_as_it_was_requested(self, client: Client, change: Change, supervisor: Staff) -> None:
        AutoLiqLimits.objects.filter(account__tradovate_id=2).update(daily_loss_auto_liq_usd=2000)
        page = opened(client, supervisor, change)
        (moved,) = (each for each in page.context["sheet"].rows if each.has_moved)
        frozen = Item.objects.get(target_name="KTR50K-000002")
        assert (moved.item.before, moved.item.after) == (frozen.before, frozen.after)
        assert moved.now == {"level": "firm", **(frozen.before or {}), "daily_loss_auto_liq_usd": "2000"}

    def test_an_account_that_is_gone_has_no_effects_and_is_shown(
        self, client: Client, change: Change, supervisor: Staff
    ) -> None:
        Account.objects.filter(tradovate_id=3).update(archived=True)
        words = read_aloud(opened(client, supervisor, change))
        assert "KTR50K-000003 3 : closed, archived or gone" in words
        assert "The effects on 1 account can't be worked out now, and are missing below." in words
        assert "Effects not known: Archived: Tradovate would accept the call and do nothing" in words
        assert names(opened(client, supervisor, change, effect="not_recomputed")) == ["KTR50K-000003"]
        with pytest.raises(DecisionRefused):
            approve(supervisor, change)
        assert Approval.objects.filter(request__subject="change").count() == 0

    def test_after_a_refusal_the_page_is_recomputed(self, client: Client, change: Change, supervisor: Staff) -> None:
        AutoLiqLimits.objects.filter(account__tradovate_id=2).update(daily_loss_auto_liq_usd=2000)
        client.force_login(supervisor)
        page = client.post(
            reverse("approvals:decide", args=[change.approval_id]),
            {"verdict": "approve", "digest": change.digest, "comment": "Fine", "confirm_count": "1"},
        )
        assert page.status_code == 409
        assert "Since it was requested: 1 account moved." in read_aloud(page)
        assert page.context["form"]["comment"].value() == "Fine"

    def test_another_change_of_the_same_account_is_a_warning_and_hides_no_effect(
        self, client: Client, change: Change, supervisor: Staff, support: Staff
    ) -> None:
        lock = open_item(support, Account.objects.get(tradovate_id=1), "lock", ItemState.QUEUED).change
        page = opened(client, supervisor, change)
        words = read_aloud(page)
        assert "1 account would be liquidated now" in words
        assert f"Change {lock.pk} is already on its way for this account" in words
        assert page.context["review"].not_recomputed == ()


class TestReadFirst:
    """What was read too long ago is read again before it is shown to somebody who decides."""

    @pytest.fixture
    def change(self, support: Staff, sent: Sent) -> Change:
        make_evaluations([1, 2], limit="2500", positions=2)
        made = ask(support, "auto_liq_limits", 1, 2, parameters=NEW_LIMIT)
        Cash.objects.filter(account__tradovate_id=1).update(fresh_at=timezone.now() - timedelta(hours=1))
        return made

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], Lane]]:
        """What was read, after which everything is fresh, and the first account has lost."""
        reads: list[tuple[list[int], Lane]] = []

        def refresh(_environment: Environment, ids: list[int], *, lane: Lane, parts: frozenset[Any]) -> int:
            reads.append((list(ids), lane))
            Cash.objects.filter(account__tradovate_id__in=ids).update(fresh_at=timezone.now(), realized_pnl_usd="-1600")
            return 1

        monkeypatch.setattr(freshness, "refresh", refresh)
        return reads

    def test_for_who_decides(self, client: Client, change: Change, supervisor: Staff, read: list[Any]) -> None:
        page = opened(client, supervisor, change)
        assert read == [([1], Lane(change.lane))]
        assert "1 account would be liquidated now" in read_aloud(page)
        assert page.context["review"].old == 0
        opened(client, supervisor, change)
        assert len(read) == 1

    def test_others_only_see_that_it_is_old(self, client: Client, change: Change, support: Staff, read: list[Any]) -> None:
        words = read_aloud(opened(client, support, change))
        assert read == []
        assert "1 account was read from Tradovate too long ago to decide by" in words

    def test_unreadable_targets_are_shown_and_the_approval_refused(
        self, client: Client, change: Change, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> int:
            raise NotConnected(Environment.DEMO)

        monkeypatch.setattr(freshness, "refresh", refuse)
        words = read_aloud(opened(client, supervisor, change))
        assert f"Tradovate can't be read now: {NotConnected(Environment.DEMO)}." in words
        assert "The effects below may be out of date. An approval reads Tradovate first, and is refused if that fails." in words
        with pytest.raises(DecisionRefused):
            approve(supervisor, change)
        assert Approval.objects.filter(request__subject="change").count() == 0


def test_the_end_of_a_lock_shows_what_was_requested(client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
    """Until the lock is set, nothing of its end can be recomputed."""
    make_accounts([1, 2])
    ask(support, "lock", 1, 2, timing=Timing(ends_at=timezone.now() + timedelta(hours=4)))
    end = Change.objects.get(relation=Relation.ENDS)
    page = opened(client, supervisor, end)
    assert page.context["review"] is None
    words = read_aloud(page)
    assert "As previewed when it was requested" in words
    assert "2 become looser" in words
    assert "What it does is planned again when its time comes" in words
    assert "You approve the 2 accounts as requested" in words
    assert f'id="item-{end.items.get(position=1).pk}"' in text_of(page)


def test_accounts_that_were_skipped_are_listed_with_the_reason(
    client: Client, support: Staff, supervisor: Staff, sent: Sent
) -> None:
    make_account(1, LOCKED)
    make_account(2)
    change = ask(support, "unlock", 1, 2)
    words = read_aloud(opened(client, supervisor, change))
    assert "Skipped when requested 1" in words
    assert "Approve: Unlock 1 account" in words
    skipped = opened(client, supervisor, change, effect="skipped")
    assert names(skipped) == ["KTR50K-000002"]
    assert "Skipped: Not locked" in read_aloud(skipped)


def test_a_change_without_stored_effects_says_so(client: Client, support: Staff, supervisor: Staff) -> None:
    """It was requested before they were stored."""
    item = open_item(support, make_account(1), "lock", ItemState.QUEUED)
    assert item.change.effects is None
    assert "The effects of this change were not stored." in read_aloud(opened(client, supervisor, item.change))


def test_form_errors_are_summed_up_at_the_top(client: Client, support: Staff, supervisor: Staff, sent: Sent) -> None:
    make_account(1, LOCKED)
    change = ask(support, "unlock", 1)
    client.force_login(supervisor)
    page = client.post(
        reverse("approvals:decide", args=[change.approval_id]),
        {"verdict": "approve", "digest": change.digest, "comment": "x" * 2001},
    )
    assert page.status_code == 422
    text = text_of(page)
    assert text.index("error-summary") < text.index('id="review"')
    assert Approval.objects.filter(request__subject="change").count() == 0


@pytest.mark.parametrize("kind_name", ["unlock", "auto_liq_limits"])
def test_it_costs_the_same_few_queries_for_any_number(
    client: Client, support: Staff, supervisor: Staff, sent: Sent, kind_name: str
) -> None:
    make_evaluations(range(1, 221), limit="2500", positions=220)
    RiskStatus.objects.update(admin_action=LOCKED)
    parameters = NEW_LIMIT if kind_name == "auto_liq_limits" else None
    small = ask(support, kind_name, *range(1, 21), parameters=parameters)
    big = ask(support, kind_name, *range(21, 221), parameters=parameters)
    client.force_login(supervisor)
    costs = []
    for change in (small, big):
        client.get(address("detail", change.pk))
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get(address("detail", change.pk)).context["review"].items) == change.item_count
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 27


def test_what_is_planned_for_a_requested_change_leaves_its_own_items_out(support: Staff, sent: Sent) -> None:
    make_account(1, LOCKED)
    change = ask(support, "unlock", 1)
    (blocked,) = plan(KINDS["unlock"], environment=Environment.DEMO, target_ids=[1]).rows
    assert blocked.skip_reason == f"Change {change.pk} is already on its way for this account"
    (own,) = plan(KINDS["unlock"], environment=Environment.DEMO, target_ids=[1], requested_as=change.pk).rows
    locked = "Locked (no orders) outside riskadmin: at a time that Tradovate does not tell"
    assert (own.skip_reason, own.warnings) == ("", (locked,))

"""Scheduled changes: they wait for their time, are planned again when it comes, and what moved goes back to the deciders."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import plan
from accounts.changes.queries import progress
from accounts.changes.scheduling import start, timing
from accounts.changes.scheduling.hours import Hours, HoursUnknown
from accounts.changes.scheduling.start import MOVED, UNREAD, start_due
from accounts.changes.scheduling.timing import Timing, closed_until
from accounts.changes.states import ChangeState, ItemState, Relation, Window
from accounts.changes.tracking.control import WINDOW_CLOSED, InvalidTransition, cancel, close_window
from accounts.changes.tracking.pace import pace
from accounts.models import RiskStatus
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.approvals.policies import TWO_SUPERVISORS, put_policy_in_force, want_for
from tests.changes.test_guards import refuses, sql
from tests.changes.world import LOCKED, NORMAL, ORIGIN, approve, make_account, planned, set_status
from tests.staff.people import make_person

Sent = list[tuple[str, list[int], str]]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


@pytest.fixture(autouse=True)
def unread(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Accounts that Tradovate leaves out when it is read; all others are read at once, and stand as the test has them."""
    left_out: set[int] = set()

    def read(_kind: Any, _environment: Environment, ids: Iterable[int], **_: Any) -> str:
        named = [each for each in ids if each not in left_out]
        RiskStatus.objects.filter(account__tradovate_id__in=named).update(fresh_at=timezone.now())
        for status in RiskStatus.objects.filter(account__tradovate_id__in=named).select_related("account"):
            status.account.positions_read_at = timezone.now()
            status.account.save(update_fields=["positions_read_at"])
        return ""

    monkeypatch.setattr(start, "read_again", read)
    # What an unlock rests on besides, this mirror does not have.
    monkeypatch.setattr(KINDS["unlock"], "readings", lambda subject: (subject.risk_status.fresh_at,), raising=False)
    return left_out


@pytest.fixture
def numbers() -> tuple[int, int, int]:
    """Three locked accounts."""
    for number in (101, 102, 103):
        make_account(number, LOCKED)
    return 101, 102, 103


def ask(person: Staff, kind_name: str, *ids: int, at: Timing) -> Change:
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=KINDS[kind_name],
        environment=Environment.DEMO,
        target_ids=ids,
        reason_code=ReasonCode.OTHER,
        reason_text="Tonight",
        form_key=uuid4(),
        shown_digest=planned(kind_name, *ids).digest,
        timing=at,
    )


def in_seconds(seconds: float, window: Window = Window.ANY, *, goes_on: bool = False) -> Timing:
    return Timing(runs_at=timezone.now() + timedelta(seconds=seconds), window=window, goes_on=goes_on)


def states(change: Change) -> list[str]:
    return list(change.items.order_by("position").values_list("state", flat=True))


def again(change: Change) -> Change:
    return Change.objects.get(pk=change.pk)


def dropped(change: Change) -> dict[str, Any]:
    """What the trail says of items that were skipped at the start and are not requested again."""
    detail: dict[str, Any] = Event.objects.get(change_id=change.pk, tag=Tag.CHANGE_NOT_CARRIED_ON).detail
    return detail


class TestWaiting:
    def test_decided_it_waits_for_its_time(self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> None:
        change = ask(support, "unlock", *numbers, at=in_seconds(3600))
        approve(supervisor, change)

        assert again(change).state == ChangeState.SCHEDULED
        assert start_due(origin=ORIGIN) == 0
        assert states(change) == [ItemState.WAITING] * 3
        assert sent == []

    def test_changes_that_need_no_approval_are_scheduled(self, support: Staff, sent: Sent) -> None:
        make_account(101)
        change = ask(support, "lock", 101, at=in_seconds(3600))
        assert (change.state, states(change), sent) == (ChangeState.SCHEDULED, [ItemState.WAITING], [])

    def test_it_begins_when_its_time_has_come(self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> None:
        change = ask(support, "unlock", *numbers, at=in_seconds(3600))
        approve(supervisor, change)

        with time_machine.travel(timezone.now() + timedelta(seconds=3601)):
            assert start_due(origin=ORIGIN) == 1

        assert (again(change).state, states(change)) == (ChangeState.RUNNING, [ItemState.QUEUED] * 3)
        assert sent == [("execution.run_change", [change.pk], "urgent")]
        event = Event.objects.get(tag=Tag.CHANGE_STARTED)
        assert (event.change_id, event.detail) == (change.pk, {"kind": "unlock", "items": 3, "set_aside": 0})

    def test_decided_too_late_it_begins_at_once(self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> None:
        change = ask(support, "unlock", *numbers, at=in_seconds(-5))
        assert start_due(origin=ORIGIN) == 0
        approve(supervisor, change)
        assert start_due(origin=ORIGIN) == 1

    def test_decisions_are_taken_until_after_its_time(self, numbers: Any, support: Staff, sent: Sent) -> None:
        change = ask(support, "unlock", *numbers, at=in_seconds(5 * 86_400))
        assert change.runs_at
        assert change.approval.expires_at == change.runs_at + timedelta(hours=24)

    def test_it_can_be_called_off(self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> None:
        change = ask(support, "unlock", *numbers, at=in_seconds(-5))
        approve(supervisor, change)
        cancel(actor=support, origin=ORIGIN, change_id=change.pk)

        assert (again(change).state, states(change)) == (ChangeState.CANCELLED, [ItemState.CANCELLED] * 3)
        assert start_due(origin=ORIGIN) == 0
        with pytest.raises(InvalidTransition):
            cancel(actor=support, origin=ORIGIN, change_id=change.pk)

    def test_a_scheduled_change_is_named_to_a_person_who_requests_another(
        self, numbers: Any, support: Staff, sent: Sent
    ) -> None:
        change = ask(support, "unlock", *numbers, at=Timing(runs_at=datetime(2030, 1, 2, 23, 0, tzinfo=UTC)))
        reasons = {row.skip_reason for row in planned("unlock", *numbers).rows}
        assert reasons == {f"Change {change.pk} is to run for this account at 2030-01-02 17:00 CST"}

    def test_an_emergency_does_not_wait_for_it(self, support: Staff, supervisor: Staff, sent: Sent) -> None:
        make_account(101, "LiquidateOnlyModeImmediately")
        ask(support, "unlock", 101, at=in_seconds(3600))
        assert [row.skip_reason for row in planned("lock", 101).rows] == [""]


class TestPlannedAgain:
    @pytest.fixture
    def due(self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> Change:
        """An unlock of three accounts whose time has come."""
        change = ask(support, "unlock", *numbers, at=in_seconds(-1))
        approve(supervisor, change)
        return change

    def test_changed_targets_are_skipped_and_the_rest_runs(self, due: Change, supervisor: Staff) -> None:
        set_status(due.items.get(position=2).account, admin_action="LiquidateOnlyModeImmediately", admin_at=timezone.now())

        start_due(origin=ORIGIN)

        assert states(due) == [ItemState.QUEUED, ItemState.SKIPPED, ItemState.QUEUED]
        assert due.items.get(position=2).note == MOVED
        carried = Change.objects.get(of_change=due)
        assert (carried.relation, carried.state) == (Relation.CARRIES_ON, ChangeState.PENDING)
        assert (carried.requested_by, carried.reason_text) == (due.requested_by, due.reason_text)
        item = carried.items.get()
        assert item.before is not None
        assert (item.target_id, item.before["admin_action"]) == (102, "LiquidateOnlyModeImmediately")
        assert Event.objects.filter(change_id=carried.pk, tag=Tag.CHANGE_SUBMITTED, staff_id=None).count() == 1
        assert not Event.objects.filter(tag=Tag.CHANGE_NOT_CARRIED_ON).exists()

    def test_deciders_approve_even_where_policy_needs_no_approval(self, due: Change, supervisor: Staff) -> None:
        want_for("unlock")
        set_status(due.items.get(position=1).account, admin_action="LiquidateOnlyModeImmediately")
        start_due(origin=ORIGIN)

        carried = Change.objects.get(of_change=due)
        assert (carried.state, carried.approval.needed) == (ChangeState.PENDING, 1)
        with pytest.raises(DecisionRefused):
            approve(carried.requested_by, carried)

    def test_targets_already_in_the_intended_state_are_not_requested_again(self, due: Change) -> None:
        for item in due.items.all():
            set_status(item.account, admin_action=NORMAL)
        start_due(origin=ORIGIN)

        assert states(due) == [ItemState.SKIPPED] * 3
        assert again(due).state == ChangeState.FINISHED
        assert not Change.objects.filter(of_change=due).exists()
        assert dropped(due) == {"kind": "unlock", "items": 3, "text": "nothing would be sent now (Not locked)"}

    def test_what_can_not_be_read_is_skipped(self, due: Change, unread: set[int]) -> None:
        RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(hours=1))
        unread.add(103)
        start_due(origin=ORIGIN)
        assert states(due) == [ItemState.QUEUED, ItemState.QUEUED, ItemState.SKIPPED]
        assert due.items.get(position=3).note == UNREAD

    def test_while_tradovate_is_away_it_waits(self, due: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(start, "read_again", lambda *_, **__: "no connection")
        assert start_due(origin=ORIGIN) == 0
        waiting = again(due)
        assert (waiting.state, waiting.held_why) == (ChangeState.SCHEDULED, "no connection")
        assert waiting.held_until is not None
        assert [hold.words for hold in pace(progress(due.pk)).holds] == [
            "It is due, and what it rests on can't be read: no connection"
        ]
        assert start_due(origin=ORIGIN) == 0

    def test_why_nothing_is_requested_again_is_recorded_and_on_its_page(
        self, due: Change, supervisor: Staff, client: Client
    ) -> None:
        put_policy_in_force([])
        said = "No policy rule covers unlock on demo for 1 target"
        set_status(due.items.get(position=2).account, admin_action="LiquidateOnlyModeImmediately")
        start_due(origin=ORIGIN)
        assert states(due) == [ItemState.QUEUED, ItemState.SKIPPED, ItemState.QUEUED]
        assert not Change.objects.filter(of_change=due).exists()
        assert dropped(due) == {"kind": "unlock", "items": 1, "text": said}
        client.force_login(supervisor)
        assert capfirst(said) in client.get(reverse("changes:detail", args=[due.pk])).content.decode()


class TestSuspended:
    """A change is due, and somebody who answers for it is switched off or has lost the role."""

    @pytest.fixture
    def due(self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> Change:
        change = ask(support, "unlock", *numbers, at=in_seconds(-1))
        approve(supervisor, change)
        return change

    @pytest.mark.parametrize(
        ("switches_off", "why"),
        [
            ("support", "support, who requested it, may no longer request this"),
            ("supervisor", "supervisor, who approved it, may no longer approve changes"),
        ],
    )
    @pytest.mark.parametrize("how", ["is_active", "role"])
    def test_it_is_suspended_and_reported(
        self, *, due: Change, sent: Sent, client: Client, second_supervisor: Staff, switches_off: str, why: str, how: str
    ) -> None:
        person = Staff.objects.get(username=switches_off)
        if how == "role":
            person.groups.clear()
        else:
            Staff.objects.filter(pk=person.pk).update(is_active=False)

        assert start_due(origin=ORIGIN) == 0
        assert start_due(origin=ORIGIN) == 0

        held = again(due)
        assert (held.state, held.suspended_why, states(due), sent) == (ChangeState.SCHEDULED, why, ["waiting"] * 3, [])
        (event,) = Event.objects.filter(tag=Tag.CHANGE_SUSPENDED)
        assert (event.change_id, event.detail) == (due.pk, {"kind": "unlock", "why": why})
        client.force_login(second_supervisor)
        for page in (reverse("home"), reverse("changes:detail", args=[due.pk])):
            assert why in client.get(page).content.decode()

    def test_of_two_approvers_one_is_not_enough(
        self, numbers: Any, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        want_for("unlock", stages=TWO_SUPERVISORS)
        change = ask(support, "unlock", *numbers, at=in_seconds(-1))
        approve(supervisor, change)
        approve(second_supervisor, change)
        Staff.objects.filter(pk=second_supervisor.pk).update(is_active=False)
        assert start_due(origin=ORIGIN) == 0
        assert (again(change).suspended_why, sent) == ("supervisor2, who approved it, may no longer approve changes", [])

    def test_postgresql_does_not_let_it_begin_either(self, due: Change, supervisor: Staff) -> None:
        begins = "UPDATE changes_change SET state = 'running'"
        Staff.objects.filter(pk=supervisor.pk).update(is_active=False)
        refuses(lambda: sql(begins), "change_has_its_people")
        start_due(origin=ORIGIN)
        Staff.objects.update(is_active=True)
        refuses(lambda: sql(begins), "change_has_its_people")
        refuses(lambda: sql("UPDATE changes_change SET suspended_at = NULL"), "change_keeps_its_suspension")
        assert start_due(origin=ORIGIN) == 0

    def test_a_colleague_takes_it_over_with_new_approvals(
        self, due: Change, client: Client, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        Staff.objects.filter(pk__in=[due.requested_by_id, supervisor.pk]).update(is_active=False)
        start_due(origin=ORIGIN)
        colleague = make_person(Role.SUPPORT, "colleague")
        client.force_login(colleague)

        preview = client.get(client.post(reverse("changes:take_over", args=[due.pk])).headers["Location"])
        plan = preview.context["plan"]
        assert (len(plan.sent), again(due).state) == (3, ChangeState.SCHEDULED)  # held until that is submitted
        fields = {
            "targets": preview.context["list_id"],
            "digest": plan.digest,
            "reason_code": "CloseFraud",
            "form_key": str(uuid4()),
        }
        assert client.post(reverse("changes:new", args=["unlock"]), fields).status_code == 303

        taken = Change.objects.get(of_change=due)
        assert (taken.relation, taken.state, taken.requested_by) == (Relation.TAKES_OVER, ChangeState.PENDING, colleague)
        assert (again(due).state, states(due), sent) == (ChangeState.CANCELLED, ["cancelled"] * 3, [])
        second = client.post(reverse("changes:take_over", args=[due.pk]))
        assert second.status_code == 409

    def test_a_colleague_cancels_it(self, due: Change, supervisor: Staff, sent: Sent) -> None:
        colleague = make_person(Role.SUPPORT, "colleague")
        with pytest.raises(NotAllowed):
            cancel(actor=colleague, origin=ORIGIN, change_id=due.pk)
        Staff.objects.filter(pk=supervisor.pk).update(is_active=False)
        start_due(origin=ORIGIN)
        cancel(actor=colleague, origin=ORIGIN, change_id=due.pk)
        assert (again(due).state, sent) == (ChangeState.CANCELLED, [])


def two_windows(now: datetime) -> Hours:
    """Hours with windows from a minute ago until in ten minutes, and from in an hour on."""
    minutes = [timedelta(minutes=each) for each in (-600, -1, 10, 60)]
    return Hours.of(
        sessions=[(now + minutes[0], now + minutes[1]), (now + minutes[2], now + minutes[3])],
        weekly=(),
        buffer=timedelta(0),
        closes_before=timedelta(0),
        known_since=now - timedelta(days=1),
        known_until=now + timedelta(days=1),
    )


class TestWindows:
    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> datetime:
        """The present, in which a window is open for ten minutes, and opens again in an hour."""
        now = timezone.now()
        known = two_windows(now)
        monkeypatch.setattr(timing, "hours", lambda: known)
        return now

    @pytest.mark.parametrize(("minutes", "opens_in"), [(0, None), (9.9, None), (10, 60), (30, 60), (60, None)])
    def test_when_calls_may_leave(self, now: datetime, minutes: float, opens_in: int | None) -> None:
        at = now + timedelta(minutes=minutes)
        assert closed_until(Window.ANY, at) is None
        expected = None if opens_in is None else now + timedelta(minutes=opens_in)
        assert closed_until(Window.OUTSIDE_TRADING, at) == expected

    def test_it_begins_only_in_a_window(
        self, now: datetime, numbers: Any, support: Staff, supervisor: Staff, sent: Sent
    ) -> None:
        change = ask(support, "unlock", *numbers, at=Timing(window=Window.OUTSIDE_TRADING))
        approve(supervisor, change)
        with time_machine.travel(now + timedelta(minutes=20)):
            assert start_due(origin=ORIGIN) == 0
        with time_machine.travel(now + timedelta(minutes=61)):
            assert start_due(origin=ORIGIN) == 1

    def test_it_does_not_begin_while_the_trading_hours_are_unknown(
        self, numbers: Any, support: Staff, supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown() -> Hours:
            raise HoursUnknown("The library does not answer.")

        change = ask(support, "unlock", *numbers, at=Timing(window=Window.OUTSIDE_TRADING))
        approve(supervisor, change)
        monkeypatch.setattr(timing, "hours", unknown)
        assert start_due(origin=ORIGIN) == 0
        assert again(change).state == ChangeState.SCHEDULED

    @pytest.mark.parametrize("rest", ["goes on", "is cancelled"])
    def test_when_its_window_closes(self, now: datetime, numbers: Any, support: Staff, supervisor: Staff, rest: str) -> None:
        goes_on = rest == "goes on"
        change = ask(support, "unlock", *numbers, at=in_seconds(-1, Window.OUTSIDE_TRADING, goes_on=goes_on))
        approve(supervisor, change)
        start_due(origin=ORIGIN)

        close_window(change, now + timedelta(minutes=60), origin=ORIGIN)

        left = again(change)
        event = Event.objects.get(tag=Tag.CHANGE_WINDOW_CLOSED)
        if goes_on:
            assert (left.state, left.held_until, left.held_why) == (
                ChangeState.RUNNING,
                now + timedelta(minutes=60),
                WINDOW_CLOSED,
            )
            assert "until" in event.detail
        else:
            assert (left.state, left.stopped_by_name) == (ChangeState.STOPPING, "riskadmin, since its window closed")


class TestCalendar:
    def test_it_says_what_will_run(self, client: Client, numbers: Any, support: Staff, supervisor: Staff) -> None:
        late = ask(support, "unlock", 101, 102, at=Timing(runs_at=datetime(2030, 1, 2, 23, 0, tzinfo=UTC)))
        approve(supervisor, late)
        ask(support, "unlock", 103, at=Timing(window=Window.OUTSIDE_TRADING, goes_on=True))
        client.force_login(support)

        page = client.get(reverse("changes:calendar"))

        entries = [entry for day in page.context["ahead"].days for entry in day.entries]
        assert [(entry.items, entry.calls, entry.allowed_by) for entry in entries] == [
            (1, 1, ()),
            (2, 2, (supervisor.who().name,)),
        ]
        text = page.content.decode()
        assert "Not decided" in text
        assert "goes on in the next window" in text
        assert "2030-01-02 17:00" in text

    def test_when_nothing_will(self, client: Client, support: Staff) -> None:
        client.force_login(support)
        assert "Nothing is scheduled." in client.get(reverse("changes:calendar")).content.decode()


def test_a_plan_of_another_kind_is_refused_too(numbers: Any, support: Staff, supervisor: Staff, sent: Sent) -> None:
    change = ask(support, "unlock", 101, at=in_seconds(3600))
    row = plan(KINDS["reset_auto_liq_status"], environment=Environment.DEMO, target_ids=[101]).rows[0]
    assert f"Change {change.pk}" in row.skip_reason
    assert Item.objects.filter(state=ItemState.WAITING).count() == 1

"""Steering a change that runs: who may, what it does to its items, and what is refused once it has moved."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.subjects import NotAllowed
from accounts.changes.models import Change, Item, TargetList
from accounts.changes.states import ChangeState, ItemState, Priority
from accounts.changes.tracking import control
from accounts.changes.tracking.control import InvalidTransition
from accounts.execution.queue import first_items
from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM
from riskadmin.audit.rendering import PRIORITY_WORDS
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.pages import text_of
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account, make_accounts, open_item, planned, walk
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
STEERING = [control.pause, control.resume, control.cancel]
BEGUN: dict[Any, ChangeState] = {
    control.pause: ChangeState.RUNNING,
    control.resume: ChangeState.PAUSED,
    control.cancel: ChangeState.RUNNING,
}


def events(change: Change, tag: Tag) -> list[Event]:
    return list(Event.objects.filter(change_id=change.pk, tag=tag).order_by("pk"))


def states(change: Change) -> list[str]:
    return list(change.items.order_by("position").values_list("state", flat=True))


@pytest.fixture
def running(support: Staff, sent: Sent) -> Change:
    """A lock of four accounts by support: two queued, one under way, one applied."""
    make_accounts([1, 2, 3, 4])
    change = ask(support, "lock", 1, 2, 3, 4)
    walk(change.items.get(position=3), ItemState.SENDING)
    walk(change.items.get(position=4), ItemState.APPLIED)
    sent.clear()
    return change


class TestPausing:
    def test_it_stops_and_continues(self, running: Change, support: Staff, supervisor: Staff, sent: Sent) -> None:
        control.pause(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        running.refresh_from_db()
        assert (running.state, running.paused_by_name) == (ChangeState.PAUSED, supervisor.who().name)
        assert running.paused_at is not None
        assert states(running) == ["queued", "queued", "sending", "applied"]
        assert [event.staff_id for event in events(running, Tag.CHANGE_PAUSED)] == [supervisor.pk]

        control.resume(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        resumed = Change.objects.get(pk=running.pk)
        assert (resumed.state, resumed.paused_by_name, resumed.paused_at) == (ChangeState.RUNNING, "", None)
        assert [event.staff_id for event in events(running, Tag.CHANGE_RESUMED)] == [supervisor.pk]

    def test_resuming_wakes_the_workers(
        self, running: Change, support: Staff, sent: Sent, django_capture_on_commit_callbacks: Any
    ) -> None:
        control.pause(actor=support, origin=ORIGIN, change_id=running.pk)
        with django_capture_on_commit_callbacks(execute=True):
            control.resume(actor=support, origin=ORIGIN, change_id=running.pk)
        assert sent == [("execution.run_change", [running.pk], "urgent")]

    def test_a_paused_lock_holds_no_other_lock_up(self, support: Staff, sent: Sent) -> None:
        make_account(101)
        first = ask(support, "lock", 101)
        assert planned("lock", 101).skipped[0].skip_reason == f"Change {first.pk} is already on its way for this account"
        control.pause(actor=support, origin=ORIGIN, change_id=first.pk)
        assert len(planned("lock", 101).sent) == 1


class TestResuming:
    """The person who paused a change resumes it, or an approver who did not request it."""

    def test_the_requester_does_not_resume_what_a_supervisor_paused(
        self, running: Change, support: Staff, supervisor: Staff, client: Client, sent: Sent
    ) -> None:
        control.pause(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        client.force_login(support)
        page = text_of(client.get(reverse("changes:detail", args=[running.pk])))
        assert reverse("changes:resume", args=[running.pk]) not in page
        assert "supervisor paused it: only they, or an approver who did not request it, can resume it." in page

        before = (Change.objects.values().get(), states(running))
        answer = client.post(reverse("changes:resume", args=[running.pk]))

        assert answer.status_code == 409
        assert "only they, or an approver who did not request it, can resume it. Nothing was done." in text_of(answer)
        assert (Change.objects.values().get(), states(running), sent) == (*before, [])
        (event,) = events(running, Tag.CHANGE_RESUME_REFUSED)
        assert (event.staff_id, event.detail["kind"]) == (support.pk, "lock")
        assert events(running, Tag.CHANGE_RESUMED) == []

    def test_nor_does_a_requester_who_approves_the_changes_of_others(
        self, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        make_accounts([1, 2])
        change = ask(supervisor, "lock", 1, 2)
        sent.clear()
        control.pause(actor=second_supervisor, origin=ORIGIN, change_id=change.pk)
        with pytest.raises(NotAllowed):
            control.resume(actor=supervisor, origin=ORIGIN, change_id=change.pk)
        assert (Change.objects.get().state, sent) == (ChangeState.PAUSED, [])
        assert [event.staff_id for event in events(change, Tag.CHANGE_RESUME_REFUSED)] == [supervisor.pk]

    def test_another_approver_does(self, running: Change, supervisor: Staff, second_supervisor: Staff) -> None:
        control.pause(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        control.resume(actor=second_supervisor, origin=ORIGIN, change_id=running.pk)
        assert Change.objects.get().resumed_by == second_supervisor


class TestCancelling:
    def test_what_is_not_sent_is_cancelled_and_the_rest_is_awaited(self, running: Change, support: Staff) -> None:
        change = control.cancel(actor=support, origin=ORIGIN, change_id=running.pk)
        assert (change.state, change.stopped_by_name) == (ChangeState.STOPPING, support.who().name)
        assert states(change) == ["cancelled", "cancelled", "sending", "applied"]
        cancelled = list(change.items.filter(state=ItemState.CANCELLED))
        assert {item.note for item in cancelled} == {f"Cancelled by {support.who().name}"}
        assert all(item.settled_at for item in cancelled)
        assert [event.staff_id for event in events(change, Tag.CHANGE_STOPPED)] == [support.pk]
        settled = events(change, Tag.ITEM_SETTLED)
        assert [(event.item_id, event.staff_id, event.detail["outcome"]) for event in settled] == [
            (item.pk, support.pk, "cancelled") for item in cancelled
        ]

    def test_with_nothing_in_progress_it_ends_immediately(self, support: Staff, sent: Sent) -> None:
        make_accounts([1, 2])
        change = control.cancel(actor=support, origin=ORIGIN, change_id=ask(support, "lock", 1, 2).pk)
        assert (change.state, states(change)) == (ChangeState.FINISHED, ["cancelled", "cancelled"])
        assert events(change, Tag.CHANGE_FINISHED)[0].detail["counts"] == {"cancelled": 2}

    def test_a_paused_one_too(self, running: Change, support: Staff) -> None:
        control.pause(actor=support, origin=ORIGIN, change_id=running.pk)
        control.cancel(actor=support, origin=ORIGIN, change_id=running.pk)
        assert states(running) == ["cancelled", "cancelled", "sending", "applied"]

    def test_what_comes_back_is_cancelled_by_the_sweeper(self, running: Change, support: Staff) -> None:
        control.cancel(actor=support, origin=ORIGIN, change_id=running.pk)
        assert control.cancel_put_back(origin=ORIGIN) == 0
        Item.objects.filter(change=running, state=ItemState.SENDING).update(state=ItemState.QUEUED)
        assert control.cancel_put_back(origin=ORIGIN) == 1
        running.refresh_from_db()
        assert (running.state, states(running)) == (ChangeState.FINISHED, ["cancelled"] * 3 + ["applied"])
        last = events(running, Tag.ITEM_SETTLED)[-1]
        assert (last.staff_id, last.detail["text"]) == (None, f"Cancelled by {support.who().name}")

    def test_many_are_cancelled_in_parts_and_nothing_is_sent_meanwhile(
        self, support: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(control, "CANCEL_BATCH", 3)
        make_accounts(range(1, 9))
        change = control.cancel(actor=support, origin=ORIGIN, change_id=ask(support, "lock", *range(1, 9)).pk)
        assert (change.state, states(change)) == (ChangeState.STOPPING, ["cancelled"] * 3 + ["queued"] * 5)
        assert first_items(change, timezone.now(), count=1) == []
        assert control.cancel_put_back(origin=ORIGIN) == 5
        change.refresh_from_db()
        assert (change.state, states(change)) == (ChangeState.FINISHED, ["cancelled"] * 8)
        assert len(events(change, Tag.ITEM_SETTLED)) == 8

    def test_what_is_half_done_says_so(self, support: Staff) -> None:
        item = open_item(support, make_account(101), "liquidate", ItemState.SENT)
        Item.objects.filter(pk=item.pk).update(state=ItemState.QUEUED, step=1, note="Done: lock")
        control.cancel(actor=make_person(Role.SUPERVISOR), origin=ORIGIN, change_id=item.change_id)
        item.refresh_from_db()
        assert item.state == ItemState.CANCELLED
        assert item.is_half_done
        assert item.note.startswith("Half done (")
        assert item.note.endswith("). Cancelled by supervisor")

    def test_unknown_items_stay_unknown(self, running: Change, support: Staff) -> None:
        Item.objects.filter(change=running, state=ItemState.SENDING).update(state=ItemState.UNKNOWN)
        control.cancel(actor=support, origin=ORIGIN, change_id=running.pk)
        control.cancel_put_back(origin=ORIGIN)
        running.refresh_from_db()
        assert (running.state, states(running)[2]) == (ChangeState.STOPPING, "unknown")

    def test_a_change_that_runs_loses_nothing(self, running: Change) -> None:
        assert control.cancel_put_back(origin=ORIGIN) == 0
        assert control.cancel_queued(running, who=SYSTEM, origin=ORIGIN) == 0
        assert states(running) == ["queued", "queued", "sending", "applied"]


class TestWhoMay:
    @pytest.mark.parametrize("steers", STEERING, ids=lambda each: each.__name__)
    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_colleagues_and_readers_are_refused(
        self, running: Change, support: Staff, steers: Callable[..., Change], role: Role
    ) -> None:
        if BEGUN[steers] == ChangeState.PAUSED:
            control.pause(actor=support, origin=ORIGIN, change_id=running.pk)
        stranger = make_person(role, "stranger")
        before = (Change.objects.get().state, states(running), Event.objects.count())
        with pytest.raises(NotAllowed):
            steers(actor=stranger, origin=ORIGIN, change_id=running.pk)
        assert (Change.objects.get().state, states(running), Event.objects.count()) == before

    def test_a_requester_who_lost_the_right_is_refused(self, running: Change, support: Staff) -> None:
        support.groups.clear()
        now = Staff.objects.get(pk=support.pk)
        with pytest.raises(NotAllowed):
            control.pause(actor=now, origin=ORIGIN, change_id=running.pk)

    @pytest.mark.parametrize("steers", STEERING, ids=lambda each: each.__name__)
    def test_it_has_moved_meanwhile(
        self, running: Change, support: Staff, supervisor: Staff, steers: Callable[..., Change]
    ) -> None:
        control.cancel(actor=support, origin=ORIGIN, change_id=running.pk)
        before = (states(running), Event.objects.count())
        with pytest.raises(InvalidTransition, match="it is cancelling"):
            steers(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        assert (states(running), Event.objects.count()) == before

    def test_one_that_waits_is_withdrawn_or_rejected_instead(self, support: Staff, sent: Sent) -> None:
        make_account(101, LOCKED)
        change = ask(support, "unlock", 101)
        for steers in STEERING:
            with pytest.raises(InvalidTransition):
                steers(actor=support, origin=ORIGIN, change_id=change.pk)
        assert states(change) == ["waiting"]


class TestPriority:
    def test_the_trail_says_it_in_the_same_words(self) -> None:
        assert {each.value: each.label.lower() for each in Priority} == PRIORITY_WORDS

    def test_deciders_set_the_priority(self, running: Change, support: Staff, supervisor: Staff) -> None:
        with pytest.raises(NotAllowed):
            control.prioritise(actor=support, origin=ORIGIN, change_id=running.pk, priority=Priority.BEFORE)
        control.prioritise(actor=supervisor, origin=ORIGIN, change_id=running.pk, priority=Priority.BEFORE)
        control.prioritise(actor=supervisor, origin=ORIGIN, change_id=running.pk, priority=Priority.BEFORE)
        assert Change.objects.get().priority == 10
        (event,) = events(running, Tag.CHANGE_PRIORITY_SET)  # saying the same again is nothing new
        assert (event.staff_id, event.before, event.after) == (supervisor.pk, {"priority": 0}, {"priority": 10})

    def test_one_that_waits_for_its_decision_can_be_moved_too(self, supervisor: Staff, support: Staff, sent: Sent) -> None:
        make_account(101, LOCKED)
        change = ask(support, "unlock", 101)
        digest = change.digest
        control.prioritise(actor=supervisor, origin=ORIGIN, change_id=change.pk, priority=Priority.AFTER)
        approve(supervisor, change)
        change.refresh_from_db()
        assert (change.priority, change.digest, change.state) == (-10, digest, ChangeState.RUNNING)

    def test_too_late(self, running: Change, supervisor: Staff) -> None:
        control.cancel(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        with pytest.raises(InvalidTransition):
            control.prioritise(actor=supervisor, origin=ORIGIN, change_id=running.pk, priority=Priority.BEFORE)


class TestPages:
    """What is pressed in a browser."""

    @staticmethod
    def press(client: Client, name: str, change: Change, **fields: str) -> Any:
        return client.post(reverse(f"changes:{name}", args=[change.pk]), fields)

    def test_the_buttons_are_those_that_can_be_pressed(self, client: Client, running: Change, support: Staff) -> None:
        client.force_login(support)
        page = reverse("changes:progress", args=[running.pk])
        assert "Cancel the 2 not sent" in text_of(client.get(page))
        for pressed, offered, gone in (
            ("pause", {"resume", "cancel"}, {"pause"}),
            ("resume", {"pause", "cancel"}, {"resume"}),
            ("cancel", set(), {"pause", "resume", "cancel"}),
        ):
            assert self.press(client, pressed, running).status_code == 303
            shown = text_of(client.get(page))
            for name in offered:
                assert reverse(f"changes:{name}", args=[running.pk]) in shown
            for name in gone:
                assert reverse(f"changes:{name}", args=[running.pk]) not in shown

    def test_who_may_not_sees_no_button_and_is_refused(self, client: Client, running: Change) -> None:
        client.force_login(make_person(Role.SUPPORT, "colleague"))
        shown = text_of(client.get(reverse("changes:detail", args=[running.pk])))
        for name in ("pause", "resume", "cancel", "prioritise"):
            assert reverse(f"changes:{name}", args=[running.pk]) not in shown
            assert self.press(client, name, running, priority="10").status_code == 403
        assert Change.objects.get().state == ChangeState.RUNNING

    def test_a_second_press_shows_what_happened(self, client: Client, running: Change, support: Staff) -> None:
        client.force_login(support)
        self.press(client, "pause", running)
        response = self.press(client, "pause", running)
        assert response.status_code == 409
        assert f"Change {running.pk} can&#x27;t be paused any more: it is paused. Nothing was done." in text_of(response)

    @pytest.mark.parametrize("priority", ["", "5", "x", "10.5"])
    def test_a_priority_that_is_none(self, client: Client, running: Change, supervisor: Staff, priority: str) -> None:
        client.force_login(supervisor)
        assert self.press(client, "prioritise", running, priority=priority).status_code == 409
        assert (Change.objects.get().priority, events(running, Tag.CHANGE_PRIORITY_SET)) == (0, [])

    @pytest.mark.parametrize("name", ["pause", "resume", "cancel", "prioritise", "retry"])
    def test_one_that_is_not_there(self, client: Client, supervisor: Staff, name: str) -> None:
        client.force_login(supervisor)
        for pk in (0, 4711, 2**63):
            assert client.post(reverse(f"changes:{name}", args=[pk])).status_code == 404

    def test_the_reason_for_a_delay_is_shown(self, client: Client, running: Change, support: Staff, supervisor: Staff) -> None:
        control.pause(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        client.force_login(support)
        page = reverse("changes:progress", args=[running.pk])
        assert "Paused by supervisor" in text_of(client.get(page))
        control.cancel(actor=supervisor, origin=ORIGIN, change_id=running.pk)
        assert "Cancelled by supervisor; what is already sent is still confirmed" in text_of(client.get(page))


class TestRequestingAgain:
    def test_it_leads_to_a_plan_for_what_failed(self, client: Client, running: Change, support: Staff) -> None:
        walk(running.items.get(position=1), ItemState.REJECTED)
        walk(running.items.get(position=2), ItemState.UNKNOWN)
        Item.objects.filter(change=running, state=ItemState.SENDING).update(state=ItemState.SENT)
        Item.objects.filter(change=running, state=ItemState.SENT).update(state=ItemState.APPLIED)
        client.force_login(support)
        assert "Ask again for 1 not carried out" in text_of(client.get(reverse("changes:detail", args=[running.pk])))

        response = client.post(reverse("changes:retry", args=[running.pk]))
        listed = TargetList.objects.get()
        assert response["Location"] == f"{reverse('changes:new', args=['lock'])}?targets={listed.pk}"
        assert (listed.ids, listed.source, listed.created_by) == (
            [1],
            f"What was not carried out of change {running.pk}",
            support,
        )
        page = client.get(response["Location"])
        assert page.status_code == 200
        assert [row.target_id for row in page.context["plan"].sent] == [1]

    def test_with_the_parameters_of_all_and_of_each(
        self, support_client: Client, support: Staff, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_accounts([1, 2, 3])
        listed = TargetList.objects.create(
            created_by=support,
            kind="fake",
            unit="account",
            environment="demo",
            ids=[1, 2, 3],
            parameters={"amount": "5.00"},
            per_target={"2": {"amount": "7.00"}},
            source="CSV x.csv",
        )
        address = f"{reverse('changes:new', args=['fake'])}?targets={listed.pk}"
        page = support_client.get(address)
        fields = {"targets": str(listed.pk), "digest": page.context["plan"].digest, "reason_code": "CloseFraud"}
        fields["form_key"] = "00000000-0000-0000-0000-00000000000a"
        assert support_client.post(address, fields).status_code == 303
        change = Change.objects.get()
        assert [item.own_parameters for item in change.items.order_by("position")] == [None, {"amount": "7.00"}, None]
        approve(supervisor, change)
        for position, state in ((1, ItemState.REJECTED), (2, ItemState.REJECTED), (3, ItemState.APPLIED)):
            walk(change.items.get(position=position), state)

        response = support_client.post(reverse("changes:retry", args=[change.pk]))
        again = TargetList.objects.latest("created_at")
        assert (again.ids, again.parameters, again.per_target) == ([1, 2], {"amount": "5.00"}, {"2": {"amount": "7.00"}})
        plan = support_client.get(response["Location"]).context["plan"]
        assert [row.after for row in plan.sent] == [{"amount": "5.00"}, {"amount": "7.00"}]

    def test_it_needs_the_right_to_ask(self, client: Client, running: Change) -> None:
        walk(running.items.get(position=1), ItemState.REJECTED)
        client.force_login(make_person(Role.COMPLIANCE))
        assert client.post(reverse("changes:retry", args=[running.pk])).status_code == 403
        with pytest.raises(NotAllowed):
            control.failed_items(actor=Staff.objects.get(username="compliance"), change_id=running.pk)
        assert TargetList.objects.count() == 0

    def test_nothing_failed(self, client: Client, running: Change, support: Staff) -> None:
        client.force_login(support)
        assert client.post(reverse("changes:retry", args=[running.pk])).status_code == 409
        assert TargetList.objects.count() == 0


def test_cancelling_many_takes_few_statements(support: Staff, sent: Sent) -> None:
    make_accounts(range(1, 521))
    small, large = ask(support, "lock", *range(1, 21)), ask(support, "lock", *range(21, 521))

    def cost(change: Change) -> int:
        with CaptureQueriesContext(connection) as queries:
            control.cancel(actor=support, origin=ORIGIN, change_id=change.pk)
        return len(queries)

    assert cost(small) == cost(large)
    assert set(states(large)) == {"cancelled"}

"""A kind whose code is gone: its stored changes are shown everywhere, and nothing is ever planned, sent or undone for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import withdraw
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes.ending import finish_change
from accounts.changes.kinds import KINDS, KindRetired, for_stored, named, sendable
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import NOT_SUPPORTED, Difference, RetiredKind
from accounts.changes.models import Change, Item, TargetList
from accounts.changes.scheduling.start import start_due
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.targeting.source import Link
from accounts.changes.tracking import control
from accounts.changes.tracking.undo import left_alone, undo_of
from accounts.execution import resolving, send, verify
from accounts.execution.lane import work
from accounts.execution.models import Call
from accounts.execution.recover import sweep
from accounts.execution.resolving import NotResolved, Resolution, read_again, resolve
from accounts.execution.unknown_item import Shown, question
from accounts.execution.verify import read_back_due
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Lane
from tests.approvals.policies import SUPERVISOR, add_rule
from tests.changes.pages import text_of
from tests.changes.world import LOCKED, ORIGIN, approve, make_account, open_item, reject, walk
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]

RETIRED = "freeze_withdrawals"
WORDS = "Freeze withdrawals (no longer supported)"
PAST = timedelta(minutes=-1)


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tradovate, which nothing may reach."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("Tradovate was asked about a kind that no longer exists.")

    for module in (send, verify):
        monkeypatch.setattr(module, "client", refuse)
    monkeypatch.setattr(resolving, "dispatch_on_commit", refuse)


@pytest.fixture
def stored(support: Staff) -> Callable[..., Item]:
    """Add a change of the retired kind, requested by support."""
    numbers = iter(range(101, 200))

    def add(state: ItemState, **columns: Any) -> Item:
        return open_item(support, make_account(next(numbers)), RETIRED, state, form_key=uuid4(), **columns)

    return add


@pytest.fixture
def finished(stored: Callable[..., Item]) -> Item:
    """Its item was applied."""
    item = stored(ItemState.SENT)
    observed = {"admin_action": LOCKED, "admin_at": None, "stopped_by_limit": False}
    Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED, observed=observed, settled_at=timezone.now())
    assert finish_change(item.change, origin=ORIGIN)
    return item


@pytest.fixture
def scheduled(stored: Callable[..., Item]) -> Item:
    """It was to begin a minute ago."""
    columns = {"change_state": ChangeState.SCHEDULED, "runs_at": timezone.now() + PAST, "needed": 0}
    return stored(ItemState.WAITING, **columns)


def now(item: Item) -> Item:
    return Item.objects.select_related("change").get(pk=item.pk)


class TestRegistry:
    def test_a_stored_kind_is_bound_to_its_parameters(self) -> None:
        change = Change(kind="unlock", parameters={"leaves": "LiquidateOnlyModeImmediately"})
        assert for_stored(change) is sendable(change) is KINDS["unlock"].of(change.parameters)
        assert named("unlock") is KINDS["unlock"]

    def test_a_retired_one_says_what_was_stored_and_is_never_sent(self) -> None:
        change = Change(kind=RETIRED, parameters={"until": "Friday", "notify": True})
        kind = for_stored(change)
        assert kind == named(RETIRED) == RetiredKind.named(RETIRED)
        assert (kind.name, kind.action_label, kind.unit, kind.is_retired) == (RETIRED, WORDS, Unit.TARGET, True)
        assert (kind.words(1), kind.words(1200)) == (f"{WORDS}: 1 target", f"{WORDS}: 1,200 targets")
        assert kind.parameter_words(change.parameters) == (("Until", "Friday"), ("Notify", "yes"))
        assert kind.differences({"frozen": False, "since": 3}, {"frozen": True, "since": 3}) == (
            Difference(label="Frozen", before="no", after="yes"),
        )
        with pytest.raises(KindRetired, match="no longer supported"):
            sendable(change)

    def test_no_role_has_the_capability_to_request_it(self) -> None:
        capability = named(RETIRED).capability
        assert not any(make_person(role, role.value).may(capability) for role in Role)


class TestPages:
    def test_every_page_that_shows_its_changes(
        self, client: Client, stored: Callable[..., Item], finished: Item, scheduled: Item, supervisor: Staff
    ) -> None:
        supervisor.groups.add(*(make_person(role, role.value).groups.get() for role in (Role.COMPLIANCE, Role.ADMINISTRATOR)))
        add_rule(kinds=(RETIRED,), stages=SUPERVISOR)
        states = (ItemState.WAITING, ItemState.QUEUED, ItemState.SENDING, ItemState.SENT, ItemState.UNKNOWN)
        items = [finished, scheduled, *map(stored, states)]
        detail = {"kind": RETIRED, "items": 1, "skipped": 0, "decisions_needed": 0, "digest": "0" * 64}
        with transaction.atomic():
            record(
                AuditEntry(tag=Tag.CHANGE_SUBMITTED, actor=SYSTEM, origin=ORIGIN, change_id=finished.change_id, detail=detail)
            )
        unknown = question(now(items[-1]))
        paths = [reverse(f"changes:{name}") for name in ("list", "calendar", "choose")]
        paths += [reverse(f"approvals:{name}") for name in ("inbox", "decided", "waiting_count")]
        paths += [reverse(f"execution:{name}") for name in ("unresolved", "unresolved_count")]
        paths += [f"{reverse('execution:unresolved')}?evidence={unknown.evidence.key}"]
        paths += [f"{reverse('execution:resolve_many')}?resolution=applied&item={unknown.item.pk}"]
        paths += [reverse("audit:list"), reverse("audit:event", args=[Event.objects.latest("pk").pk]), reverse("home")]
        for item in items:
            paths += [reverse(f"changes:{name}", args=[item.change_id]) for name in ("detail", "progress", "results")]
            paths += [reverse("audit:change_history", args=[item.change_id]), reverse("execution:item", args=[item.pk])]
            paths += [reverse("execution:calls", args=[item.change_id])]
            where = ["demo", item.target_id]
            paths += [reverse(f"changes:{name}", args=where) for name in ("account_panel", "account_actions", "account_stops")]
            paths += [reverse(name, args=where) for name in ("accounts:detail", "audit:account_history")]
        paths += [reverse("changes:undo", args=[finished.change_id])]
        client.force_login(Staff.objects.get(pk=supervisor.pk))
        for path in paths:
            response = client.get(path)
            assert response.status_code == 200, path
            assert b"".join(response) if response.streaming else response.content, path
        # Lists offer the kinds that can be requested; any other is a filter that they do not know.
        assert client.get(f"{reverse('changes:list')}?kind={RETIRED}").status_code == 422
        for path in (paths[0], paths[1], reverse("approvals:inbox"), reverse("execution:unresolved")):
            assert WORDS in text_of(client.get(path)), path

    def test_a_change_says_that_nothing_is_sent(self, client: Client, supervisor: Staff, stored: Callable[..., Item]) -> None:
        client.force_login(supervisor)
        page = text_of(client.get(reverse("changes:detail", args=[stored(ItemState.QUEUED).change_id])))
        assert page.count(NOT_SUPPORTED.rstrip(".")) == 2, "above, and as what holds it up"

    def test_its_results_are_a_file(self, client: Client, supervisor: Staff, finished: Item) -> None:
        client.force_login(supervisor)
        response = client.get(reverse("changes:results", args=[finished.change_id]))
        lines = b"".join(response).decode().splitlines()
        assert len(lines) == 2
        assert WORDS in lines[1]
        assert "Risk action: Normal → Locked (no orders)" in lines[1]

    def test_it_can_neither_be_requested_nor_copied_nor_repeated(
        self, client: Client, supervisor: Staff, stored: Callable[..., Item]
    ) -> None:
        item = stored(ItemState.REJECTED)
        finish_change(item.change, origin=ORIGIN)
        client.force_login(supervisor)
        assert client.get(reverse("changes:new", args=[RETIRED])).status_code == 404
        assert client.get(f"{reverse('changes:name_targets', args=[RETIRED])}?copy_of={item.change_id}").status_code == 404
        assert client.post(reverse("changes:retry", args=[item.change_id])).status_code == 409
        assert not TargetList.objects.exists()


class TestDeciding:
    def test_it_is_not_approved(self, supervisor: Staff, stored: Callable[..., Item]) -> None:
        item = stored(ItemState.WAITING)
        with pytest.raises(DecisionRefused, match="no longer supported"):
            approve(supervisor, item.change)
        assert now(item).change.state == ChangeState.PENDING
        assert now(item).state == ItemState.WAITING

    def test_it_is_rejected(self, supervisor: Staff, stored: Callable[..., Item]) -> None:
        assert reject(supervisor, stored(ItemState.WAITING).change).state == ChangeState.REJECTED

    def test_it_is_withdrawn_by_the_person_who_requested_it(
        self, client: Client, support: Staff, stored: Callable[..., Item]
    ) -> None:
        item = stored(ItemState.WAITING)
        client.force_login(support)
        assert client.post(reverse("changes:withdraw", args=[item.change_id])).status_code in {302, 303}
        assert now(item).change.state == ChangeState.CANCELLED

    def test_it_is_withdrawn_only_by_that_person(self, supervisor: Staff, stored: Callable[..., Item]) -> None:
        with pytest.raises(NotAllowed):
            withdraw(actor=supervisor, origin=ORIGIN, request_id=stored(ItemState.WAITING).change.approval_id)

    def test_it_is_paused_and_cancelled(self, supervisor: Staff, stored: Callable[..., Item]) -> None:
        item = stored(ItemState.QUEUED)
        steer: dict[str, Any] = {"actor": supervisor, "origin": ORIGIN, "change_id": item.change_id}
        assert control.pause(**steer).state == ChangeState.PAUSED
        assert control.resume(**steer).state == ChangeState.RUNNING
        assert control.cancel(**steer).state == ChangeState.FINISHED
        assert now(item).state == ItemState.CANCELLED

    def test_it_is_not_undone(self, finished: Item) -> None:
        found = undo_of(finished.change)
        assert (found.parts, [each.reason for each in found.left]) == ((), [NOT_SUPPORTED])
        link = Link(change_id=finished.change_id, relation=Relation.UNDOES)
        assert left_alone(link, [101, 102]) == {101: NOT_SUPPORTED, 102: NOT_SUPPORTED}


class TestLanes:
    @pytest.mark.parametrize("lane", list(Lane))
    def test_a_lane_holds_it_and_sends_nothing(self, stored: Callable[..., Item], lane: Lane) -> None:
        item = stored(ItemState.QUEUED, lane=lane.value)
        work(lane, origin=ORIGIN)
        found = now(item)
        assert (found.state, found.change.state, found.change.held_why) == ("queued", "running", NOT_SUPPORTED)
        assert found.change.held_until is not None
        assert found.change.held_until > timezone.now()
        assert not Call.objects.exists()

    def test_what_was_sent_is_left_to_people(self, stored: Callable[..., Item]) -> None:
        item = stored(ItemState.SENT)
        Item.objects.filter(pk=item.pk).update(not_before=timezone.now() + PAST, lease_until=timezone.now() - PAST)
        assert read_back_due(Lane.URGENT, origin=ORIGIN) == 0
        found = now(item)
        assert (found.state, found.not_before, found.note) == ("unknown", None, verify.NOT_READ_BACK)
        event = Event.objects.get(tag=Tag.ITEM_UNKNOWN, item_id=item.pk)
        assert event.detail == {"text": verify.NOT_READ_BACK, "needs_person": True}

    def test_the_sweeper_gives_up_what_lapsed_and_continues(self, stored: Callable[..., Item], support: Staff) -> None:
        lapsed, rests, queued = stored(ItemState.SENDING), stored(ItemState.UNKNOWN), stored(ItemState.QUEUED)
        Item.objects.filter(pk=lapsed.pk).update(lease_until=timezone.now() + PAST)
        done = open_item(support, make_account(300), "lock", ItemState.APPLIED, form_key=uuid4())
        sweep(origin=ORIGIN)
        assert (now(lapsed).state, now(lapsed).not_before) == ("unknown", None)
        assert Event.objects.get(tag=Tag.ITEM_UNKNOWN, item_id=lapsed.pk).detail["needs_person"] is True
        assert [now(item).state for item in (rests, queued)] == ["unknown", "queued"]
        assert now(done).change.state == ChangeState.FINISHED

    def test_one_that_is_scheduled_does_not_begin(self, scheduled: Item) -> None:
        assert start_due(origin=ORIGIN) == 0
        found = now(scheduled)
        assert (found.state, found.change.state, found.change.held_why) == ("waiting", "scheduled", NOT_SUPPORTED)

    def test_the_end_of_a_lock_that_is_gone_leaves_the_account_alone(self, finished: Item, support: Staff) -> None:
        assert finished.account is not None
        columns: dict[str, Any] = {"of_change": finished.change, "relation": Relation.ENDS, "needed": 0}
        columns |= {"change_state": ChangeState.SCHEDULED, "runs_at": timezone.now() + PAST}
        end = open_item(support, finished.account, "unlock", ItemState.WAITING, **columns)
        end_kind = KINDS["unlock"]
        assert end_kind.rests_on_before
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("accounts.changes.scheduling.start.read_again", lambda *_, **__: "")
            assert start_due(origin=ORIGIN) == 1
        assert (now(end).state, now(end).note) == ("skipped", "What it was to end is of a kind that is no longer supported")


class TestUnknownOutcomes:
    def test_a_person_says_what_came_of_it(self, supervisor: Staff, stored: Callable[..., Item]) -> None:
        item = now(stored(ItemState.UNKNOWN))
        asked = question(item)
        assert (asked.shown, asked.is_readable, asked.is_typed) == (Shown.RETIRED, False, True)
        assert asked.evidence.words == f"{WORDS} on demo: Its kind is no longer supported"
        assert asked.why.endswith("Its kind is no longer supported, so it can be neither read back nor sent again.")
        said: dict[str, Any] = {"actor": supervisor, "origin": ORIGIN, "item_id": item.pk, "comment": "Seen", "seen_call": 0}
        with pytest.raises(NotResolved, match="no longer supported"):
            resolve(**said, resolution=Resolution.QUEUED, typed_name=item.target_name)
        with pytest.raises(NotResolved, match="no way to read"):
            read_again(actor=supervisor, origin=ORIGIN, item_id=item.pk)
        assert resolve(**said, resolution=Resolution.APPLIED).state == ItemState.APPLIED
        assert now(item).change.state == ChangeState.FINISHED

    def test_the_second_of_two_steps_is_shown_without_its_name(self, stored: Callable[..., Item], supervisor: Staff) -> None:
        item = stored(ItemState.QUEUED)
        Item.objects.filter(pk=item.pk).update(step=1)
        walk(item, ItemState.UNKNOWN)
        said: dict[str, Any] = {"actor": supervisor, "origin": ORIGIN, "item_id": item.pk, "comment": "Seen", "seen_call": 0}
        assert resolve(**said, resolution=Resolution.CANCELLED).note.startswith("Half done. It was not applied")

"""Submitting: exactly the rows and events of what was shown, once, or nothing at all."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.approvals.policy import Need
from accounts.approvals.subjects import NotAllowed
from accounts.changes import actions, writing
from accounts.changes.actions import NothingToDo, PlanMoved
from accounts.changes.facts import need_of
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan, plan
from accounts.changes.states import ChangeState, ItemState
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.celery import app
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import AdminAction, ReasonCode
from tests.approvals.policies import SUPERVISOR, add_rule
from tests.changes.world import LOCKED, NORMAL, ask, make_account, make_accounts, open_item, planned, set_status, walk, written
from tests.servers import PUBLISHING
from tests.staff.people import make_person

Sent = list[tuple[str, list[int], str]]

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = {"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": False}


def test_a_change_that_needs_no_decision_runs_at_once(support: Staff, sent: Sent) -> None:
    account = make_account(101)
    key = uuid4()
    began = timezone.now()

    change = ask(support, "lock", 101, 999, form_key=key, reason_code=ReasonCode.CLOSE_FRAUD, reason_text="")

    assert written() == (1, 2, 0, 2)
    saved = Change.objects.get()
    assert saved == change
    assert (saved.kind, saved.environment, saved.parameters, saved.lane) == ("lock", "demo", {}, "urgent")
    assert (saved.reason_code, saved.reason_text, saved.form_key) == ("CloseFraud", "", key)
    assert (saved.requested_by, saved.requested_by_name) == (support, "support")
    assert (saved.approval.needed, saved.approval.stages, saved.item_count) == (0, [], 2)
    assert (saved.state, saved.approval.decided_at, saved.finished_at) == (ChangeState.RUNNING, saved.submitted_at, None)
    assert began <= saved.submitted_at <= timezone.now()
    assert saved.approval.expires_at == saved.submitted_at + timedelta(hours=24)
    assert len(saved.digest) == 64
    first, second = Item.objects.order_by("position")
    assert (first.position, first.target, first.account, first.target_name) == (1, "demo:account:101", account, "KTR50K-000101")
    assert (first.before, first.after, first.state, first.note) == (BEFORE, {"admin_action": LOCKED}, ItemState.QUEUED, "")
    assert (first.settled_at, first.attempts, first.observed) == (None, 0, None)
    assert (second.position, second.target, second.account, second.target_name) == (2, "demo:account:999", None, "999")
    assert (second.before, second.after, second.state) == (None, None, ItemState.SKIPPED)
    assert second.note == "Unknown: no such account was read from Tradovate"
    assert second.settled_at == saved.submitted_at
    assert sent == [("execution.run_change", [change.pk], "urgent")]

    events = list(Event.objects.order_by("pk").filter(tag=Tag.CHANGE_SUBMITTED))
    assert [(each.change_id, each.item_id, each.account_id) for each in events] == [
        (change.pk, first.pk, 101),
        (change.pk, second.pk, 999),
    ]
    (event, skipped) = events
    assert (event.staff_id, event.staff_name, event.staff_role) == (support.pk, "support", "support")
    assert (event.request_id, event.address) == ("0" * 32, "127.0.0.1")
    assert (event.reason_code, event.reason_text) == ("CloseFraud", "")
    assert (event.before, event.after) == (BEFORE, {"admin_action": LOCKED})
    assert event.detail == {"kind": "lock", "items": 2, "digest": change.digest, "decisions_needed": 0, "skipped": ""}
    assert skipped.detail["skipped"] == "Unknown: no such account was read from Tradovate"


def test_a_change_that_needs_a_decision_waits(support: Staff, sent: Sent) -> None:
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101)
    assert (change.state, change.approval.stages) == (ChangeState.PENDING, [{"approvals": 1, "role": "supervisor"}])
    assert change.approval.decided_at is None
    assert Item.objects.get().state == ItemState.WAITING
    assert Event.objects.get(tag=Tag.CHANGE_SUBMITTED).detail["decisions_needed"] == 1
    assert sent == []


@pytest.mark.parametrize(("count", "lane"), [(50, "urgent"), (51, "bulk")])
def test_big_changes_leave_the_urgent_lane_alone(support: Staff, sent: Sent, count: int, lane: str) -> None:
    make_accounts(range(1, count + 1))
    change = ask(support, "lock", *range(1, count + 1))
    assert change.lane == lane
    assert sent == [("execution.run_change", [change.pk], lane)]


def test_the_digest_is_bound_to_the_words_too(support: Staff, sent: Sent) -> None:
    make_account(101)
    first = ask(support, "lock", 101, reason_text="one")
    walk(Item.objects.get(), ItemState.APPLIED)  # nothing is on its way, so the same plan can be made again
    second = ask(support, "lock", 101, reason_text="two")
    assert first.digest != second.digest


class TestRefused:
    """Each leaves no row, no event and no message."""

    @pytest.fixture(autouse=True)
    def nothing_happened(self, sent: Sent) -> Any:
        yield
        assert written() == (0, 0, 0, 0)
        assert sent == []

    @pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
    @pytest.mark.parametrize("kind_name", KINDS)
    def test_a_person_who_may_not_request_is_refused(self, role: Role, kind_name: str) -> None:
        make_account(101, "" if kind_name != "unlock" else LOCKED)
        with pytest.raises(NotAllowed, match="You may not ask to"):
            ask(make_person(role), kind_name, 101)

    def test_who_is_switched_off(self, support: Staff) -> None:
        make_account(101)
        support.is_active = False
        with pytest.raises(NotAllowed):
            ask(support, "lock", 101)

    def test_a_plan_that_has_moved(self, support: Staff) -> None:
        account = make_account(101)
        shown = planned("lock", 101).digest
        set_status(account, admin_action=AdminAction.LIQUIDATE_ONLY)
        with pytest.raises(PlanMoved) as refused:
            ask(support, "lock", 101, digest=shown)
        (row,) = refused.value.plan.rows
        assert row.before == {**BEFORE, "admin_action": AdminAction.LIQUIDATE_ONLY}

    @pytest.mark.parametrize("digest", ["", "0" * 64])
    def test_a_digest_that_was_never_shown_is_refused(self, support: Staff, digest: str) -> None:
        make_account(101)
        with pytest.raises(PlanMoved):
            ask(support, "lock", 101, digest=digest)

    def test_another_list_than_was_shown(self, support: Staff) -> None:
        make_accounts([1, 2])
        with pytest.raises(PlanMoved):
            ask(support, "lock", 1, 2, digest=planned("lock", 1).digest)

    def test_another_kind_than_was_shown(self, support: Staff) -> None:
        make_account(101)
        with pytest.raises(PlanMoved):
            ask(support, "liquidate_only", 101, digest=planned("lock", 101).digest)

    def test_where_nothing_would_happen(self, support: Staff) -> None:
        make_account(101, LOCKED)
        with pytest.raises(NothingToDo):
            ask(support, "lock", 101, 999)
        with pytest.raises(NothingToDo):
            ask(support, "lock")

    def test_the_reason_other_without_words(self, support: Staff) -> None:
        make_account(101)
        with pytest.raises(IntegrityError, match="change_other_has_text"):
            ask(support, "lock", 101, reason_text="")

    def test_where_the_trail_can_not_be_written(self, support: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        make_account(101)

        def broken(_: object) -> None:
            raise OSError("The trail is full")

        monkeypatch.setattr(writing, "record_all", broken)
        with pytest.raises(OSError, match="The trail is full"):
            ask(support, "lock", 101)


class TestOneTimeKey:
    def test_a_second_submit_is_the_first_one(self, support: Staff, sent: Sent) -> None:
        make_account(101)
        key, digest = uuid4(), planned("lock", 101).digest
        first = ask(support, "lock", 101, form_key=key, digest=digest)
        second = ask(support, "lock", 101, form_key=key, digest=digest)
        assert second == first
        assert written() == (1, 1, 0, 1)
        assert sent == [("execution.run_change", [first.pk], "urgent")]

    def test_a_rival_change_between_preview_and_plan_is_found(
        self, support: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_account(101)
        key, digest = uuid4(), planned("lock", 101).digest
        rivals: list[Change] = []

        def rival_first(*args: Any, **kwargs: Any) -> Plan:
            monkeypatch.setattr(actions, "plan", plan)
            rivals.append(ask(support, "lock", 101, form_key=key, digest=digest))
            return plan(*args, **kwargs)

        monkeypatch.setattr(actions, "plan", rival_first)
        assert ask(support, "lock", 101, form_key=key, digest=digest) == rivals[0]
        assert written() == (1, 1, 0, 1)

    def test_it_is_found_though_the_rival_wrote_between_plan_and_write(
        self, support: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_account(101)
        key, digest = uuid4(), planned("lock", 101).digest
        rivals: list[Change] = []

        def rival_first(*args: Any, **kwargs: Any) -> Need:
            monkeypatch.setattr(writing, "need_of", need_of)
            rivals.append(ask(support, "lock", 101, form_key=key, digest=digest))
            return need_of(*args, **kwargs)

        monkeypatch.setattr(writing, "need_of", rival_first)
        assert ask(support, "lock", 101, form_key=key, digest=digest) == rivals[0]
        assert written() == (1, 1, 0, 1)
        assert len(sent) == 1

    def test_one_persons_key_does_not_block_another_person(self, support: Staff, supervisor: Staff, sent: Sent) -> None:
        make_accounts([1, 2])
        key = uuid4()
        first = ask(support, "lock", 1, form_key=key)
        second = ask(supervisor, "lock", 2, form_key=key)
        assert first != second
        assert written() == (2, 2, 0, 2)

    def test_it_is_good_again_after_a_refusal(self, support: Staff, sent: Sent) -> None:
        make_account(101)
        key = uuid4()
        with pytest.raises(PlanMoved):
            ask(support, "lock", 101, form_key=key, digest="0" * 64)
        assert ask(support, "lock", 101, form_key=key).form_key == key


def test_a_lock_goes_out_though_an_unlock_waits_and_that_can_not_be_approved_then(support: Staff, sent: Sent) -> None:
    account = make_account(101, LOCKED)
    open_item(support, account, "unlock", ItemState.WAITING)
    change = ask(support, "lock", 101)
    assert (change.state, Item.objects.get(change=change).state) == (ChangeState.RUNNING, ItemState.QUEUED)


def forget_connections(celery_app: Any) -> None:
    """Let Celery connect again, to where the environment now says."""
    celery_app._pool = None
    celery_app.amqp._producer_pool = None


def test_a_broker_out_of_reach_leaves_everything_queued(support: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PUBLISHING, "redis://127.0.0.1:1/0")
    make_account(101)
    forget_connections(app)
    try:
        change = ask(support, "lock", 101)
    finally:
        forget_connections(app)
    assert (change.state, Item.objects.get().state) == (ChangeState.RUNNING, ItemState.QUEUED)
    assert written() == (1, 1, 0, 1)


def test_no_message_goes_out_for_what_was_rolled_back(support: Staff, sent: Sent) -> None:
    make_account(101)
    with transaction.atomic():
        ask(support, "lock", 101)
        transaction.set_rollback(True)
    assert written() == (0, 0, 0, 0)
    assert sent == []


def test_a_rule_for_more_accounts_makes_a_lock_wait_but_not_a_smaller_one(support: Staff, sent: Sent) -> None:
    add_rule(kinds=("lock",), from_items=2, stages=SUPERVISOR)
    make_accounts([1, 2])
    waiting = ask(support, "lock", 1, 2)
    assert waiting.state == ChangeState.PENDING
    urgent = ask(support, "lock", 1)
    assert urgent.state == ChangeState.RUNNING
    assert sent == [("execution.run_change", [urgent.pk], "urgent")]

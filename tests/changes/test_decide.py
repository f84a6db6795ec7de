"""Deciding, withdrawing, expiring: one person's word about exactly what they were shown, or a refusal on record."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.approvals.actions import expire_overdue, withdraw
from accounts.approvals.models import Approval
from accounts.approvals.policy import Stage
from accounts.approvals.states import Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes import freshness
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tasks import expire_task
from accounts.gateway.connection import NotConnected
from accounts.models import Account
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.approvals.policies import TWO_SUPERVISORS, want_for
from tests.changes.world import ACTED_AT, LOCKED, NORMAL, ORIGIN, approve, ask, make_account, make_stale, reject, set_status
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

Sent = list[tuple[str, list[int], str]]


@pytest.fixture
def account() -> Account:
    """A locked account."""
    return make_account(101, LOCKED, admin_at=ACTED_AT)


@pytest.fixture
def change(account: Account, support: Staff, sent: Sent) -> Change:
    """An unlock of it that waits for a supervisor."""
    return ask(support, "unlock", 101)


def refused(decision: Callable[[], object], change: Change) -> DecisionRefused:
    """Take a decision that must be refused; check that only the refusal is written."""
    rows = list(Change.objects.values()), list(Item.objects.values()), list(Approval.objects.values())
    events = set(Event.objects.values_list("pk", flat=True))
    with pytest.raises(DecisionRefused) as caught:
        decision()
    assert (list(Change.objects.values()), list(Item.objects.values()), list(Approval.objects.values())) == rows
    event = Event.objects.exclude(pk__in=events).get()
    assert (event.tag, event.change_id) == (Tag.CHANGE_DECISION_REFUSED, change.pk)
    assert event.detail["why"] == caught.value.message
    return caught.value


def last_event() -> Event:
    return Event.objects.latest("pk")


class TestApprove:
    def test_the_last_approval_lets_it_run(self, change: Change, supervisor: Staff, sent: Sent) -> None:
        began = timezone.now()
        decided = approve(supervisor, change, comment="Spoke to the trader")

        saved = Change.objects.get()
        assert saved == decided
        assert saved.state == decided.state == ChangeState.RUNNING
        assert saved.approval.decided_at is not None
        assert began <= saved.approval.decided_at <= timezone.now()
        assert Item.objects.get().state == ItemState.QUEUED
        decision = Approval.objects.get()
        assert (decision.request.change, decision.staff, decision.verdict) == (saved, supervisor, Verdict.APPROVE)
        assert (decision.staff_name, decision.staff_role) == ("supervisor", "supervisor")
        assert (decision.digest, decision.comment) == (change.digest, "Spoke to the trader")
        event = last_event()
        assert (event.tag, event.staff_id, event.change_id) == (Tag.CHANGE_APPROVED, supervisor.pk, change.pk)
        assert event.detail == {"digest": change.digest, "comment": "Spoke to the trader", "kind": "unlock"}
        assert Event.objects.filter(change_id=change.pk).count() == 2
        assert sent == [("execution.run_change", [change.pk], "urgent")]

    def test_two_approvals_where_policy_asks_for_two(
        self, account: Account, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        want_for("unlock", stages=TWO_SUPERVISORS)
        change = ask(support, "unlock", 101)

        assert approve(supervisor, change).state == ChangeState.PENDING
        assert (Item.objects.get().state, sent) == (ItemState.WAITING, [])
        assert "already" in refused(lambda: approve(supervisor, change), change).message
        assert approve(second_supervisor, change).state == ChangeState.RUNNING
        assert (Item.objects.get().state, len(sent)) == (ItemState.QUEUED, 1)
        assert change.approval.approvals.count() == 2

    def test_one_rejection_ends_it_though_another_has_approved(
        self, account: Account, support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        want_for("unlock", stages=TWO_SUPERVISORS)
        change = ask(support, "unlock", 101)
        approve(supervisor, change)
        assert reject(second_supervisor, change).state == ChangeState.REJECTED
        assert (Item.objects.get().state, sent) == (ItemState.CANCELLED, [])

    def test_a_supervisor_may_approve_what_another_supervisor_requested(
        self, account: Account, supervisor: Staff, second_supervisor: Staff, sent: Sent
    ) -> None:
        change = ask(supervisor, "unlock", 101)
        assert approve(second_supervisor, change).state == ChangeState.RUNNING


class TestReject:
    def test_it_ends_the_change(self, change: Change, supervisor: Staff, sent: Sent) -> None:
        decided = reject(supervisor, change, comment="Not today")

        assert decided.state == Change.objects.get().state == ChangeState.REJECTED
        assert decided.approval.decided_at is not None
        assert decided.finished_at is not None
        assert decided.approval.decided_at <= decided.finished_at
        item = Item.objects.get()
        assert (item.state, item.note, item.settled_at) == (
            ItemState.CANCELLED,
            "Rejected by supervisor",
            decided.finished_at,
        )
        assert Approval.objects.get().verdict == Verdict.REJECT
        assert last_event().tag == Tag.CHANGE_REJECTED
        assert sent == []

    def test_it_asks_tradovate_for_nothing(
        self, change: Change, account: Account, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_stale(account)
        set_status(account, admin_action=NORMAL, fresh_at=timezone.now() - timedelta(hours=1))
        monkeypatch.setattr(freshness, "refresh", _forbidden)
        assert reject(supervisor, change).state == ChangeState.REJECTED


class TestRefused:
    def test_the_requester(self, account: Account, supervisor: Staff, sent: Sent) -> None:
        change = ask(supervisor, "unlock", 101)
        for decide in (approve, reject):
            refusal = refused(partial(decide, supervisor, change), change)
            assert refusal.message == "You asked for this change, so somebody else has to decide."
        assert last_event().staff_id == supervisor.pk

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_who_may_not_decide(self, change: Change, role: Role) -> None:
        person = make_person(role, "another")
        assert refused(lambda: approve(person, change), change).message == "You may not decide about changes."

    @pytest.mark.parametrize("decide", [approve, reject])
    def test_who_lost_the_right_while_deciding(
        self, change: Change, supervisor: Staff, decide: Callable[[Staff, Change], Change]
    ) -> None:
        assert supervisor.may("changes:decide")  # as the request found it
        Staff.objects.get(pk=supervisor.pk).groups.clear()
        assert refused(lambda: decide(supervisor, change), change).message == "You may no longer decide about changes."

    def test_a_role_that_policy_did_not_ask_for(self, account: Account, support: Staff, supervisor: Staff, sent: Sent) -> None:
        want_for("unlock", stages=(Stage(approvals=1, role="compliance"),))
        change = ask(support, "unlock", 101)
        refusal = refused(lambda: approve(supervisor, change), change)
        assert refusal.message == "Policy asks for a decision by somebody whose role is compliance."

    @pytest.mark.parametrize("digest", ["", "0" * 64])
    def test_another_content_than_was_shown(self, change: Change, supervisor: Staff, digest: str) -> None:
        refusal = refused(lambda: approve(supervisor, change, digest=digest), change)
        assert refusal.message == "This is not the change you were shown. Review it again."
        assert last_event().detail == {"verdict": "approve", "digest": digest, "why": refusal.message, "moved": []}

    def test_after_its_time(self, change: Change, supervisor: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        for decide in (approve, reject):
            with monkeypatch.context() as patch:
                patch.setattr(timezone, "now", lambda: change.approval.expires_at)
                patch.setattr(freshness, "refresh", lambda *_, **__: 0)
                refusal = refused(partial(decide, supervisor, change), change)
            assert refusal.message == "This change has expired. It has to be asked for again."

    @pytest.mark.parametrize("end", ["approved", "rejected", "withdrawn"])
    def test_after_its_end(self, change: Change, support: Staff, supervisor: Staff, second_supervisor: Staff, end: str) -> None:
        ways: dict[str, Callable[[], object]] = {
            "approved": lambda: approve(supervisor, change),
            "rejected": lambda: reject(supervisor, change),
            "withdrawn": lambda: withdraw(actor=support, origin=ORIGIN, request_id=change.approval_id),
        }
        ways[end]()
        for decide in (approve, reject):
            refusal = refused(partial(decide, second_supervisor, change), change)
            assert refusal.message.startswith("This change is no longer waiting: ")


class TestMoved:
    @pytest.mark.parametrize(
        "columns",
        [{"admin_action": NORMAL}, {"admin_at": ACTED_AT + timedelta(seconds=1)}, {"liquidate_only_at": ACTED_AT}],
    )
    def test_an_account_that_moved(
        self, change: Change, account: Account, supervisor: Staff, columns: dict[str, Any], sent: Sent
    ) -> None:
        item = Item.objects.get()
        set_status(account, **columns)

        refusal = refused(lambda: approve(supervisor, change), change)

        assert refusal.message == "An account no longer stands as it was when this was asked for."
        ((moved, now),) = refusal.moved
        assert moved == item
        assert now is not None
        assert now != item.before
        assert last_event().detail["moved"] == [{"target": "demo:account:101", "shown": item.before, "now": now}]
        assert sent == []

    def test_an_account_that_is_gone(self, change: Change, account: Account, supervisor: Staff) -> None:
        Account.objects.filter(pk=account.pk).update(archived=True)
        refusal = refused(lambda: approve(supervisor, change), change)
        assert [now for _, now in refusal.moved] == [None]

    def test_it_can_be_rejected_all_the_same(self, change: Change, account: Account, supervisor: Staff) -> None:
        set_status(account, admin_action=NORMAL)
        assert reject(supervisor, change).state == ChangeState.REJECTED

    def test_what_moved_and_came_back_can_be_approved(self, change: Change, account: Account, supervisor: Staff) -> None:
        set_status(account, admin_action=NORMAL)
        refused(lambda: approve(supervisor, change), change)
        set_status(account, admin_action=LOCKED)
        assert approve(supervisor, change).state == ChangeState.RUNNING


class TestStale:
    """What is known of the account is an hour old: Tradovate is asked before anybody may approve."""

    @pytest.fixture(autouse=True)
    def long_ago(self, change: Change, account: Account) -> None:
        make_stale(account)

    def test_it_is_read_first(
        self, change: Change, account: Account, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[Environment, list[int], Lane]] = []

        def refresh(environment: Environment, account_ids: Iterable[int], *, lane: Lane, **_: object) -> int:
            asked.append((environment, list(account_ids), lane))
            set_status(account)
            return 1

        monkeypatch.setattr(freshness, "refresh", refresh)
        assert approve(supervisor, change).state == ChangeState.RUNNING
        assert asked == [(Environment.DEMO, [101], Lane.URGENT)]

    @pytest.mark.parametrize("why", ["requester", "role", "digest", "moved", "gone", "decided"])
    def test_an_approval_that_is_refused_anyway_asks_tradovate_for_nothing(
        self,
        *,
        change: Change,
        support: Staff,
        supervisor: Staff,
        second_supervisor: Staff,
        monkeypatch: pytest.MonkeyPatch,
        sent: Sent,
        why: str,
    ) -> None:
        person, digest = supervisor, change.digest
        match why:
            case "requester":
                make_account(102, LOCKED, admin_at=ACTED_AT)
                change = ask(supervisor, "unlock", 101, 102)
                make_stale(Account.objects.get(tradovate_id=102))
            case "role":
                person = make_person(Role.COMPLIANCE)
            case "digest":
                digest = "0" * 64
            case "moved" | "gone":
                other = make_account(102, LOCKED, admin_at=ACTED_AT)
                change = ask(support, "unlock", 101, 102)
                if why == "moved":
                    set_status(other, admin_action=NORMAL)
                else:
                    Account.objects.filter(pk=other.pk).update(archived=True)
            case "decided":
                reject(second_supervisor, change)
        make_stale(Account.objects.get(tradovate_id=101))
        monkeypatch.setattr(freshness, "refresh", _forbidden)

        shown = digest if why == "digest" else change.digest
        refusal = refused(lambda: approve(person, change, digest=shown), change)

        assert [item.target for item, _ in refusal.moved] == (["demo:account:102"] if why in {"moved", "gone"} else [])

    def test_what_is_read_counts(
        self, change: Change, account: Account, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(freshness, "refresh", lambda *_, **__: set_status(account, admin_action=NORMAL))
        refusal = refused(lambda: approve(supervisor, change), change)
        assert [now["admin_action"] for _, now in refusal.moved if now] == [NORMAL]

    @pytest.mark.parametrize(
        "error",
        [
            OutcomeUnknown("No answer within 15 s"),
            NotHandled("The budget is used up", reason=NotHandledReason.NO_BUDGET),
            NotConnected(Environment.DEMO),
        ],
    )
    def test_tradovate_out_of_reach(
        self, change: Change, supervisor: Staff, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def refresh(*_: object, **__: object) -> int:
            raise error

        monkeypatch.setattr(freshness, "refresh", refresh)
        refusal = refused(lambda: approve(supervisor, change), change)
        assert refusal.message == (
            f"The accounts can't be read from Tradovate now ({error}), and what is known of them is old."
        )

    def test_tradovate_does_not_name_the_account(
        self, change: Change, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(freshness, "refresh", lambda *_, **__: 1)
        refusal = refused(lambda: approve(supervisor, change), change)
        assert "it did not name every account" in refusal.message

    def test_somebody_else_read_it_meanwhile(
        self, change: Change, account: Account, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refresh(*_: object, **__: object) -> int:
            set_status(account)
            raise OutcomeUnknown("No answer within 15 s")

        monkeypatch.setattr(freshness, "refresh", refresh)
        assert approve(supervisor, change).state == ChangeState.RUNNING

    def test_reading_from_a_tradovate_that_does_not_answer(self, change: Change, supervisor: Staff) -> None:
        assert "can't be read from Tradovate now" in refused(lambda: approve(supervisor, change), change).message


class TestWithdraw:
    def test_the_requester_is_refused(self, change: Change, support: Staff, sent: Sent) -> None:
        ended = withdraw(actor=support, origin=ORIGIN, request_id=change.approval_id).change
        assert ended.state == ChangeState.CANCELLED
        item = Item.objects.get()
        assert (item.state, item.note, item.settled_at) == (
            ItemState.CANCELLED,
            "Withdrawn by support",
            ended.finished_at,
        )
        assert (last_event().tag, last_event().staff_id) == (Tag.CHANGE_CANCELLED, support.pk)
        assert Event.objects.filter(change_id=change.pk).count() == 2
        assert sent == []

    def test_by_somebody_else(self, change: Change, supervisor: Staff) -> None:
        with pytest.raises(NotAllowed):
            withdraw(actor=supervisor, origin=ORIGIN, request_id=change.approval_id)
        assert Change.objects.get().state == ChangeState.PENDING
        assert not Event.objects.filter(tag=Tag.CHANGE_CANCELLED).exists()

    def test_too_late(self, change: Change, support: Staff, supervisor: Staff) -> None:
        approve(supervisor, change)
        with pytest.raises(NotAllowed):
            withdraw(actor=support, origin=ORIGIN, request_id=change.approval_id)
        assert (Change.objects.get().state, Item.objects.get().state) == (ChangeState.RUNNING, ItemState.QUEUED)
        assert last_event().tag == Tag.CHANGE_DECISION_REFUSED


class TestExpire:
    def test_in_time_and_after(self, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        origin, expires_at = Origin(job="expiry"), change.approval.expires_at
        assert expires_at is not None
        monkeypatch.setattr(timezone, "now", lambda: expires_at - timedelta(seconds=1))
        assert expire_overdue(origin=origin) == 0
        assert Change.objects.get().state == ChangeState.PENDING

        monkeypatch.setattr(timezone, "now", lambda: change.approval.expires_at)
        assert expire_overdue(origin=origin) == 1
        assert expire_overdue(origin=origin) == 0

        ended = Change.objects.get()
        assert (ended.state, ended.approval.decided_at, ended.finished_at) == (
            ChangeState.EXPIRED,
            change.approval.expires_at,
            change.approval.expires_at,
        )
        item = Item.objects.get()
        assert (item.state, item.note, item.settled_at) == (
            ItemState.CANCELLED,
            "It was not decided in time",
            change.approval.expires_at,
        )
        event = last_event()
        assert (event.tag, event.staff_id, event.job) == (Tag.CHANGE_EXPIRED, None, "expiry")
        assert Event.objects.filter(change_id=change.pk).count() == 2

    def test_the_task_does_it(self, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timezone, "now", lambda: change.approval.expires_at)
        expire_task()
        assert Change.objects.get().state == ChangeState.EXPIRED
        assert last_event().job == "expiry"


def _forbidden(*_: object, **__: object) -> int:
    raise AssertionError("Tradovate was asked")

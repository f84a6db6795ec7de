"""Two at once, on two connections: a double click, two supervisors, a decision against the clock. One effect each."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from django.db import connection

from accounts.approvals.actions import withdraw
from accounts.approvals.models import Approval
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes import actions
from accounts.changes.approval import ChangeSubject
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from tests.approvals.policies import TWO_SUPERVISORS, want_for
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account, planned, reject, written

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
Sent = list[tuple[str, list[int], str]]


def at_once(*jobs: Callable[[], T]) -> Sequence[T | Exception]:
    """Run the jobs in threads that start together, each on a connection of its own; return or raise what each did."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T | Exception:
        try:
            start.wait(timeout=30)
            return job()
        except (DecisionRefused, NotAllowed) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def meet_before(monkeypatch: pytest.MonkeyPatch, name: str, parties: int, of: Any = actions) -> None:
    """Let that many threads wait for each other before a function, so that none is ahead there."""
    barrier = threading.Barrier(parties)
    original = getattr(of, name)

    def together(*args: Any, **kwargs: Any) -> Any:
        barrier.wait(timeout=30)
        return original(*args, **kwargs)

    monkeypatch.setattr(of, name, together)


@pytest.mark.parametrize("meeting", ["plan", "write"])
def test_a_double_click_makes_one_change(support: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch, meeting: str) -> None:
    make_account(101)
    key, digest = uuid4(), planned("lock", 101).digest
    person = Staff.objects.get(pk=support.pk)
    assert person.may("changes:request:lock")  # loaded here: threads share nothing of a connection
    meet_before(monkeypatch, meeting, 2)

    first, second = at_once(*[lambda: ask(person, "lock", 101, form_key=key, digest=digest)] * 2)

    assert first == second == Change.objects.get()
    assert written() == (1, 1, 0, 1)
    assert len(sent) == 1


def test_many_clicks_make_one_change(support: Staff, sent: Sent) -> None:
    make_account(101)
    key, digest = uuid4(), planned("lock", 101).digest
    assert support.may("changes:request:lock")
    changes = at_once(*[lambda: ask(support, "lock", 101, form_key=key, digest=digest)] * 6)
    assert set(changes) == {Change.objects.get()}
    assert written() == (1, 1, 0, 1)
    assert len(sent) == 1


@pytest.fixture
def change(support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent) -> Change:
    """An unlock that waits; everybody's roles are loaded."""
    make_account(101, LOCKED)
    for person in (supervisor, second_supervisor):
        assert person.may("changes:decide")
    return ask(support, "unlock", 101)


def refusals(results: Sequence[object]) -> list[str]:
    return [str(result) for result in results if isinstance(result, Exception)]


def events(*tags: Tag) -> int:
    return Event.objects.filter(tag__in=tags).count()


def test_two_supervisors_approve_at_once(
    change: Change, supervisor: Staff, second_supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet_before(monkeypatch, "prepare", 2, of=ChangeSubject)
    results = at_once(lambda: approve(supervisor, change), lambda: approve(second_supervisor, change))
    assert refusals(results) == ["This change is no longer waiting: approved."]
    assert (Change.objects.get().state, Item.objects.get().state) == (ChangeState.RUNNING, ItemState.QUEUED)
    assert Approval.objects.filter(request__subject="change").count() == 1
    assert (events(Tag.CHANGE_APPROVED), events(Tag.CHANGE_DECISION_REFUSED)) == (1, 1)
    assert sent == [("execution.run_change", [change.pk], "urgent")]


def test_one_supervisor_twice_at_once_counts_once(
    support: Staff, supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    make_account(101, LOCKED)
    assert supervisor.may("changes:decide")
    change = ask(support, "unlock", 101)
    meet_before(monkeypatch, "prepare", 2, of=ChangeSubject)
    results = at_once(*[lambda: approve(supervisor, change)] * 2)
    assert refusals(results) == ["You have decided about this change already."]
    assert (Change.objects.get().state, Approval.objects.filter(request__subject="change").count(), sent) == (
        ChangeState.PENDING,
        1,
        [],
    )


def test_two_supervisors_approve_at_once_where_two_are_needed(
    support: Staff, supervisor: Staff, second_supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    make_account(101, LOCKED)
    for person in (supervisor, second_supervisor):
        assert person.may("changes:decide")
    change = ask(support, "unlock", 101)
    meet_before(monkeypatch, "prepare", 2, of=ChangeSubject)
    results = at_once(lambda: approve(supervisor, change), lambda: approve(second_supervisor, change))
    assert refusals(results) == []
    assert (Change.objects.get().state, Approval.objects.filter(request__subject="change").count()) == (ChangeState.RUNNING, 2)
    assert sent == [("execution.run_change", [change.pk], "urgent")]


def test_approved_and_rejected_at_once(change: Change, supervisor: Staff, second_supervisor: Staff, sent: Sent) -> None:
    results = at_once(lambda: approve(supervisor, change), lambda: reject(second_supervisor, change))
    assert len(refusals(results)) == 1
    decision = Approval.objects.get(request__subject="change")
    assert (Change.objects.get().state, Item.objects.get().state, len(sent)) == (
        (ChangeState.RUNNING, ItemState.QUEUED, 1)
        if decision.verdict == "approve"
        else (ChangeState.REJECTED, ItemState.CANCELLED, 0)
    )


def test_approved_and_withdrawn_at_once(change: Change, support: Staff, supervisor: Staff, sent: Sent) -> None:
    results = at_once(
        lambda: approve(supervisor, change), lambda: withdraw(actor=support, origin=ORIGIN, request_id=change.approval_id)
    )
    assert len(refusals(results)) == 1
    approved = Approval.objects.filter(request__subject="change").exists()
    assert (Change.objects.get().state, Item.objects.get().state, len(sent)) == (
        (ChangeState.RUNNING, ItemState.QUEUED, 1) if approved else (ChangeState.CANCELLED, ItemState.CANCELLED, 0)
    )
    assert events(Tag.CHANGE_APPROVED, Tag.CHANGE_CANCELLED) == 1


def test_an_approval_waits_for_who_holds_the_change_and_then_sees_what_they_did(
    change: Change, support: Staff, supervisor: Staff, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ChangeSubject.prepare

    def withdrawn_meanwhile(*args: Any) -> Any:
        withdraw(actor=support, origin=ORIGIN, request_id=change.approval_id)
        return original(*args)

    monkeypatch.setattr(ChangeSubject, "prepare", withdrawn_meanwhile)
    with pytest.raises(DecisionRefused, match="no longer waiting: withdrawn"):
        approve(supervisor, change)
    assert (Change.objects.get().state, Approval.objects.filter(request__subject="change").count(), sent) == (
        ChangeState.CANCELLED,
        0,
        [],
    )

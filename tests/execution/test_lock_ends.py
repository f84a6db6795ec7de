"""Locks that end: the unlock is asked for with the lock, and made when its time comes, unless somebody acted meanwhile."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.approvals.actions import decide, withdraw
from accounts.approvals.states import Verdict
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.start import start_due
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState, ItemState, Relation
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from tests.approvals.policies import SUPERVISOR, want_for
from tests.changes.world import approve, ask, planned, taken_back
from tests.execution.worker import ORIGIN, active_account, reconciled, run, the_item, worker_dies
from tests.simulator.driver import SET_ACTION, Simulator

LOCKED, CLOSING_ONLY, NORMAL = "LockTradingImmediately", "LiquidateOnlyModeImmediately", "Normal"


def until(seconds: float) -> Timing:
    """A lock that ends so many seconds from now."""
    return Timing(ends_at=timezone.now() + timedelta(seconds=seconds))


def end_of(change: Change) -> Change:
    return Change.objects.get(of_change=change, relation=Relation.ENDS)


def action_of(simulator: Simulator, account_id: int) -> str:
    return str(simulator.account(account_id)["accountRiskStatus"]["adminAction"])


@pytest.fixture
def locked(mirror: Simulator, support: Staff, supervisor: Staff) -> Change:
    """A lock that was applied, whose end is allowed and due."""
    change = ask(support, "lock", active_account(), timing=until(-1))
    approve(supervisor, end_of(change))
    assert run(the_item(change)).state == ItemState.APPLIED
    return change


def ended(change: Change) -> Item:
    """Let the clock do what is due, and the worker what that leads to."""
    start_due(origin=ORIGIN)
    return run(the_item(end_of(change)))


def test_a_lock_ends_when_its_time_has_come(mirror: Simulator, locked: Change) -> None:
    account_id = the_item(locked).target_id
    item = ended(locked)

    assert (item.state, item.note) == (ItemState.APPLIED, "")
    assert action_of(mirror, account_id) == NORMAL
    assert mirror.call_count(SET_ACTION) == 2
    assert item.change.state == ChangeState.FINISHED
    assert item.change.requested_by == locked.requested_by
    started = Event.objects.get(tag=Tag.CHANGE_STARTED)
    assert (started.change_id, started.staff_id, started.detail["items"]) == (item.change_id, None, 1)


def test_not_before(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    change = ask(support, "lock", active_account(), timing=until(3600))
    approve(supervisor, end_of(change))
    run(the_item(change))

    assert start_due(origin=ORIGIN) == 0
    assert end_of(change).state == ChangeState.SCHEDULED
    assert action_of(mirror, the_item(change).target_id) == LOCKED


def test_the_lock_needs_no_approval_but_its_end_does(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    change = ask(support, "lock", active_account(), timing=until(-1))
    assert change.state == ChangeState.RUNNING
    assert run(the_item(change)).state == ItemState.APPLIED

    assert start_due(origin=ORIGIN) == 0
    assert end_of(change).state == ChangeState.PENDING
    approve(supervisor, end_of(change))
    assert ended(change).state == ItemState.APPLIED
    assert action_of(mirror, the_item(change).target_id) == NORMAL


def _acted(simulator: Simulator, account_id: int, action: str) -> None:
    simulator.patch("accountRiskStatus", account_id, adminAction=action, adminTimestamp="2030-01-01T15:00:00.000Z")


def _closing_only(simulator: Simulator, account_id: int, support: Staff, supervisor: Staff) -> None:
    _acted(simulator, account_id, CLOSING_ONLY)


def _locked_again(simulator: Simulator, account_id: int, support: Staff, supervisor: Staff) -> None:
    _acted(simulator, account_id, LOCKED)


def _unlocked_here(simulator: Simulator, account_id: int, support: Staff, supervisor: Staff) -> None:
    unlock = ask(support, "unlock", account_id)
    approve(supervisor, unlock)
    assert run(the_item(unlock)).state == ItemState.APPLIED


def _stopped_by_a_limit(simulator: Simulator, account_id: int, support: Staff, supervisor: Staff) -> None:
    simulator.breach(account_id)


@pytest.mark.parametrize("act", [_closing_only, _locked_again, _unlocked_here, _stopped_by_a_limit])
def test_what_somebody_did_meanwhile_stays(
    mirror: Simulator,
    locked: Change,
    support: Staff,
    supervisor: Staff,
    act: Callable[[Simulator, int, Staff, Staff], None],
) -> None:
    account_id = the_item(locked).target_id
    act(mirror, account_id, support, supervisor)
    before, calls = mirror.account(account_id)["accountRiskStatus"], mirror.call_count(SET_ACTION)

    item = ended(locked)

    assert (item.state, item.note) == (ItemState.SKIPPED, "Somebody changed the account since; it is left as it is")
    assert item.change.state == ChangeState.FINISHED
    assert mirror.call_count(SET_ACTION) == calls
    assert mirror.account(account_id)["accountRiskStatus"] == before
    assert not Change.objects.filter(relation=Relation.CARRIES_ON).exists()


@pytest.mark.parametrize("far", ["applied", "queued"])
def test_a_lasting_lock_over_one_that_ends_stays(mirror: Simulator, locked: Change, support: Staff, far: str) -> None:
    """Its end is due after the lasting lock was requested, whether that was sent meanwhile or not."""
    account_id = the_item(locked).target_id
    (row,) = planned("lock", account_id).sent
    assert [words for words in row.warnings if f"by change {locked.pk}: this lock replaces that end" in words]
    lasting = ask(support, "lock", account_id)
    if far == "applied":
        assert run(the_item(lasting)).state == ItemState.APPLIED
    calls = mirror.call_count(SET_ACTION)

    item = ended(locked)

    assert item.state == ItemState.SKIPPED
    assert item.note == f"Change {lasting.pk} has locked the account again; it is left as it is"
    assert (mirror.call_count(SET_ACTION), action_of(mirror, account_id)) == (calls, LOCKED)
    assert Event.objects.filter(item_id=item.pk, tag=Tag.ITEM_SETTLED).count() == 1


def test_what_was_not_locked_is_not_unlocked(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    mirror.fault("errorText", endpoint=SET_ACTION, text="Access is denied", count=1)
    change = ask(support, "lock", active_account(), timing=until(-1))
    approve(supervisor, end_of(change))
    assert run(the_item(change)).state == ItemState.REJECTED

    item = ended(change)
    assert (item.state, item.note) == (ItemState.SKIPPED, "What it was to end was not applied")


def test_a_worker_that_dies_while_it_unlocks_is_made_good(mirror: Simulator, locked: Change) -> None:
    start_due(origin=ORIGIN)
    item = the_item(end_of(locked))
    Item.objects.filter(pk=item.pk).update(state=ItemState.SENDING, claimed_at=timezone.now(), lease_until=timezone.now())
    worker_dies(item)

    assert reconciled(item).state == ItemState.APPLIED
    assert action_of(mirror, item.target_id) == NORMAL


def test_begun_twice_it_runs_once(mirror: Simulator, locked: Change) -> None:
    assert start_due(origin=ORIGIN) == 1
    assert start_due(origin=ORIGIN) == 0
    assert run(the_item(end_of(locked))).state == ItemState.APPLIED
    assert mirror.call_count(SET_ACTION) == 2


class TestDecidedTogether:
    @pytest.fixture
    def pending(self, mirror: Simulator, support: Staff, supervisor: Staff) -> Change:
        """A lock that policy wants approved, with an end."""
        want_for("lock", stages=SUPERVISOR)
        return ask(support, "lock", active_account(), timing=until(3600))

    def test_approved(self, pending: Change, supervisor: Staff) -> None:
        approve(supervisor, pending)
        end = end_of(pending)
        assert end.state == ChangeState.SCHEDULED
        assert end.approval.approvals.get().digest == end.digest

    def test_rejected(self, pending: Change, supervisor: Staff) -> None:
        decide(
            actor=supervisor,
            origin=ORIGIN,
            request_id=pending.approval_id,
            verdict=Verdict.REJECT,
            digest=pending.digest,
            comment="No",
        )
        assert end_of(pending).state == ChangeState.CANCELLED

    def test_withdrawn(self, pending: Change, support: Staff) -> None:
        withdraw(actor=support, origin=ORIGIN, request_id=pending.approval_id)
        end = end_of(pending)
        assert (end.state, the_item(end).state) == (ChangeState.CANCELLED, ItemState.CANCELLED)

    def test_the_digest_of_the_lock_names_its_end(self, mirror: Simulator, support: Staff) -> None:
        digests = set()
        for timing in (Timing(), until(3600), until(7200)):
            with taken_back():
                digests.add(ask(support, "lock", active_account(1), timing=timing).digest)
        assert len(digests) == 3


def test_the_scheduled_end_of_a_lock_blocks_no_other_change(mirror: Simulator, locked: Change, support: Staff) -> None:
    account_id = the_item(locked).target_id
    asked = ask(support, "unlock", account_id)
    assert the_item(asked).state == ItemState.WAITING

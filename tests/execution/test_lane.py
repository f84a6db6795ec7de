"""A lane at work: many calls side by side, fair turns, a budget that runs out, a process that stops, a database that fails."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.kinds.liquidate_only import LiquidateOnly
from accounts.changes.kinds.lock import Lock
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tracking.control import cancel, cancel_put_back
from accounts.execution import claim as claim_module
from accounts.execution import lane as lane_module
from accounts.execution import send as send_module
from accounts.execution.call_results import write_down
from accounts.execution.claim import Claim
from accounts.execution.lane import has_work, stop_soon, work
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.queue import first_items
from accounts.execution.send import Answered, make
from accounts.models import Account, RiskStatus
from accounts.models.api import ApiAttempt
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Lane
from tests.changes.world import approve, ask
from tests.execution.worker import ORIGIN, active_account, claims_of, reconciled, the_item
from tests.simulator.driver import SET_ACTION, Simulator
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def four_at_once(settings: Settings) -> Iterator[None]:
    settings.CALLS_AT_ONCE = 4
    yield
    lane_module._stopping.clear()


def accounts(count: int, skip: int = 0) -> list[int]:
    """Open demo accounts on which nothing acted."""
    found = Account.objects.filter(
        environment="demo", archived=False, risk_status__admin_action="Normal", risk_status__admin_at=None
    )
    return list(found.order_by("tradovate_id").values_list("tradovate_id", flat=True)[skip : skip + count])


@contextmanager
def working_with_held(mirror: Simulator, calls: int) -> Iterator[int]:
    """Work the urgent lane off in a thread, with its first so many calls held at Tradovate, of which four arrive at once."""
    fault = mirror.fault("hold", endpoint=SET_ACTION, when="before", count=calls)
    working = threading.Thread(target=work, args=[Lane.URGENT], kwargs={"origin": ORIGIN})
    working.start()
    try:
        mirror.wait_held(fault, count=4)
        yield fault
    finally:
        mirror.clear_faults()
        working.join()


def states(change: Change) -> dict[str, int]:
    found = list(change.items.values_list("state", flat=True))
    return {state: found.count(state) for state in set(found)}


def order_of_calls(*changes: Change) -> list[int]:
    """The changes in the order in which their calls were claimed."""
    calls = Call.objects.filter(purpose=Purpose.WRITE, items__change__in=changes).order_by("pk")
    return list(calls.values_list("items__change", flat=True))


def test_everything_due_is_carried_out_and_proven(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", *accounts(30))

    work(Lane.URGENT, origin=ORIGIN)

    change.refresh_from_db()
    assert states(change) == {ItemState.APPLIED: 30}
    assert change.state == ChangeState.FINISHED
    assert mirror.call_count(SET_ACTION) == 30
    tags = list(Event.objects.filter(item_id__in=change.items.values("pk")).values_list("tag", flat=True))
    assert {tag: tags.count(tag) for tag in (Tag.ITEM_CLAIMED, Tag.ITEM_SENT, Tag.ITEM_SETTLED)} == {
        Tag.ITEM_CLAIMED: 30,
        Tag.ITEM_SENT: 30,
        Tag.ITEM_SETTLED: 30,
    }
    writes = Call.objects.filter(purpose=Purpose.WRITE)
    assert set(writes.values_list("state", "status")) == {(CallState.ANSWERED, 200)}
    assert writes.count() == 30
    assert not has_work(Lane.URGENT)


def test_no_more_calls_at_once_than_the_setting_says(mirror: Simulator, support: Staff) -> None:
    ask(support, "lock", *accounts(12))
    with working_with_held(mirror, 12) as fault:
        held = mirror.control("GET", f"/faults/{fault}/held", query={"count": 5, "timeout_s": 0.5})["holding"]

    assert held == 4
    assert mirror.call_count(SET_ACTION) == 12


@pytest.mark.parametrize(("is_resend_safe", "claimed"), [(True, 12), (False, 4)])
def test_what_may_not_be_sent_twice_is_claimed_when_it_can_leave(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch, *, is_resend_safe: bool, claimed: int
) -> None:
    monkeypatch.setattr(Lock, "is_resend_safe", lambda _self, _step: is_resend_safe)
    change = ask(support, "lock", *accounts(16))
    with working_with_held(mirror, 16):
        wait_until(lambda: states(change).get(ItemState.SENDING, 0) >= claimed)
        held = states(change)

    assert held == {ItemState.SENDING: claimed, ItemState.QUEUED: 16 - claimed}
    assert states(change) == {ItemState.APPLIED: 16}


def test_what_may_not_be_sent_twice_has_its_turns_too(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of the other that stand ready must not take every place that comes free."""
    monkeypatch.setattr(LiquidateOnly, "is_resend_safe", lambda _self, _step: False)
    mirror.fault("latency", endpoint=SET_ACTION, ms=20)
    safe = ask(support, "lock", *accounts(45))
    unsafe = ask(support, "liquidate_only", *accounts(15, skip=45))

    work(Lane.URGENT, origin=ORIGIN)

    assert (states(safe), states(unsafe)) == ({ItemState.APPLIED: 45}, {ItemState.APPLIED: 15})
    assert order_of_calls(safe, unsafe)[:45].count(unsafe.pk) == 15


def test_each_call_is_counted_once_and_nothing_counted_is_left_over(mirror: Simulator, support: Staff) -> None:
    before = ApiAttempt.objects.count()
    ask(support, "lock", *accounts(10))

    work(Lane.URGENT, origin=ORIGIN)

    assert ApiAttempt.objects.count() - before == mirror.counters()["calls"]


def test_two_changes_take_turns(mirror: Simulator, support: Staff) -> None:
    first = ask(support, "lock", *accounts(18))
    second = ask(support, "lock", *accounts(18, skip=18))

    work(Lane.URGENT, origin=ORIGIN)

    order = order_of_calls(first, second)
    half = order[:18]
    assert len(order) == 36
    assert 6 <= half.count(first.pk) <= 12


def test_when_the_hour_is_used_up_nothing_is_claimed_until_calls_come_back(
    mirror: Simulator, support: Staff, settings: Settings
) -> None:
    used = ApiAttempt.objects.count()
    settings.BUDGET_SAFETY_MARGIN = 0
    settings.BUDGET_CALLS_PER_HOUR = used + 6
    change = ask(support, "lock", *accounts(20))

    work(Lane.URGENT, origin=ORIGIN)

    change.refresh_from_db()
    # The last of the six may be the read-back, or a lock whose read-back waits.
    assert mirror.counters()["calls"] == 6
    assert mirror.counters(status=429)["calls"] == 0
    assert set(states(change)) <= {ItemState.APPLIED, ItemState.QUEUED, ItemState.SENT}
    assert states(change)[ItemState.QUEUED] >= 14
    assert change.held_until is not None
    assert change.held_until > timezone.now() + timedelta(minutes=50)
    assert "used up" in change.held_why
    # It is told once, not for each item and each look.
    work(Lane.URGENT, origin=ORIGIN)
    deferred = Event.objects.filter(change_id=change.pk, tag=Tag.ITEM_DEFERRED)
    assert deferred.count() == 1
    for ended_ago, events in ((timedelta(seconds=5), 1), (timedelta(hours=1), 2)):
        Change.objects.filter(pk=change.pk).update(held_until=timezone.now() - ended_ago)
        work(Lane.URGENT, origin=ORIGIN)
        assert deferred.count() == events
    assert Call.objects.filter(purpose=Purpose.WRITE, state=CallState.NOT_HANDLED).count() == 0


def test_a_refusal_holds_the_change_and_not_each_item(mirror: Simulator, support: Staff) -> None:
    mirror.fault("p-ticket", endpoint=SET_ACTION, p_time=600)
    change = ask(support, "lock", *accounts(25))

    work(Lane.URGENT, origin=ORIGIN)

    change.refresh_from_db()
    assert states(change) == {ItemState.QUEUED: 25}
    assert change.held_until is not None
    assert mirror.call_count(SET_ACTION) < 25  # those at once, and those begun before the first refusal was written down
    # The endpoint is stopped for all: another change waits as well, and is not even tried.
    other = ask(support, "liquidate_only", active_account(40))
    mirror.reset_counters()
    work(Lane.URGENT, origin=ORIGIN)
    assert states(other) == {ItemState.QUEUED: 1}
    assert mirror.call_count(SET_ACTION) == 0


def test_a_process_that_stops_finishes_what_it_began_and_returns_the_rest(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", *accounts(12))
    with working_with_held(mirror, 12):
        wait_until(lambda: states(change) == {ItemState.SENDING: 12})
        wait_until(lambda: sum(thread.name.startswith("urgent-call") for thread in threading.enumerate()) == 5)
        stop_soon()
        wait_until(lambda: Call.objects.filter(state=CallState.NOT_HANDLED).count() == 7)

    # Four were held at Tradovate, and one had been begun and waited for its place.
    assert mirror.call_count(SET_ACTION) == 5
    assert states(change) == {ItemState.SENT: 5, ItemState.QUEUED: 7}
    assert not Call.objects.filter(state=CallState.OPEN).exists()
    assert ApiAttempt.objects.filter(endpoint="accountRiskStatus/setadminautoliqaction").count() == 5

    lane_module._stopping.clear()
    work(Lane.URGENT, origin=ORIGIN)
    assert states(change) == {ItemState.APPLIED: 12}
    assert mirror.call_count(SET_ACTION) == 12


@pytest.mark.parametrize(("kind", "look"), [("lock", 1), ("unlock", 1), ("unlock", 2), ("unlock", 3)])
def test_a_change_cancelled_right_after_its_approval_does_not_end_the_work_on_the_next(
    *, mirror: Simulator, support: Staff, supervisor: Staff, monkeypatch: pytest.MonkeyPatch, kind: str, look: int
) -> None:
    """Cancelled while the lane looks for its items, at each of the moments at which it does, its batch is empty."""
    first, second = accounts(2)
    if kind == "unlock":
        ask(support, "lock", first)
        work(Lane.URGENT, origin=ORIGIN)
    cancelled = ask(support, kind, first)
    if kind == "unlock":
        approve(supervisor, cancelled)
        RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))  # to be read before the call
    other = ask(support, "lock", second)
    looks: list[int] = []

    def look_for_items(change: Change, at: datetime, **wanted: Any) -> list[Item]:
        if change.pk == cancelled.pk:
            looks.append(change.pk)
            if len(looks) == look:
                elsewhere = threading.Thread(target=_cancel, args=(cancelled, support))
                elsewhere.start()
                elsewhere.join()
        return first_items(change, at, **wanted)

    for module in (send_module, claim_module):
        monkeypatch.setattr(module, "first_items", look_for_items)
    work(Lane.URGENT, origin=ORIGIN)

    other.refresh_from_db()
    assert (states(other), other.state) == ({ItemState.APPLIED: 1}, ChangeState.FINISHED)
    assert len(looks) >= look
    cancel_put_back(origin=ORIGIN)
    assert states(cancelled) == {ItemState.CANCELLED: 1}
    assert Change.objects.exclude(held_why="").count() == 0


def _cancel(change: Change, person: Staff) -> None:
    cancel(actor=person, origin=ORIGIN, change_id=change.pk)
    connection.close()


def test_two_processes_share_a_lane_and_send_nothing_twice(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", *accounts(40))
    rival = lane_module._Leader(Lane.URGENT, ORIGIN, lane_module._WorkerLock())
    second = threading.Thread(target=rival.run)
    second.start()

    work(Lane.URGENT, origin=ORIGIN)
    second.join()
    work(Lane.URGENT, origin=ORIGIN)

    assert states(change) == {ItemState.APPLIED: 40}
    assert mirror.call_count(SET_ACTION) == 40


def test_answers_that_postgresql_could_not_take_are_written_down_later(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OperationalError("the server closed the connection")])

    def fails_once(*args: Any, **fields: Any) -> None:
        for failure in failures:
            raise failure
        write_down(*args, **fields)

    monkeypatch.setattr("accounts.execution.lane.write_down", fails_once)
    change = ask(support, "lock", *accounts(3))

    work(Lane.URGENT, origin=ORIGIN)

    assert states(change) == {ItemState.APPLIED: 3}
    assert mirror.call_count(SET_ACTION) == 3
    assert not Event.objects.filter(tag=Tag.ITEM_UNKNOWN).exists()


def test_a_call_that_breaks_off_takes_no_other_with_it(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was made is not known: a read-back tells. The others go their way."""
    broken: list[int] = []

    def breaks_first(claim: Claim) -> Answered:
        if not broken:
            broken.append(claim.items[0].pk)
            raise RuntimeError("a fault of ours")
        return make(claim)

    monkeypatch.setattr("accounts.execution.lane.make", breaks_first)
    change = ask(support, "lock", *accounts(6))

    work(Lane.URGENT, origin=ORIGIN)

    assert states(change) == {ItemState.APPLIED: 5, ItemState.UNKNOWN: 1}
    note = "The call broke off here (RuntimeError), and whether it was carried out is read back"
    assert Item.objects.get(pk=broken[0]).note == note
    assert reconciled(Item.objects.get(pk=broken[0])).state == ItemState.APPLIED
    assert mirror.call_count(SET_ACTION) == 6


def test_an_emergency_has_its_unconfirmed_items_read_back_immediately(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bulk item whose answer waits for the next read-back of its lane would hold the urgent one up for as long."""
    monkeypatch.setattr(LiquidateOnly, "urgent_up_to", 0)
    account_id = active_account()
    bulk = ask(support, "liquidate_only", account_id)
    assert bulk.lane == Lane.BULK
    claims = claims_of(bulk, origin=ORIGIN)
    write_down([make(claim) for claim in claims], read_back_at=timezone.now() + timedelta(minutes=1), origin=ORIGIN)
    assert the_item(bulk).state == ItemState.SENT
    lock = ask(support, "lock", account_id)

    work(Lane.URGENT, origin=ORIGIN)

    assert states(bulk) == {ItemState.APPLIED: 1}
    assert states(lock) == {ItemState.APPLIED: 1}

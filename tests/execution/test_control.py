"""A change that is paused or cancelled while its calls are under way, against a real simulator."""

from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tracking import control
from accounts.execution.resolving import Resolution, resolve
from accounts.execution.unknown_item import question
from accounts.sync.actions import Part, refresh
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import approve, ask
from tests.execution.worker import (
    ORIGIN,
    active_account,
    make_due,
    read_back_due,
    reconciled,
    run,
    send_item,
    sweep,
    the_item,
    worker_dies,
)
from tests.simulator.driver import SET_ACTION, Simulator
from tests.staff.people import make_person


def states(change: Change) -> list[str]:
    return list(change.items.order_by("position").values_list("state", flat=True))


def test_a_paused_change_sends_nothing_and_then_all(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", *(active_account(number) for number in range(3)))
    first, *rest = change.items.order_by("position")
    run(first)
    control.pause(actor=support, origin=ORIGIN, change_id=change.pk)
    for item in rest:
        run(item)
    sweep(origin=ORIGIN)
    assert states(change) == ["applied", "queued", "queued"]
    assert mirror.call_count(SET_ACTION) == 1

    control.resume(actor=support, origin=ORIGIN, change_id=change.pk)
    for item in rest:
        run(item)
    change.refresh_from_db()
    assert (states(change), change.state) == (["applied"] * 3, ChangeState.FINISHED)
    assert mirror.call_count(SET_ACTION) == 3


def test_calls_in_flight_when_it_was_paused_are_confirmed(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", active_account())
    send_item(the_item(change).pk, origin=ORIGIN)
    control.pause(actor=support, origin=ORIGIN, change_id=change.pk)
    read_back_due(origin=ORIGIN)
    change.refresh_from_db()
    assert (states(change), change.state) == (["applied"], ChangeState.FINISHED)


def test_a_call_that_comes_back_to_a_cancelled_change_is_not_made_again(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", active_account(), active_account(1))
    first, second = change.items.order_by("position")
    send_item(first.pk, origin=ORIGIN)
    mirror.fault("cut", when="before", endpoint=SET_ACTION, count=1)
    send_item(second.pk, origin=ORIGIN)
    assert states(change) == ["sent", "unknown"]

    control.cancel(actor=support, origin=ORIGIN, change_id=change.pk)
    assert reconciled(second).state == ItemState.CANCELLED  # the read-back shows no effect, and nothing is sent any more
    change.refresh_from_db()
    assert (states(change), change.state) == (["applied", "cancelled"], ChangeState.FINISHED)
    assert mirror.call_count(SET_ACTION) == 2


def test_a_worker_that_dies_during_the_cancelling_leaves_a_true_outcome(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", active_account())
    item = the_item(change)
    send_item(item.pk, origin=ORIGIN)
    worker_dies(item)
    control.cancel(actor=support, origin=ORIGIN, change_id=change.pk)
    assert reconciled(item).state == ItemState.APPLIED  # it was sent before: what Tradovate says is the outcome
    change.refresh_from_db()
    assert change.state == ChangeState.FINISHED


def test_cancelled_between_its_steps_it_stays_half_done(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = active_account()
    mirror.open_position(account_id, 3)
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.POSITIONS}))
    change = ask(supervisor, "liquidate", account_id)
    item = the_item(approve(make_person(Role.SUPERVISOR, "supervisor2"), change))
    assert (run(item).state, the_item(change).step) == (ItemState.QUEUED, 1)

    control.cancel(actor=supervisor, origin=ORIGIN, change_id=change.pk)
    item = the_item(change)
    assert (item.state, item.note) == (ItemState.CANCELLED, "Half done (Liquidate). Cancelled by supervisor")
    assert item.is_half_done
    assert item.change.state == ChangeState.FINISHED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == "LiquidateImmediately"


def test_sent_again_by_a_person_it_is_applied(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    change = ask(support, "lock", active_account())
    item = the_item(change)
    for _ in range(3):
        mirror.fault("cut", when="before", endpoint=SET_ACTION, count=1)
        run(the_item(change))
        make_due(the_item(change))
        sweep(origin=ORIGIN)
    assert the_item(change).state == ItemState.UNKNOWN
    assert the_item(change).not_before is None

    resolve(
        actor=supervisor,
        origin=ORIGIN,
        item_id=item.pk,
        resolution=Resolution.QUEUED,
        comment="Tradovate works again",
        seen_call=question(item).calls.last,
    )
    assert run(item).state == ItemState.APPLIED
    assert Change.objects.get().state == ChangeState.FINISHED
    assert Item.objects.get().note == ""

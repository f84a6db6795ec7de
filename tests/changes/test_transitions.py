"""Which state follows which: the map, what moves rows on, and PostgreSQL allow exactly the same, for every pair of states."""

from collections.abc import Callable
from itertools import permutations
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.changes.models import Change, Item
from accounts.changes.moving import move_change, move_items, move_items_of, transition
from accounts.changes.states import (
    CHANGE_STARTED,
    CHANGE_TRANSITIONS,
    ITEM_FINAL,
    ITEM_TRANSITIONS,
    ChangeState,
    ItemState,
)
from accounts.models.guards import broken_rule
from accounts.models.moving import NoSuchTransition
from riskadmin.staff.models import Staff
from tests.changes.mirror import LOCKED, approve, ask, make_account, open_item, walk
from tests.changes.test_guards import Sent, let_run, set_state, sql

pytestmark = pytest.mark.django_db


def refusal(statement: Callable[[], object]) -> str:
    """Return the rule by which PostgreSQL refuses a statement, "" if it allows it."""
    try:
        with transaction.atomic():
            assert statement() == 1
    except IntegrityError as error:
        return broken_rule(error) or str(error)
    return ""


@pytest.mark.parametrize(("came_from", "to"), list(permutations(ChangeState, 2)))
def test_postgresql_allows_a_change_exactly_the_transitions_of_the_map(
    *, support: Staff, supervisor: Staff, sent: Sent, came_from: ChangeState, to: ChangeState
) -> None:
    make_account(101, LOCKED)
    change = in_state(ask(support, "unlock", 101), came_from, supervisor, to)

    refused_by = refusal(lambda: set_state(change, to))

    assert refused_by == ("" if to in CHANGE_TRANSITIONS[came_from] else "change_transition")
    assert Change.objects.get().state == (came_from if refused_by else to)


@pytest.mark.parametrize(("came_from", "to"), list(permutations(ItemState, 2)))
def test_postgresql_allows_an_item_exactly_the_transitions_of_the_map(
    support: Staff, supervisor: Staff, came_from: ItemState, to: ItemState
) -> None:
    item = open_item(support, make_account(101), "lock", came_from)
    if came_from == ItemState.WAITING:  # so that nothing but the map can be in the way
        let_run(item.change, supervisor)
        set_state(item.change, "running")
    by = supervisor.pk if (came_from, to) == (ItemState.UNKNOWN, ItemState.CANCELLED) else None

    refused_by = refusal(lambda: sql("UPDATE changes_item SET state = %s, resolved_by_id = %s", to, by))

    is_allowed = to in ITEM_TRANSITIONS[came_from]
    assert refused_by == ("" if is_allowed else "item_keeps_its_outcome" if came_from in ITEM_FINAL else "item_transition")
    assert Item.objects.get().state == (to if is_allowed else came_from)


@pytest.mark.parametrize(("came_from", "to"), list(permutations(ItemState, 2)))
def test_items_are_moved_exactly_as_the_map_says(came_from: ItemState, to: ItemState) -> None:
    nothing = Change(pk=1)
    if to in ITEM_TRANSITIONS[came_from]:
        assert move_items([], came_from=came_from, to=to) == []
        assert move_items_of(nothing, came_from=came_from, to=to) == 0
        assert transition(came_from, to) == {"came_from": came_from.value, "to": to.value}
    else:
        for move in (
            lambda: move_items([Item(pk=1)], came_from=came_from, to=to),
            lambda: move_items_of(nothing, came_from=came_from, to=to),
            lambda: transition(came_from, to),
        ):
            with pytest.raises(NoSuchTransition):
                move()


@pytest.mark.parametrize(("came_from", "to"), list(permutations(ChangeState, 2)))
def test_a_change_is_moved_exactly_as_the_map_says(came_from: ChangeState, to: ChangeState) -> None:
    change = Change(pk=1, state=came_from)
    if to in CHANGE_TRANSITIONS[came_from]:
        with pytest.raises(DatabaseError):  # it is in no table
            move_change(change, to)
    else:
        with pytest.raises(NoSuchTransition):
            move_change(change, to)
        assert change.state == came_from


def test_items_that_have_moved_meanwhile_are_left_alone(support: Staff) -> None:
    there = open_item(support, make_account(101), "lock", ItemState.SENDING)
    gone = open_item(support, make_account(102), "lock", ItemState.UNKNOWN, form_key=uuid4())

    moved = move_items(
        [there, gone],
        came_from=ItemState.SENDING,
        to=ItemState.SENT,
        own=("observed", {there.pk: {"admin_action": LOCKED}, gone.pk: {}}),
        note="Read",
    )

    assert moved == [there]
    assert list(Item.objects.order_by("pk").values_list("state", "note", "observed")) == [
        (ItemState.SENT, "Read", {"admin_action": LOCKED}),
        (ItemState.UNKNOWN, "", None),
    ]
    assert there.state == ItemState.SENDING  # the transaction may yet be rolled back


def in_state(change: Change, state: ChangeState, supervisor: Staff, on_to: ChangeState) -> Change:
    """Bring a pending unlock to a state; where it may run next, with its decision."""
    if state in {*CHANGE_STARTED, ChangeState.FINISHED}:
        approve(supervisor, change)
        if ChangeState.FINISHED in {state, on_to}:
            walk(Item.objects.get(change=change), ItemState.APPLIED)
    elif state == ChangeState.SCHEDULED or (state, on_to) in {
        (ChangeState.PENDING, ChangeState.RUNNING),
        (ChangeState.PENDING, ChangeState.SCHEDULED),
    }:
        let_run(change, supervisor)
    if state not in {ChangeState.PENDING, ChangeState.RUNNING}:
        set_state(change, state)
    change.refresh_from_db()
    assert change.state == state
    return change

"""Which state follows which: the map, what moves rows on, and PostgreSQL allow exactly the same, for every pair of states."""

from collections.abc import Callable
from functools import partial
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
from tests.changes.test_guards import Sent, let_run, set_state, sql
from tests.changes.world import LOCKED, approve, ask, make_account, open_item, taken_back, walk

pytestmark = pytest.mark.django_db


def refusal(statement: Callable[[], object]) -> str:
    """Return the rule by which PostgreSQL refuses a statement, "" if it allows it."""
    try:
        with transaction.atomic():
            assert statement() == 1
    except IntegrityError as error:
        return broken_rule(error) or str(error)
    return ""


@pytest.mark.parametrize("came_from", ChangeState)
def test_postgresql_allows_a_change_exactly_the_transitions_of_the_map(
    *, subtests: pytest.Subtests, support: Staff, supervisor: Staff, sent: Sent, came_from: ChangeState
) -> None:
    make_account(101, LOCKED)
    pending = ask(support, "unlock", 101)
    for to in (each for each in ChangeState if each != came_from):
        with subtests.test(to=to), taken_back():
            change = in_state(Change.objects.get(pk=pending.pk), came_from, supervisor, to)

            refused_by = refusal(partial(set_state, change, to))

            assert refused_by == ("" if to in CHANGE_TRANSITIONS[came_from] else "change_transition")
            assert Change.objects.get().state == (came_from if refused_by else to)


@pytest.mark.parametrize("came_from", ItemState)
def test_postgresql_allows_an_item_exactly_the_transitions_of_the_map(
    subtests: pytest.Subtests, support: Staff, supervisor: Staff, came_from: ItemState
) -> None:
    item = open_item(support, make_account(101), "lock", came_from)
    if came_from == ItemState.WAITING:  # so that nothing but the map can be in the way
        let_run(item.change, supervisor)
        set_state(item.change, "running")
    for to in (each for each in ItemState if each != came_from):
        by = supervisor.pk if (came_from, to) == (ItemState.UNKNOWN, ItemState.CANCELLED) else None
        with subtests.test(to=to), taken_back():
            refused_by = refusal(partial(sql, "UPDATE changes_item SET state = %s, resolved_by_id = %s", to, by))

            is_allowed = to in ITEM_TRANSITIONS[came_from]
            expected = "" if is_allowed else "item_keeps_its_outcome" if came_from in ITEM_FINAL else "item_transition"
            assert refused_by == expected
            assert Item.objects.get().state == (to if is_allowed else came_from)


def test_items_are_moved_exactly_as_the_map_says(subtests: pytest.Subtests) -> None:
    nothing = Change(pk=1)
    for came_from, to in permutations(ItemState, 2):
        moves: tuple[Callable[[], object], ...] = (
            partial(move_items, [Item(pk=1)], came_from=came_from, to=to),
            partial(move_items_of, nothing, came_from=came_from, to=to),
            partial(transition, came_from, to),
        )
        with subtests.test(came_from=came_from, to=to):
            if to in ITEM_TRANSITIONS[came_from]:
                assert [move() for move in moves] == [[], 0, {"came_from": came_from.value, "to": to.value}]
            else:
                for move in moves:
                    with pytest.raises(NoSuchTransition):
                        move()


def test_a_change_is_moved_exactly_as_the_map_says(subtests: pytest.Subtests) -> None:
    for came_from, to in permutations(ChangeState, 2):
        change = Change(pk=1, state=came_from)
        with subtests.test(came_from=came_from, to=to):
            if to in CHANGE_TRANSITIONS[came_from]:
                with pytest.raises(DatabaseError), transaction.atomic():  # it is in no table
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

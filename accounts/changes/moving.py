"""Moving changes and items on by the maps of their states; with `accounts.models.moving`, the only writer of `state`.

PostgreSQL's guards allow the same transitions (`sql/`), and a test tries every pair of states against both. Each function needs
an open transaction.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from psycopg import sql

from accounts.changes.models import Change, Item
from accounts.changes.states import CHANGE_TRANSITIONS, ITEM_TRANSITIONS, ChangeState, ItemState
from accounts.models.moving import STATE, check_transition, move_row

MOVE: Final = """
    WITH there AS (SELECT id FROM changes_item WHERE id = ANY(%s) AND state = %s ORDER BY id FOR UPDATE)
    UPDATE changes_item SET {} FROM there {} WHERE changes_item.id = there.id RETURNING changes_item.id
"""
"""Locks in order, as everywhere, moves and returns, in one statement: the lane's run loop waits for each."""

OWN: Final = "LEFT JOIN unnest(%s::bigint[], %s::text[]) AS given (id, value) ON given.id = there.id"


def transition(came_from: ItemState, to: ItemState) -> dict[str, str]:
    """Return a transition of items as the parameters `came_from` and `to` of a statement of one's own.

    Raises NoSuchTransition if ITEM_TRANSITIONS does not have it.
    """
    check_transition(ITEM_TRANSITIONS, came_from, to)
    return {"came_from": came_from.value, "to": to.value}


def move_items(
    items: Sequence[Item],
    *,
    came_from: ItemState,
    to: ItemState,
    own: tuple[str, Mapping[int, Any]] | None = None,
    **fields: Any,
) -> list[Item]:
    """Move items from one state to another and return those that still were in the first.

    `fields` are columns of Item. `own` is a column of JSON that differs between the items, and its values by the items' keys;
    an item without one keeps what it has. The items at hand stay as they are: the transaction may be rolled back, and they are
    then interpreted again. Raises NoSuchTransition; a lost race is no error.
    """
    check_transition(ITEM_TRANSITIONS, came_from, to)
    if not items:
        return []
    columns = {STATE: to.value, **fields}
    assignments = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns]
    values: list[Any] = [[item.pk for item in items], came_from.value, *columns.values()]
    if own:
        name, of_item = own
        assignments.append(sql.SQL("{0} = coalesce(given.value::jsonb, changes_item.{0})").format(sql.Identifier(name)))
        values += [list(of_item), [json.dumps(value, cls=DjangoJSONEncoder) for value in of_item.values()]]
    statement = sql.SQL(MOVE).format(sql.SQL(", ").join(assignments), sql.SQL(OWN if own else ""))
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        there = {row[0] for row in cursor.fetchall()}
    return [item for item in items if item.pk in there]


def show_moved(items: Iterable[Item], to: ItemState, **fields: Any) -> None:
    """Set on items at hand what a statement has just written, for who goes on with them."""
    for item in items:
        item.state = to
        for name, value in fields.items():
            setattr(item, name, value)


def move_items_of(change: Change, *, came_from: ItemState, to: ItemState, **fields: Any) -> int:
    """Move every item of a locked change that is in one state to another; return how many. Raises NoSuchTransition."""
    check_transition(ITEM_TRANSITIONS, came_from, to)
    return change.items.filter(state=came_from).update(state=to, **fields)


def move_change(change: Change, to: ChangeState, **fields: Any) -> None:
    """Move a locked change on, together with some of its columns. Raises NoSuchTransition."""
    move_row(change, CHANGE_TRANSITIONS, to, **fields)

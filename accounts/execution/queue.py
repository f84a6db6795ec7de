"""The queue of record: which changes of a lane have something to send, and which of a change's items are next.

In SQL, because a worker with ten thousand items waits for these few statements again and again; building them each time takes
longer than running them.
"""

from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from accounts.changes.models import Change, Item
from accounts.changes.states import ITEM_UNDER_WAY, ChangeState, ItemState
from riskadmin.tradovate.vocabulary import Lane

WITH_WORK: Final = """
    SELECT change.* FROM changes_change AS change
    WHERE change.state = %(running)s AND change.lane = %(lane)s AND (change.held_until IS NULL OR change.held_until <= %(at)s)
          -- One item says it; joined to the items, PostgreSQL may search all that is queued.
          AND (SELECT item.id FROM changes_item AS item
               WHERE item.change_id = change.id AND item.state = %(queued)s
                     AND (item.not_before IS NULL OR item.not_before <= %(at)s)
                     AND item.target NOT IN (SELECT target FROM changes_item WHERE state = ANY(%(under_way)s))
               LIMIT 1) IS NOT NULL
"""

FIRST: Final = """
    SELECT item.* FROM changes_item AS item JOIN changes_change AS change ON change.id = item.change_id
    WHERE item.change_id = %(change_id)s AND item.state = %(queued)s AND change.state = %(running)s
          AND (item.not_before IS NULL OR item.not_before <= %(at)s)
          AND (change.held_until IS NULL OR change.held_until <= %(at)s)
          -- The targets under way, which are few, are asked for once and not for each item.
          AND item.target NOT IN (SELECT target FROM changes_item WHERE state = ANY(%(under_way)s))
          AND (%(step)s::int IS NULL OR item.step = %(step)s) AND (%(ticket)s::text IS NULL OR item.ticket = %(ticket)s)
    ORDER BY item.position LIMIT %(count)s
"""

FIRST_LOCKED: Final = f"{FIRST} FOR UPDATE OF item SKIP LOCKED"

_STATES: Final = {
    "running": ChangeState.RUNNING.value,
    "queued": ItemState.QUEUED.value,
    "under_way": [state.value for state in sorted(ITEM_UNDER_WAY)],
}


def with_work(lane: Lane, at: datetime) -> list[Change]:
    """Return the running changes of a lane that have items to send now, as `first_items` would find them."""
    return list(Change.objects.raw(WITH_WORK, {**_STATES, "lane": lane.value, "at": at}))


def first_items(
    change: Change, at: datetime, *, count: int, step: int | None = None, ticket: str | None = None, locked: bool = False
) -> list[Item]:
    """Return the first items of a change that may be claimed now, except for the checks that the claim itself makes.

    Of one `step`, or with one `ticket`, if these are given. `locked`: they stay locked until the transaction ends, and items
    that others have locked are left out.
    """
    wanted: dict[str, Any] = {"change_id": change.pk, "at": at, "count": count, "step": step, "ticket": ticket}
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        # PostgreSQL's statistics include ten thousand new queued items only minutes later. Until then it assumes the queue is
        # empty, and that sorting all of it costs no more than reading the first few by its index.
        cursor.execute("SET LOCAL enable_sort = off")
        items = list(Item.objects.raw(FIRST_LOCKED if locked else FIRST, _STATES | wanted))
    for item in items:
        item.change = change
    return items

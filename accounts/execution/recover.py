"""The sweeper: finds what a killed worker, a wiped Redis or a lost message left. PostgreSQL is the queue of record."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from celery import current_app
from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.changes.ending import finish_change
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change, Item
from accounts.changes.moving import move_items
from accounts.changes.states import CHANGE_STARTED, ITEM_OPEN, ITEM_UNDER_WAY, ItemState
from accounts.changes.tracking.control import cancel_put_back
from accounts.execution.lane import has_work
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.reconcile import settle_from_mirror
from accounts.execution.settle import end_call, record_item_events
from accounts.execution.timing import GIVEN_UP_TOGETHER, SWEEP_BATCH, WAKE_EXPIRES_S
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.vocabulary import Lane

logger = logging.getLogger(__name__)


def sweep(*, origin: Origin) -> None:
    """Do each of the sweeper's parts once. Every part may run concurrently with itself and with any worker.

    A failure in one of them does not stop the others, and is raised when all are done.
    """
    with ExitStack() as parts:  # run in reverse order, each regardless of failures in the others
        parts.callback(finish_done, origin=origin)
        parts.callback(wake_lanes)
        parts.callback(settle_from_mirror, origin=origin)
        parts.callback(cancel_put_back, origin=origin)
        parts.callback(give_up_lapsed, origin=origin)


def give_up_lapsed(*, origin: Origin) -> int:
    """Mark as unknown every item that was under way for too long, so that it blocks nothing; return how many.

    Its worker died before or after the call, or the answered call could not be read back. Those of one call go together.
    """
    lapsed = Item.objects.filter(state__in=ITEM_UNDER_WAY, lease_until__lt=timezone.now())
    items = list(lapsed.order_by("pk")[:GIVEN_UP_TOGETHER])
    changes = Change.objects.in_bulk({item.change_id for item in items})
    writes = CallItem.objects.filter(item__in=items, call__purpose=Purpose.WRITE).order_by("item")
    calls = dict(writes.values_list("item").annotate(Max("call")))
    together: dict[tuple[int, int | None, str, str], list[Item]] = defaultdict(list)
    for item in items:
        item.change = changes[item.change_id]
        together[item.change_id, calls.get(item.pk), item.state, item.refusal].append(item)
    return sum(_give_up(alike, call_id, origin) for (_, call_id, *_), alike in together.items())


def _give_up(items: list[Item], call_id: int | None, origin: Origin) -> int:
    """Mark items of one change and call as unknown that are all in the same state; return how many still were in it."""
    first = items[0]
    was = ItemState(first.state)
    kind = for_stored(first.change)
    readable = isinstance(kind, Kind) and kind.is_read_back
    note = "The worker that sent it did not come back" if was == ItemState.SENDING else "It could not be read back in time"
    if first.refusal:
        note = f"{first.refusal}. {note}"
    with transaction.atomic():
        due_at = timezone.now() if readable else None
        moved = move_items(items, came_from=was, to=ItemState.UNKNOWN, not_before=due_at, lease_until=None, note=note)
        call = None if call_id is None else Call.objects.get(pk=call_id)
        if moved and call:
            end_call(call, state=CallState.UNKNOWN, http_record=None, note=note)
        record_item_events(
            Tag.ITEM_UNKNOWN, moved, origin=origin, call=call, detail={"text": note, "needs_person": not readable}
        )
    return len(moved)


def wake_lanes() -> None:
    """Send a message to each lane that has work; one that can't be sent is sent by the next sweep."""
    with lost_messages_are_sent_again():
        for lane in Lane:
            if has_work(lane):
                current_app.send_task("execution.work", args=[lane.value], queue=lane.value, expires=WAKE_EXPIRES_S)


def finish_done(*, origin: Origin) -> int:
    """Finish changes without an open item: two workers that settled the last two items at once left that to us."""
    open_items = Item.objects.filter(change=OuterRef("pk"), state__in=ITEM_OPEN)
    done = Change.objects.filter(~Exists(open_items), state__in=CHANGE_STARTED)[:SWEEP_BATCH]
    return sum(finish_change(change, origin=origin) for change in done)


@contextmanager
def lost_messages_are_sent_again() -> Iterator[None]:
    """Only log that the broker can't be reached."""
    try:
        yield
    except (OperationalError, RedisError, OSError):
        logger.warning("Not every lane was woken; the next sweep does it", exc_info=True)

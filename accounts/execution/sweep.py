"""The sweeper: finds what a killed worker, a wiped Redis or a lost message left behind. PostgreSQL is the queue of record."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.changes.control import cancel_put_back
from accounts.changes.ending import finish_change
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.states import CHANGE_STARTED, ITEM_OPEN, ITEM_UNDER_WAY, ChangeState, ItemState
from accounts.execution.claim import due, sendable
from accounts.execution.confirm import read_back_due
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.settle import end_call, happening, move
from accounts.execution.timing import ANNOUNCE_AGAIN, SWEEP_BATCH
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag

logger = logging.getLogger(__name__)


def sweep(*, origin: Origin) -> None:
    """Do each of the sweeper's parts once. Every part may run at the same time as itself and as any worker."""
    give_up_lapsed(origin=origin)
    cancel_put_back(origin=origin)
    announce_due()
    read_back_due(origin=origin)
    finish_done(origin=origin)


def give_up_lapsed(*, origin: Origin) -> int:
    """Call unknown every item that was under way for too long, so that it stands in nobody's way; return how many.

    Its worker died before or after the call, or the answered call could not be read back.
    """
    now = timezone.now()
    lapsed = Item.objects.select_related("change").filter(state__in=ITEM_UNDER_WAY, lease_until__lt=now).order_by("pk")
    return sum(_give_up(item, origin) for item in lapsed[:SWEEP_BATCH])


def _give_up(item: Item, origin: Origin) -> bool:
    was = ItemState(item.state)
    readable = KINDS[item.change.kind].is_read_back
    note = "The worker that sent it did not come back" if was == ItemState.SENDING else "It could not be read back in time"
    with transaction.atomic():
        due_at = timezone.now() if readable else None
        if not move([item], came_from=was, to=ItemState.UNKNOWN, not_before=due_at, lease_until=None, note=note):
            return False
        call = Call.objects.filter(items=item, purpose=Purpose.WRITE).order_by("-pk").first()
        if call:
            end_call(call, state=CallState.UNKNOWN, exchange=None, note=note)
        detail = {"text": note, "needs_person": not readable}
        record(happening(Tag.ITEM_UNKNOWN, item, origin=origin, call=call, detail=detail))
    return True


def announce(change_id: int) -> None:
    """Send a message for each item of a change that is due; what does not go out is announced again by the sweeper."""
    _announce(_unannounced(timezone.now()).filter(change_id=change_id))


def announce_rest(change_id: int) -> None:
    """Send the next message of a change that takes many items a call, if any of them are still queued."""
    rest = sendable(timezone.now()).filter(change_id=change_id).values_list("change__lane", flat=True)
    with lost_messages_are_sent_again():
        for lane in rest[:1]:
            current_app.send_task("execution.run_batch", args=[change_id], queue=lane)


def announce_due() -> None:
    """Send a message for each item that is due and was not announced lately."""
    _announce(_unannounced(timezone.now()))


def finish_done(*, origin: Origin) -> int:
    """Finish changes without an open item: two workers that settled the last two at once left that to us."""
    open_items = Item.objects.filter(change=OuterRef("pk"), state__in=ITEM_OPEN)
    done = Change.objects.filter(~Exists(open_items), state__in=CHANGE_STARTED)[:SWEEP_BATCH]
    return sum(finish_change(change, origin=origin) for change in done)


def _unannounced(now: datetime) -> QuerySet[Item]:
    lately = now - ANNOUNCE_AGAIN
    return Item.objects.filter(
        due(now),
        Q(dispatched_at__isnull=True) | Q(dispatched_at__lt=lately),
        state=ItemState.QUEUED,
        change__state=ChangeState.RUNNING,
    )


def _announce(items: QuerySet[Item]) -> None:
    """Send a message for each item, and one for all of a change whose kind takes many a call."""
    due_now = list(items.order_by("pk").values_list("pk", "change_id", "change__kind", "change__lane")[:SWEEP_BATCH])
    Item.objects.filter(pk__in=[pk for pk, *_ in due_now]).update(dispatched_at=timezone.now())
    batches = {(change_id, lane) for _, change_id, kind, lane in due_now if KINDS[kind].batch_size > 1}
    with lost_messages_are_sent_again():
        for change_id, lane in sorted(batches):
            current_app.send_task("execution.run_batch", args=[change_id], queue=lane)
        for pk, _, kind, lane in due_now:
            if KINDS[kind].batch_size == 1:
                current_app.send_task("execution.run_item", args=[pk], queue=lane)


@contextmanager
def lost_messages_are_sent_again() -> Iterator[None]:
    """Log, and no more, that the broker can't be reached: whatever was not announced is found by the next sweep."""
    try:
        yield
    except (OperationalError, RedisError, OSError):
        logger.warning("Not every due item was announced; they are announced again", exc_info=True)

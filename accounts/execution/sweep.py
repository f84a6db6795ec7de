"""The sweeper: finds what a killed worker, a wiped Redis or a lost message left behind. PostgreSQL is the queue of record."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.changes.control import cancel_put_back
from accounts.changes.ending import finish_change
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.states import CHANGE_STARTED, ITEM_OPEN, ITEM_UNDER_WAY, ItemState
from accounts.changes.telling import about_item
from accounts.execution.heal import heal
from accounts.execution.lane import has_work
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.settle import end_call, move
from accounts.execution.timing import SWEEP_BATCH, WAKE_EXPIRES_S
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.vocabulary import Lane

logger = logging.getLogger(__name__)


def sweep(*, origin: Origin) -> None:
    """Do each of the sweeper's parts once. Every part may run at the same time as itself and as any worker."""
    give_up_lapsed(origin=origin)
    cancel_put_back(origin=origin)
    heal(origin=origin)
    wake_lanes()
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
    if item.refusal:
        note = f"{item.refusal}. {note}"
    with transaction.atomic():
        due_at = timezone.now() if readable else None
        if not move([item], came_from=was, to=ItemState.UNKNOWN, not_before=due_at, lease_until=None, note=note):
            return False
        call = Call.objects.filter(items=item, purpose=Purpose.WRITE).order_by("-pk").first()
        if call:
            end_call(call, state=CallState.UNKNOWN, exchange=None, note=note)
        detail = {"text": note, "needs_person": not readable}
        record(about_item(Tag.ITEM_UNKNOWN, item, origin=origin, call_id=call.pk if call else None, detail=detail))
    return True


def wake_lanes() -> None:
    """Send a message to each lane that has something to do; one that does not go out is sent by the next sweep."""
    with lost_messages_are_sent_again():
        for lane in Lane:
            if has_work(lane):
                current_app.send_task("execution.work", args=[lane.value], queue=lane.value, expires=WAKE_EXPIRES_S)


def finish_done(*, origin: Origin) -> int:
    """Finish changes without an open item: two workers that settled the last two at once left that to us."""
    open_items = Item.objects.filter(change=OuterRef("pk"), state__in=ITEM_OPEN)
    done = Change.objects.filter(~Exists(open_items), state__in=CHANGE_STARTED)[:SWEEP_BATCH]
    return sum(finish_change(change, origin=origin) for change in done)


@contextmanager
def lost_messages_are_sent_again() -> Iterator[None]:
    """Log, and no more, that the broker can't be reached."""
    try:
        yield
    except (OperationalError, RedisError, OSError):
        logger.warning("Not every lane was woken; the next sweep does it", exc_info=True)

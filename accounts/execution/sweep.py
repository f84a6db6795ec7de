"""The sweeper: finds what a killed worker, a wiped Redis or a lost message left behind. PostgreSQL is the queue of record."""

import logging
from datetime import datetime

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.changes.models import Change, Item
from accounts.changes.states import ITEM_OPEN, ChangeState, ItemState
from accounts.execution.claim import due
from accounts.execution.confirm import read_back_due
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.settle import end_call, finish_change, happening, move
from accounts.execution.timing import ANNOUNCE_AGAIN, SWEEP_BATCH
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag

logger = logging.getLogger(__name__)


def sweep(*, origin: Origin) -> None:
    """Do each of the sweeper's parts once. Every part may run at the same time as itself and as any worker."""
    give_up_lapsed(origin=origin)
    announce_due()
    read_back_due(origin=origin)
    finish_done(origin=origin)


def give_up_lapsed(*, origin: Origin) -> int:
    """Call unknown every item whose worker let its lease end: it may have made the call, or died before. Returns how many."""
    now = timezone.now()
    lapsed = Item.objects.select_related("change").filter(state=ItemState.SENDING, lease_until__lt=now).order_by("pk")
    given_up = 0
    for item in lapsed[:SWEEP_BATCH]:
        note = "The worker that sent it did not come back"
        with transaction.atomic():
            if not move(item, came_from=ItemState.SENDING, to=ItemState.UNKNOWN, not_before=now, lease_until=None, note=note):
                continue
            call = Call.objects.filter(items=item, purpose=Purpose.WRITE, state=CallState.OPEN).order_by("-pk").first()
            if call:
                end_call(call, state=CallState.UNKNOWN, exchange=None, note=note)
            record(happening(Tag.ITEM_UNKNOWN, item, origin=origin, call=call, detail={"text": note}))
            given_up += 1
    return given_up


def announce(change_id: int) -> None:
    """Send a message for each item of a change that is due; what does not go out is announced again by the sweeper."""
    _announce(_unannounced(timezone.now()).filter(change_id=change_id))


def announce_due() -> None:
    """Send a message for each item that is due and was not announced lately."""
    _announce(_unannounced(timezone.now()))


def finish_done(*, origin: Origin) -> int:
    """Finish running changes without an open item: two workers that settled the last two at once left that to us."""
    open_items = Item.objects.filter(change=OuterRef("pk"), state__in=ITEM_OPEN)
    done = Change.objects.filter(~Exists(open_items), state=ChangeState.RUNNING)[:SWEEP_BATCH]
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
    batch = list(items.order_by("pk").values_list("pk", "change__lane")[:SWEEP_BATCH])
    Item.objects.filter(pk__in=[pk for pk, _ in batch]).update(dispatched_at=timezone.now())
    try:
        for pk, lane in batch:
            current_app.send_task("execution.run_item", args=[pk], queue=lane)
    except (OperationalError, RedisError, OSError):
        logger.warning("Not every due item was announced; they are announced again", exc_info=True)

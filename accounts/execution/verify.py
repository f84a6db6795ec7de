"""Confirming: what Tradovate reports now, read back in batches, decides the outcome of a call. An HTTP 200 does not."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.changes.audit_events import item_event
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind, Reading
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.claim import this_worker
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.read_back_outcome import COMPARISON_ERRORS, ReadEvidence, apply_reading
from accounts.execution.settle import evidence, leave_unknown
from accounts.execution.timing import CONFIRM_AGAIN, CONFIRM_WITHIN, READ_BATCH, reading_lease
from accounts.gateway.connection import NotConnected, client
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import TradovateError
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

NOT_READ_BACK: Final = "It was not read back"
NOT_COMPARABLE: Final = "What Tradovate said when it was read back can't be compared with what was shown"
TO_READ = (ItemState.SENT, ItemState.UNKNOWN)


def next_read_at(lane: Lane, *, early: bool = False) -> datetime | None:
    """Return when the next item of a lane is due to be read back; None when none is. `early` as in `read_back_due`."""
    at = timezone.now()
    of_lane = Item.objects.filter(state__in=TO_READ, change__lane=lane.value, not_before__isnull=False)
    first: datetime | None = of_lane.order_by("not_before").values_list("not_before", flat=True).first()
    if first is not None and first > at and early and of_lane.filter(_never_read()).exists():
        return at
    if lane == Lane.URGENT and (first is None or first > at) and Item.objects.filter(_in_the_way()).exists():
        return at
    return first


def _never_read() -> Q:
    """Return the condition for answered items not read back yet: `not_before` and lease are as first set."""
    return Q(state=ItemState.SENT, lease_until=F("not_before") + CONFIRM_WITHIN)


def _in_the_way() -> Q:
    """Return the condition for answered bulk items not yet read back while an urgent item waits for them.

    What waits is queried beforehand, change by change: mostly nothing is urgent, and then PostgreSQL has nothing to search.
    """
    urgent = list(Change.objects.filter(state=ChangeState.RUNNING, lane=Lane.URGENT.value).values_list("pk", flat=True))
    waiting = Item.objects.filter(change__in=urgent, state=ItemState.QUEUED)
    return _never_read() & Q(target__in=list(waiting.values_list("target", flat=True)), change__lane=Lane.BULK.value)


def read_back_due(lane: Lane, *, origin: Origin, early: bool = False) -> int:
    """Read back every due item of a lane, in as few calls as possible, and settle what that proves.

    `early`: also those that were answered and only wait for others to be read with.

    Takes the items first, so that another reader leaves them alone. Returns how many were read. A read that fails leaves its
    items as they are: they are due again when this reader's lease on them ends.
    """
    batches: dict[tuple[Kind, str, int], list[Item]] = defaultdict(list)
    for item in _take_due(lane, early=early):
        kind = for_stored(item.change)
        if isinstance(kind, Kind):
            batches[kind, item.environment, item.step].append(item)
        else:
            _leave_to_people(item, NOT_READ_BACK, origin)
    read = 0
    for (kind, environment, _), items in batches.items():
        for start in range(0, len(items), kind.read_at_once):
            some = items[start : start + kind.read_at_once]
            if _read_batch(kind, Environment(environment), lane, some, origin):
                read += len(some)
    return read


def _take_due(lane: Lane, *, early: bool) -> list[Item]:
    """Return the items that this reader, and no other, reads now."""
    at = timezone.now()
    with transaction.atomic():
        rows = Item.objects.select_for_update(of=("self",), skip_locked=True)
        come = Q(not_before__lte=at) | _never_read() if early else Q(not_before__lte=at)
        due = rows.filter(come, state__in=TO_READ, change__lane=lane.value)
        items = list(due.order_by("pk")[:READ_BATCH])
        if lane == Lane.URGENT:
            items += rows.filter(_in_the_way())
        until = at + reading_lease(len(items))
        mine = Item.objects.filter(pk__in=[item.pk for item in items])
        mine.update(not_before=until)
        # The sweeper must not give up an answered item while it is being read.
        mine.filter(state=ItemState.SENT).update(lease_until=Greatest("lease_until", until + CONFIRM_AGAIN))
    # Each change is read once: with a join, it would be built once for each of ten thousand items.
    changes = Change.objects.in_bulk({item.change_id for item in items})
    for item in items:
        item.change = changes[item.change_id]
    return items


def _read_batch(kind: Kind, environment: Environment, lane: Lane, items: Sequence[Item], origin: Origin) -> bool:
    """Read back items at the same step, and settle what that proves; return whether they could be read.

    An item that can't be interpreted or written must not keep the others open: they are then read in halves.
    """
    started_at = timezone.now()
    connection.close()
    try:
        tradovate = client(environment, lane)
        reading = kind.read_step(tradovate, [item.target_id for item in items], items[0].step)
        gone = _not_found(kind, tradovate, items, reading)
    except (TradovateError, NotConnected) as error:
        logger.warning("%s items could not be read back from %s: %s", len(items), environment, error)
        return False
    except COMPARISON_ERRORS:
        logger.exception("what Tradovate says of %s items could not be understood", len(items))
        return _read_in_halves(kind, environment, lane, items, origin)
    try:
        _decide(kind, reading, items, gone=gone, environment=environment, lane=lane, read_at=started_at, origin=origin)
    except OperationalError:
        raise  # PostgreSQL is unavailable: nothing can be decided about any of them
    except (DatabaseError, *COMPARISON_ERRORS):
        logger.exception("what was read back of %s items could not be interpreted", len(items))
        return _read_in_halves(kind, environment, lane, items, origin)
    return True


def _read_in_halves(kind: Kind, environment: Environment, lane: Lane, items: Sequence[Item], origin: Origin) -> bool:
    """Read items back again in halves to isolate one that can't be interpreted; leave that one to people."""
    if len(items) == 1:
        _leave_to_people(items[0], NOT_COMPARABLE, origin)
        return True
    middle = len(items) // 2
    read = [_read_batch(kind, environment, lane, half, origin) for half in (items[:middle], items[middle:])]
    return all(read)


def _decide(
    kind: Kind,
    reading: Reading,
    items: Sequence[Item],
    *,
    gone: frozenset[int],
    environment: Environment,
    lane: Lane,
    read_at: datetime,
    origin: Origin,
) -> None:
    """Store the calls of a reading, and its results for the mirror and the items, in one transaction."""
    with transaction.atomic():
        calls = _keep_calls(reading, items, environment=environment, lane=lane)
        reading.keep()
        found = ReadEvidence(
            kind=kind,
            observed=reading.observed,
            unread=reading.unread,
            read_at=read_at,
            origin=origin,
            calls=calls,
            gone=gone,
        )
        by_change: dict[int, list[Item]] = defaultdict(list)
        for item in items:
            by_change[item.change_id].append(item)
        for of_one in by_change.values():
            apply_reading(of_one, found)


def _keep_calls(
    reading: Reading, items: Sequence[Item], *, environment: Environment, lane: Lane
) -> dict[int, tuple[Call, HttpRecord]]:
    """Write the calls of a reading with the items that each asked about; return the last one about each target."""
    made = Call.objects.bulk_create(
        [
            Call(
                purpose=Purpose.READ_BACK,
                environment=environment.value,
                lane=lane.value,
                worker=this_worker(),
                state=CallState.ANSWERED,
                started_at=answer.http_record.sent_at,
                ended_at=timezone.now(),
                **evidence(answer.http_record),
            )
            for answer in reading.answers
        ],
        batch_size=500,
    )
    by_target: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        by_target[item.target_id].append(item)
    calls: dict[int, tuple[Call, HttpRecord]] = {}
    links = []
    for call, answer in zip(made, reading.answers, strict=True):
        for target_id in dict.fromkeys(answer.asked):
            if target_id in by_target:
                links += [CallItem(call=call, item=item) for item in by_target[target_id]]
                calls[target_id] = (call, answer.http_record)
    CallItem.objects.bulk_create(links, batch_size=5000)
    return calls


def _not_found(kind: Kind, tradovate: Client, items: Sequence[Item], reading: Reading) -> frozenset[int]:
    """Return which targets of refused calls Tradovate does not have, if its responses left them out."""
    left_out = [item.target_id for item in items if item.refusal and item.target_id not in reading.observed]
    lookup = kind.lookup(tradovate, left_out) if left_out else None
    return lookup.gone if lookup else frozenset()


def _leave_to_people(item: Item, note: str, origin: Origin) -> None:
    """Leave to people an item that no reading can be made of, or compared with: the other items continue."""
    with transaction.atomic():
        if leave_unknown([item], ItemState(item.state), note):
            record(item_event(Tag.ITEM_UNKNOWN, item, origin=origin, detail={"text": note, "needs_person": True}))

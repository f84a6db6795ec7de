"""Confirming: what Tradovate says now, read back in batches, decides what became of a call. An HTTP 200 does not."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Max, Q
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Kind, Reading
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.telling import about_item
from accounts.connection import NotConnected, client
from accounts.execution.claim import this_worker
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.settle import answer_detail, evidence, move, settle, tell
from accounts.execution.timing import (
    CONFIRM_AGAIN,
    CONFIRM_WITHIN,
    EFFECT_WITHIN,
    READ_BATCH,
    READING_LEASE,
    UNKNOWN_ENDS_MAX,
    WATCHED_EVERY,
    WATCHED_FOR,
)
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.errors import TradovateError
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

TO_READ = (ItemState.SENT, ItemState.UNKNOWN)
_OUTCOMES = {Finding.APPLIED: ItemState.APPLIED, Finding.UNCHANGED: ItemState.UNCHANGED}


@dataclass(frozen=True, kw_only=True)
class ReadBack:
    """One batched read, as the judging of its items needs it."""

    kind: Kind[Any]
    reading: Reading
    call: Call
    read_at: datetime
    origin: Origin


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
    """Return the condition for answered items that were not read back yet: then `not_before` is another one than at first."""
    return Q(state=ItemState.SENT, lease_until=F("not_before") + CONFIRM_WITHIN)


def _in_the_way() -> Q:
    """Return the condition for bulk items whose call was answered and not yet read back, while an urgent one waits for them.

    What waits is asked for beforehand, change by change: mostly nothing is urgent, and then PostgreSQL has nothing to look for.
    """
    urgent = list(Change.objects.filter(state=ChangeState.RUNNING, lane=Lane.URGENT.value).values_list("pk", flat=True))
    waiting = Item.objects.filter(change__in=urgent, state=ItemState.QUEUED)
    return _never_read() & Q(target__in=list(waiting.values_list("target", flat=True)), change__lane=Lane.BULK.value)


def read_back_due(lane: Lane, *, origin: Origin, early: bool = False) -> int:
    """Read back every item of a lane whose time has come, in as few calls as possible, and settle what that proves.

    `early`: also those that were answered and only wait for others to be read with.

    Takes the items first, so that another reader leaves them alone. Returns how many were read. A read that fails leaves
    its items as they are: they come due again when this reader's lease on them ends.
    """
    batches: dict[tuple[Kind[Any], str, int], list[Item]] = defaultdict(list)
    for item in _take_due(lane, early=early):
        kind = KINDS[item.change.kind].of(item.change.parameters)
        batches[kind, item.environment, item.step].append(item)
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
        Item.objects.filter(pk__in=[item.pk for item in items]).update(not_before=at + READING_LEASE)
    # Each change is read once: joined to ten thousand items, it would be made as often.
    changes = Change.objects.in_bulk({item.change_id for item in items})
    for item in items:
        item.change = changes[item.change_id]
    return items


def _read_batch(kind: Kind[Any], environment: Environment, lane: Lane, items: Sequence[Item], origin: Origin) -> bool:
    """Read back items that stand at the same step, and settle what that proves; say whether they could be read."""
    started_at = timezone.now()
    connection.close()
    try:
        reading = kind.read_step(client(environment, lane), [item.target_id for item in items], items[0].step)
    except (TradovateError, NotConnected) as error:
        logger.warning("%s items could not be read back from %s: %s", len(items), environment, error)
        return False
    with transaction.atomic():
        call = Call.objects.create(
            purpose=Purpose.READ_BACK,
            environment=environment.value,
            lane=lane.value,
            worker=this_worker(),
            state=CallState.ANSWERED,
            started_at=started_at,
            ended_at=timezone.now(),
            **evidence(reading.exchange),
        )
        CallItem.objects.bulk_create([CallItem(call=call, item=item) for item in items], batch_size=5000)
        reading.keep()
        read_back = ReadBack(kind=kind, reading=reading, call=call, read_at=started_at, origin=origin)
        by_change: dict[int, list[Item]] = defaultdict(list)
        for item in items:
            by_change[item.change_id].append(item)
        for of_one in by_change.values():
            _judge(of_one, read_back)
    return True


def _judge(items: Sequence[Item], read: ReadBack) -> None:
    """Settle the items of one change by what was read, or say when to read them again."""
    found: dict[tuple[ItemState, Finding | None], list[Item]] = defaultdict(list)
    for item in items:
        observed = read.reading.observed.get(item.target_id)
        finding = None
        if observed is not None:
            finding = read.kind.judge(before=item.before or {}, after=item.after or {}, observed=observed, step=item.step)
        found[ItemState(item.state), finding].append(item)
    for (came_from, finding), alike in found.items():
        if finding is None:
            _leave_to_people(alike, came_from, read, "Tradovate did not name it when it was read back")
        elif finding == Finding.ELSEWHERE:
            _leave_to_people(alike, came_from, read, "When it was read back, it stood neither as before nor as intended")
        elif finding != Finding.NOT_APPLIED:
            _reached(alike, came_from, _OUTCOMES[finding], read)
        elif came_from == ItemState.SENT:
            _not_yet(alike, read)
        else:
            _did_nothing(alike, read)


def _reached(items: Sequence[Item], came_from: ItemState, outcome: ItemState, read: ReadBack) -> None:
    """The step is done: the next one is queued, or the item has its outcome."""
    if not items:
        return
    step = items[0].step  # a batch is read at one step of its items
    if step + 1 == len(read.kind.steps):
        settle(
            items,
            came_from=came_from,
            to=outcome,
            note="" if came_from == ItemState.SENT else "No answer came, but the read-back shows it",
            observed=read.reading.observed,
            call=read.call,
            origin=read.origin,
            detail=answer_detail(read.reading.exchange),
        )
        return
    moved = move(
        items,
        came_from=came_from,
        to=ItemState.QUEUED,
        step=step + 1,
        attempts=0,
        not_before=None,
        lease_until=None,
        ticket="",
        note=f"Done: {read.kind.steps[step]}",
    )
    for item in moved:
        _keep_observed(item, read)
    tell(Tag.ITEM_STEP_DONE, moved, origin=read.origin, call=read.call, detail={"text": read.kind.steps[step]})


def _keep_observed(item: Item, read: ReadBack) -> None:
    """Write down what this step's read-back showed: the next one may read something else."""
    observed = {**(item.observed or {}), **read.reading.observed[item.target_id]}
    Item.objects.filter(pk=item.pk).update(observed=observed)


def _not_yet(items: Sequence[Item], read: ReadBack) -> None:
    """Tradovate took the call but still shows the old state: look again for a while, then say that nobody knows.

    Of a call that may alter nothing this is the outcome, as soon as a late effect can be ruled out.
    """
    if read.kind.answer_may_change_nothing:
        over = [item for item in items if item.claimed_at and read.read_at >= item.claimed_at + EFFECT_WITHIN]
        _reached(over, ItemState.SENT, ItemState.UNCHANGED, read)
        items = [item for item in items if item not in over]
    patient = [item.pk for item in items if item.lease_until is None or read.read_at < item.lease_until]
    Item.objects.filter(pk__in=patient, state=ItemState.SENT).update(not_before=timezone.now() + CONFIRM_AGAIN)
    note = "Tradovate took the call, but still shows the target as it was"
    late = move(
        [item for item in items if item.pk not in patient],
        came_from=ItemState.SENT,
        to=ItemState.UNKNOWN,
        not_before=timezone.now(),
        lease_until=None,
        note=note,
    )
    tell(Tag.ITEM_UNKNOWN, late, origin=read.origin, call=read.call, detail={"text": note})


def _did_nothing(items: Sequence[Item], read: ReadBack) -> None:
    """An unknown call shows no effect: send again what may be sent again, once a late effect can be ruled out.

    That is counted from the call's end, not its beginning: Tradovate may carry out what we have given up waiting for.
    """
    calls = Call.objects.filter(items__in=items, purpose=Purpose.WRITE, state=CallState.UNKNOWN)
    ends = {
        pk: (count, last)
        for pk, count, last in calls.values_list("items__pk").annotate(Count("pk"), Max("ended_at")).order_by()
    }
    again, to_people = [], []
    for item in items:
        unclear, ended_at = ends.get(item.pk, (0, None))
        may_go_again = read.kind.is_resend_safe(item.step) and unclear < UNKNOWN_ENDS_MAX
        over_at = ended_at or item.claimed_at or read.read_at
        certain_at = over_at + (EFFECT_WITHIN if may_go_again else WATCHED_FOR)
        if read.read_at < certain_at:
            next_look = min(certain_at, max(over_at + EFFECT_WITHIN, read.read_at + WATCHED_EVERY))
            Item.objects.filter(pk=item.pk, state=ItemState.UNKNOWN).update(not_before=next_look)
        elif may_go_again:
            again.append(item)
        else:
            to_people.append(item)
    note = "The read-back shows no effect; sent again"
    moved = move(again, came_from=ItemState.UNKNOWN, to=ItemState.QUEUED, not_before=None, note=note)
    tell(Tag.ITEM_RESENT, moved, origin=read.origin, call=read.call, detail={"text": note})
    reason = "The read-back shows no effect, and it is not sent again by itself"
    _leave_to_people(to_people, ItemState.UNKNOWN, read, reason)


def _leave_to_people(items: Sequence[Item], came_from: ItemState, read: ReadBack, note: str) -> None:
    """Keep items unknown, without a time to read them again: a person has to look."""
    if came_from == ItemState.UNKNOWN:
        left = [
            item
            for item in items
            if Item.objects.filter(pk=item.pk, state=ItemState.UNKNOWN).update(not_before=None, note=note)
        ]
    else:
        left = move(items, came_from=came_from, to=ItemState.UNKNOWN, not_before=None, lease_until=None, note=note)
    for item in left:
        observed = {**(item.observed or {}), **read.reading.observed.get(item.target_id, {})} or None
        Item.objects.filter(pk=item.pk).update(observed=observed)
        detail = {"text": note, "needs_person": True, "observed": observed}
        record(about_item(Tag.ITEM_UNKNOWN, item, origin=read.origin, call_id=read.call.pk, detail=detail))

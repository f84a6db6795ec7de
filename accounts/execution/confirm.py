"""Confirming: what Tradovate says now, read back in batches, decides what became of a call. An HTTP 200 does not."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Kind, Reading
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.connection import NotConnected, client
from accounts.execution.claim import this_worker
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.settle import answer_detail, evidence, happening, move, settle
from accounts.execution.timing import CONFIRM_AGAIN, EFFECT_WITHIN, READ_BATCH, READING_LEASE, UNKNOWN_ENDS_MAX
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

    kind: Kind
    reading: Reading
    call: Call
    read_at: datetime
    origin: Origin


def read_back_due(*, origin: Origin) -> int:
    """Read back every item whose time has come, in as few calls as possible, and settle what that proves.

    Takes the items first, so that another reader leaves them alone. Returns how many were read. A read that fails leaves
    its items as they are: they come due again when this reader's lease on them ends.
    """
    batches: dict[tuple[str, str, str], list[Item]] = defaultdict(list)
    for item in _take_due():
        batches[item.change.kind, item.environment, item.change.lane].append(item)
    read = 0
    for (kind_name, environment, lane), items in batches.items():
        kind = KINDS[kind_name]
        for first in range(0, len(items), READ_BATCH):
            batch = items[first : first + READ_BATCH]
            if _read_batch(kind, Environment(environment), Lane(lane), batch, origin):
                read += len(batch)
    return read


def _take_due() -> list[Item]:
    """Return the items that this reader, and no other, reads now."""
    at = timezone.now()
    with transaction.atomic():
        items = list(
            Item.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("change")
            .filter(state__in=TO_READ, not_before__lte=at)
            .order_by("pk")[: 4 * READ_BATCH],
        )
        Item.objects.filter(pk__in=[item.pk for item in items]).update(not_before=at + READING_LEASE)
    return items


def _read_batch(kind: Kind, environment: Environment, lane: Lane, items: Sequence[Item], origin: Origin) -> bool:
    started_at = timezone.now()
    connection.close()
    try:
        reading = kind.read(client(environment, lane), [item.account_id_at_tradovate for item in items])
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
        CallItem.objects.bulk_create([CallItem(call=call, item=item) for item in items])
        reading.keep()
        read_back = ReadBack(kind=kind, reading=reading, call=call, read_at=started_at, origin=origin)
        for item in items:
            _judge(item, read_back)
    return True


def _judge(item: Item, read: ReadBack) -> None:
    """Settle one item by what was read, or say when to read it again."""
    observed = read.reading.observed.get(item.account_id_at_tradovate)
    came_from = ItemState(item.state)
    if observed is None:
        _leave_to_people(item, read, "Tradovate did not name this account when it was read back")
        return
    finding = read.kind.judge(before=item.before or {}, observed=observed)
    if finding in _OUTCOMES:
        settle(
            item,
            came_from=came_from,
            to=_OUTCOMES[finding],
            note="" if came_from == ItemState.SENT else "No answer came, but the read-back shows it",
            observed=observed,
            call=read.call,
            origin=read.origin,
            detail=answer_detail(read.reading.exchange),
        )
    elif finding == Finding.ELSEWHERE:
        _leave_to_people(item, read, "When it was read back, the account stood neither as before nor as intended")
    elif came_from == ItemState.SENT:
        _not_yet(item, read)
    else:
        _did_nothing(item, read)


def _not_yet(item: Item, read: ReadBack) -> None:
    """Tradovate took the call but still shows the old state: look again for a while, then say that nobody knows."""
    if item.lease_until is None or read.read_at < item.lease_until:
        Item.objects.filter(pk=item.pk, state=ItemState.SENT).update(not_before=timezone.now() + CONFIRM_AGAIN)
        return
    note = "Tradovate took the call, but still shows the account as it was"
    if move(item, came_from=ItemState.SENT, to=ItemState.UNKNOWN, not_before=timezone.now(), lease_until=None, note=note):
        record(happening(Tag.ITEM_UNKNOWN, item, origin=read.origin, call=read.call, detail={"text": note}))


def _did_nothing(item: Item, read: ReadBack) -> None:
    """An unknown call shows no effect: send again what may be sent again, once a late effect can be ruled out."""
    certain_at = (item.claimed_at or read.read_at) + EFFECT_WITHIN
    if read.read_at < certain_at:
        Item.objects.filter(pk=item.pk, state=ItemState.UNKNOWN).update(not_before=certain_at)
        return
    unknown_ends = Call.objects.filter(items=item, purpose=Purpose.WRITE, state=CallState.UNKNOWN).count()
    if not read.kind.resend_safe or unknown_ends >= UNKNOWN_ENDS_MAX:
        _leave_to_people(item, read, "The read-back shows no effect, and it is not sent again by itself")
        return
    note = "The read-back shows no effect; sent again"
    if move(item, came_from=ItemState.UNKNOWN, to=ItemState.QUEUED, not_before=None, dispatched_at=None, note=note):
        detail = {"text": note, "attempt": item.attempts}
        record(happening(Tag.ITEM_RESENT, item, origin=read.origin, call=read.call, detail=detail))


def _leave_to_people(item: Item, read: ReadBack, note: str) -> None:
    """Keep the item unknown, without a time to read it again: a person has to look."""
    observed = read.reading.observed.get(item.account_id_at_tradovate)
    fields = {"not_before": None, "lease_until": None, "note": note, "observed": observed}
    if item.state == ItemState.UNKNOWN:
        left = Item.objects.filter(pk=item.pk, state=ItemState.UNKNOWN).update(**fields)
    else:
        left = move(item, came_from=ItemState(item.state), to=ItemState.UNKNOWN, **fields)
    if left:
        detail = {"text": note, "needs_person": True, "observed": observed}
        record(happening(Tag.ITEM_UNKNOWN, item, origin=read.origin, call=read.call, detail=detail))

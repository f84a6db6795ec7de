"""Claiming items: the one door to a writing endpoint, committed before the call leaves."""

import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.changes.ending import half_done
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind, Order, Target
from accounts.changes.models import Change, Item
from accounts.changes.states import ITEM_UNDER_WAY, ChangeState, ItemState
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.settle import settle, tell
from accounts.execution.timing import LEASE, PERMIT_GOOD_FOR_S
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, ReasonCode


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Items of one change that this worker, and no other, may send now, in one call."""

    change: Change
    kind: Kind[Any]
    items: Sequence[Item]
    call: Call
    permit: WritePermit

    @property
    def order(self) -> Order:
        """What the kind is told to send."""
        first = self.items[0]
        return Order(
            permit=self.permit,
            targets=[Target(id=item.target_id, before=item.before or {}, after=item.after or {}) for item in self.items],
            step=first.step,
            reason_code=ReasonCode(self.change.reason_code),
            reason_text=self.change.reason_text,
            ticket=first.ticket or None,
        )


def this_worker() -> str:
    """Return the name of this worker: host, process, thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:128]


def due(at: datetime) -> Q:
    """Return the condition for items whose time to be sent or read has come."""
    return Q(not_before__isnull=True) | Q(not_before__lte=at)


def sendable(at: datetime) -> QuerySet[Item]:
    """Return the items that may be claimed now, but for the checks that the claim itself makes."""
    rival = Item.objects.filter(target=OuterRef("target"), state__in=ITEM_UNDER_WAY)
    return Item.objects.filter(due(at), ~Exists(rival), state=ItemState.QUEUED, change__state=ChangeState.RUNNING)


def claim(wanted: QuerySet[Item], *, origin: Origin) -> Claim | None:
    """Claim the items among `wanted` (of one change) that may be sent in its next call, or return None when there is none.

    Commits them as `sending` with their call row and event. Items whose target has moved since it was shown are settled as
    skipped instead. PostgreSQL refuses the step for a change that lacks its decisions, and a second item of the same target.
    """
    at, made_at = timezone.now(), time.monotonic()
    try:
        with transaction.atomic():
            items = _next(wanted, at)
            if not items:
                return None
            change = items[0].change
            kind = KINDS[change.kind].of(change.parameters)
            items = _still_right(kind, items, origin)
            if not items:
                return None
            ids = [item.pk for item in items]
            worker = this_worker()
            Item.objects.filter(pk__in=ids).update(
                state=ItemState.SENDING,
                claimed_at=at,
                lease_until=at + LEASE,
                worker=worker,
                attempts=F("attempts") + 1,
                not_before=None,
            )
            call = Call.objects.create(
                purpose=Purpose.WRITE,
                environment=change.environment,
                lane=change.lane,
                worker=worker,
                state=CallState.OPEN,
                started_at=at,
            )
            CallItem.objects.bulk_create([CallItem(call=call, item_id=pk) for pk in ids], batch_size=5000)
            step = kind.steps[items[0].step]
            detail = {"attempt": items[0].attempts + 1} | ({"step": step} if step else {})
            tell(Tag.ITEM_CLAIMED, items, origin=origin, call=call, detail=detail)
    except IntegrityError as error:
        if "item_target_under_way" in str(error):
            return None  # a rival's call for the same target began meanwhile; this one is announced again when it ends
        raise
    for item in items:
        item.state, item.claimed_at, item.attempts = ItemState.SENDING, at, item.attempts + 1
    permit = WritePermit(call_id=call.pk, good_for_s=PERMIT_GOOD_FOR_S, made_at=made_at)
    return Claim(change=change, kind=kind, items=items, call=call, permit=permit)


def _next(wanted: QuerySet[Item], at: datetime) -> list[Item]:
    """Lock the items of the next call: of one step, without a ticket of another call, at most a batch."""
    rows = wanted.filter(pk__in=sendable(at).values("pk")).select_for_update(of=("self",), skip_locked=True)
    first = rows.select_related("change").order_by("position", "pk").first()
    if first is None:
        return []
    size = KINDS[first.change.kind].batch_size
    if size == 1:
        return [first]
    # A penalty's ticket is good for the very same call, so those items stay together.
    batch = rows.filter(change=first.change, step=first.step, ticket=first.ticket).order_by("position", "pk")
    items = list(batch[:size])
    for item in items:
        item.change = first.change
    return items


def _still_right(kind: Kind[Any], items: list[Item], origin: Origin) -> list[Item]:
    """Settle as skipped the items that must not be sent any more; return the others."""
    found = kind.subjects(Environment(items[0].environment), [item.target_id for item in items])
    gone, moved, right = [], [], []
    for item in items:
        subject = found.get(item.target_id)
        if subject is None or kind.obstacle(subject):
            gone.append(item)
        elif kind.rests_on(item.step) and not kind.is_as_shown(
            before=item.before or {}, now=kind.state(subject), step=item.step
        ):
            moved.append(item)
        else:
            right.append(item)
    for skipped, reason in (
        (gone, f"The {kind.unit.value} was archived or closed meanwhile"),
        (moved, f"The {kind.unit.value} has changed since this was decided; ask again if it is still wanted"),
    ):
        note = half_done(kind.steps, items[0].step) + reason
        settle(skipped, came_from=ItemState.QUEUED, to=ItemState.SKIPPED, note=note, origin=origin)
    return right

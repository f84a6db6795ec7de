"""Claiming items: the only way to a writing endpoint, committed before the call is sent."""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.changes.access import refused_items
from accounts.changes.content import ContentAltered, check_items
from accounts.changes.ending import half_done
from accounts.changes.guards import MAY_BE_SENT, TARGET_UNDER_WAY
from accounts.changes.kinds import sendable
from accounts.changes.kinds.kind import CallSpec, Finding, Kind, Target
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item
from accounts.changes.moving import show_moved, transition
from accounts.changes.scheduling.timing import closed_until
from accounts.changes.states import ItemState
from accounts.changes.tracking.control import suspend_altered
from accounts.execution.basis import basis
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.queue import first_items
from accounts.execution.settle import hold, item_events, settle
from accounts.execution.timing import LEASE, NOT_READ_AGAIN, PERMIT_GOOD_FOR_S
from accounts.models.guards import broken_rule
from riskadmin.audit.actions import record_all
from riskadmin.audit.origin import Origin
from riskadmin.audit.proof.anchors.lateness import outside
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode
from riskadmin.web.formats import listed

LOOK_AGAIN_S: Final = 60.0
"""How long a bulk change waits for anchors before it is asked again."""

CLAIM: Final = """
    WITH made AS (
        INSERT INTO execution_call (purpose, environment, lane, worker, state, started_at)
        SELECT %(purpose)s, %(environment)s, %(lane)s, %(worker)s, %(state)s, %(started_at)s FROM generate_series(1, %(calls)s)
        RETURNING id
    ), numbered AS (
        SELECT id, row_number() OVER () AS batch FROM made
    ), carried AS (
        INSERT INTO execution_callitem (call_id, item_id)
        SELECT numbered.id, given.item_id
        FROM numbered JOIN unnest(%(batches)s::bigint[], %(item_ids)s::bigint[]) AS given (batch, item_id) USING (batch)
        RETURNING call_id, item_id
    )
    UPDATE changes_item SET state = CASE changes_item.state WHEN %(came_from)s THEN %(to)s END, claimed_at = %(started_at)s,
           lease_until = %(lease_until)s, worker = %(worker)s, attempts = attempts + 1, not_before = NULL
    FROM carried WHERE changes_item.id = carried.item_id
    RETURNING changes_item.id, carried.call_id
"""
"""Creates the calls and their item rows, and moves the items on, in one statement: the lane's run loop waits for each.

The items are locked; one in another state would be a mistake, and has no state to go to (NULL), which PostgreSQL refuses. That
is not a condition of the statement, because PostgreSQL would then read the whole queue by its index.
"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Items of one change that this worker, and no other, may send now, in one call."""

    change: Change
    kind: Kind
    items: Sequence[Item]
    call: Call
    permit: WritePermit
    carried: Mapping[int, Any] = field(default_factory=dict)

    @property
    def order(self) -> CallSpec:
        """What the kind is asked to send."""
        first = self.items[0]
        return CallSpec(
            permit=self.permit,
            targets=[self._target(item) for item in self.items],
            step=first.step,
            reason_code=ReasonCode(self.change.reason_code),
            reason_text=self.change.reason_text,
            ticket=first.ticket or None,
        )

    def _target(self, item: Item) -> Target:
        before, after = basis(self.kind, item)
        return Target(id=item.target_id, before=before, after=after, carried=self.carried.get(item.target_id))


def extend_lease(claimed: Claim, by: timedelta) -> None:
    """Extend the lease of claimed items by this time from now: their worker makes more requests before their call ends."""
    sending = Item.objects.filter(pk__in=[item.pk for item in claimed.items], state=ItemState.SENDING)
    sending.update(lease_until=timezone.now() + by)


def this_worker() -> str:
    """Return the name of this worker: host, process, thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:128]


def claim(change: Change, *, calls: int, origin: Origin, read_since: datetime, step: int | None = None) -> list[Claim]:
    """Claim the items of a change that may be sent now, for as many as `calls` calls: those at `step`, if it is given.

    Commits them as `sending` with their call rows and audit events. Items whose target has changed since it was shown, or which
    their requester may not act on any more (ADR 28), are settled as skipped instead; if the target's state matters, those not
    read since `read_since` stay queued. PostgreSQL refuses the transition for a change without its approvals, and a second item
    of the same target. A change whose stored rows are not what was approved is suspended.
    """
    at, made_at = timezone.now(), time.monotonic()
    kind = sendable(change)
    try:
        with transaction.atomic():
            found = _next(change, kind, at, calls, step)
            if not found:
                return []
            check_items(change, found)
            if closed_until(change.window, at) or _waits_for_anchors(change, kind):
                return []
            refused = refused_items(change, [item for item in found if item.step == 0])  # none stops half done
            items = _still_right(kind, found, read_since, refused, origin)
            if not items:
                return []
            after = {item.target_id: item.after or {} for item in items}
            carried = kind.carried(Environment(change.environment), after)
            batches = [[item] for item in items] if kind.batch_size == 1 else [items]
            claimed = _write(change, kind, batches, at=at, origin=origin)
    except ContentAltered as altered:
        suspend_altered(change, str(altered), origin=origin)
        return []
    except IntegrityError as error:
        if broken_rule(error) == MAY_BE_SENT:
            return []  # the change was paused or cancelled since it was read
        if broken_rule(error) != TARGET_UNDER_WAY:
            raise
        # Another call for the same target started meanwhile, and fails the claim of all: alone, the others go through.
        return claim(change, calls=1, origin=origin, read_since=read_since, step=step) if calls > 1 else []
    for items, _ in claimed:
        show_moved(items, ItemState.SENDING, claimed_at=at)
        for item in items:
            item.attempts += 1
    return [
        Claim(
            change=change,
            kind=kind,
            items=items,
            call=call,
            carried=carried,
            permit=WritePermit(call_id=call.pk, good_for_s=PERMIT_GOOD_FOR_S, made_at=made_at),
        )
        for items, call in claimed
    ]


def _waits_for_anchors(change: Change, kind: Kind) -> bool:
    """Hold a bulk change that has not begun while what is sealed of the trail is not handed outside; return whether it waits.

    What has begun goes on, and so does what only removes risk, and everything in the urgent lane.
    """
    if change.lane != Lane.BULK or kind.is_protective or CallItem.objects.filter(item__change=change).exists():
        return False
    if not (late := outside()).is_late:
        return False
    return hold(change.pk, LOOK_AGAIN_S, f"the audit trail has not been handed to {listed(late.late)} in time")


def _write(
    change: Change, kind: Kind, batches: Sequence[list[Item]], *, at: datetime, origin: Origin
) -> list[tuple[list[Item], Call]]:
    """Move the items of each batch to `sending`, with the call that will carry them and its audit event."""
    as_claimed: dict[str, Any] = {
        "purpose": Purpose.WRITE.value,
        "environment": change.environment,
        "lane": change.lane,
        "worker": this_worker(),
        "state": CallState.OPEN.value,
        "started_at": at,
    }
    batch_of = {item.pk: number for number, items in enumerate(batches, start=1) for item in items}
    moved = {**transition(ItemState.QUEUED, ItemState.SENDING), "lease_until": at + LEASE}
    carried = {"calls": len(batches), "batches": list(batch_of.values()), "item_ids": list(batch_of)}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, as_claimed | moved | carried)
        call_ids = dict(cursor.fetchall())
    claimed = [(items, Call(pk=call_ids[items[0].pk], **as_claimed)) for items in batches]
    entries = []
    for items, call in claimed:
        step = kind.steps[items[0].step]
        detail = {"attempt": items[0].attempts + 1} | ({"step": step} if step else {})
        entries += item_events(Tag.ITEM_CLAIMED, items, origin=origin, call=call, detail=detail)
    record_all(entries)
    return claimed


def _next(change: Change, kind: Kind, at: datetime, calls: int, step: int | None) -> list[Item]:
    """Lock the items of the next calls: one per call, or up to a batch with the same step and ticket for one call."""
    found = first_items(change, at, count=calls, step=step, locked=True)
    if not found or kind.batch_size == 1:
        return found
    # A penalty ticket is valid for the same call only, so those items stay together.
    first = found[0]
    return first_items(change, at, count=kind.batch_size, step=first.step, ticket=first.ticket, locked=True)


def _still_right(kind: Kind, items: list[Item], read_since: datetime, refused: Mapping[int, str], origin: Origin) -> list[Item]:
    """Settle as skipped the items that must no longer be sent; return the others, except those not read recently enough.

    `refused` says of items, by key, why their requester may not act on them any more. Those not read stay queued for a moment:
    they became due while others were being read.
    """
    environment, ids = Environment(items[0].environment), [item.target_id for item in items]
    if any(kind.requires_unchanged_state(item.step) for item in items):
        found = kind.subjects(environment, ids)
        gone = kind.gone_in(found, ids)
    else:
        found, gone = {}, kind.gone_among(environment, ids)
    wrong: dict[tuple[int, str], list[Item]] = defaultdict(list)
    right, rebased, unread = [], [], []
    for item in items:
        if item.pk in refused:
            wrong[item.step, refused[item.pk]].append(item)
            continue
        if item.target_id in gone:
            wrong[item.step, kind.unit.gone_meanwhile].append(item)
            continue
        if kind.requires_unchanged_state(item.step):
            if kind.is_read_back and _is_old(kind.compared_at(found[item.target_id]), read_since):
                unread.append(item.pk)
                continue
            now = kind.state(found[item.target_id])
            moved = _moved(kind, item, now)
            if moved:
                wrong[item.step, moved].append(item)
                continue
            as_found = _found(kind, item, now)
            if as_found != item.found:
                item.found = as_found
                rebased.append(item)
        right.append(item)
    Item.objects.bulk_update(rebased, ["found"], batch_size=1000)
    Item.objects.filter(pk__in=unread).update(
        not_before=timezone.now() + NOT_READ_AGAIN, note="Not sent yet: it has to be read right before the call"
    )
    for (step, reason), skipped in wrong.items():
        note = half_done(kind.steps, step) + reason
        settle(skipped, came_from=ItemState.QUEUED, to=ItemState.SKIPPED, note=note, origin=origin)
    return right


def _is_old(read_at: datetime | None, read_since: datetime) -> bool:
    return read_at is None or read_at < read_since


def _found(kind: Kind, item: Item, now: State) -> State | None:
    """Return the state that an item starts from, if that is not the one that was shown."""
    before, after = item.before or {}, item.after or {}
    if kind.is_same(before, now) or not kind.is_as_shown(before=before, after=after, now=now, step=item.step):
        return None
    return dict(now)


def _moved(kind: Kind, item: Item, now: State) -> str:
    """Return why an item is not sent for a target in state `now`, naming what has changed, or ""."""
    before, after = item.before or {}, item.after or {}
    if kind.is_as_shown(before=before, after=after, now=now, step=item.step):
        return ""
    # Not for a call that adds something: what looks like its effect may be someone else's, and it would be added twice.
    may_be_late = item.attempts and kind.is_resend_safe(item.step)
    if may_be_late and kind.interpret_read_back(before=before, after=after, observed=now, step=item.step) == Finding.APPLIED:
        return ""  # the late effect of an earlier call for it: once sent again, the read-back proves it
    shown, present = (kind.relevant(state, before=before, after=after, step=item.step) for state in (before, now))
    words = "; ".join(f"{each.label}: {each.before} → {each.after}" for each in kind.differences(shown, present))
    difference = f" ({words})" if words else ""
    return f"The {kind.unit.value} has changed since this was decided{difference}; request it again if it is still wanted"

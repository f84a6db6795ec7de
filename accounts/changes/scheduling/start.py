"""Starting scheduled changes: each is planned again when it is due, and items that moved since the approval are skipped.

Those items go back to the approvers as a new change; the others run.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.approvals.policy import PolicyMissing
from accounts.changes.audit_events import item_event
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.ending import finish_change
from accounts.changes.freshness import read_again, stale
from accounts.changes.guards import HAS_ITS_PEOPLE
from accounts.changes.kinds import for_stored, sendable
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import NOT_SUPPORTED
from accounts.changes.models import Change, Item
from accounts.changes.moving import move_change, move_items
from accounts.changes.plan import moved_since, own_parameters, plan
from accounts.changes.reasons.background import given_with
from accounts.changes.scheduling.hours import HoursUnknown
from accounts.changes.scheduling.suspension import suspend, unattended
from accounts.changes.scheduling.temporary_locks import learned
from accounts.changes.scheduling.timing import Timing, closed_until
from accounts.changes.states import ChangeState, ItemState, Relation, Window
from accounts.changes.targeting.source import Link
from accounts.changes.topics import topics
from accounts.changes.tracking.undo import left_alone
from accounts.changes.writing import Reason, compose, write
from accounts.models.guards import broken_rule, reason
from riskadmin.audit.actions import AuditEntry, record, record_all
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

TRY_AGAIN_AFTER: Final = timedelta(seconds=10)
MOVED: Final = "It has changed since this was decided, so it was skipped"
UNREAD: Final = "Tradovate's answer did not include it when this was to begin, so it was skipped"

Skipped = tuple[Item, str]
"""An item that does not run, and why."""


def start_due(*, origin: Origin) -> int:
    """Start every scheduled change that is due, and return how many there were.

    One whose targets can't be read, or whose kind is no longer supported, is tried again a little later; one that no one
    answers for any more is suspended. May run concurrently with itself.
    """
    return sum(_start(change, origin) for change in _due() if _is_open(change))


def _due() -> QuerySet[Change]:
    at = timezone.now()
    come = Q(runs_at__isnull=True) | Q(runs_at__lte=at)
    free = Q(held_until__isnull=True) | Q(held_until__lte=at)
    return Change.objects.filter(come, free, state=ChangeState.SCHEDULED, suspended_at=None).order_by("runs_at", "pk")


def _is_open(change: Change) -> bool:
    try:
        return closed_until(change.window, timezone.now()) is None
    except HoursUnknown:
        logger.exception("change %s can't begin: the exchange's trading hours are not known", change.pk)
        return False


def _start(change: Change, origin: Origin) -> bool:
    kind, environment = for_stored(change), Environment(change.environment)
    if not isinstance(kind, Kind):
        _try_later(change, NOT_SUPPORTED)
        return False
    since = timezone.now()
    unread = "" if unattended(change, kind) else _read(change, kind, environment, since)
    if unread:
        _try_later(change, unread)
        return False
    try:
        with transaction.atomic():
            scheduled = Change.objects.select_for_update(of=("self",), skip_locked=True)
            locked = scheduled.filter(pk=change.pk, state=ChangeState.SCHEDULED, suspended_at=None).first()
            if locked is None:
                return False  # another process starts it, or it was cancelled just now
            why = unattended(locked, kind)
            if why:
                suspend(locked, why, origin=origin)
            else:
                _begin(locked, kind, environment, since, origin)
    except IntegrityError as error:
        if broken_rule(error) != HAS_ITS_PEOPLE:
            raise
        return False  # somebody was switched off this moment; the next run suspends it
    return not why


def _try_later(change: Change, why: str) -> None:
    until = timezone.now() + TRY_AGAIN_AFTER
    Change.objects.filter(pk=change.pk, state=ChangeState.SCHEDULED).update(held_until=until, held_why=why)


def _read(change: Change, kind: Kind, environment: Environment, since: datetime) -> str:
    """Read what a change depends on, however recently it was read; return why that can't be, or "".

    A lock depends on nothing, and waits for no reading.
    """
    if not kind.rests_on_before:
        return ""
    waiting = [item.target_id for item in change.items.filter(state=ItemState.WAITING).only("target")]
    old = stale(kind, kind.subjects(environment, waiting), since)
    return read_again(kind, environment, old, lane=Lane(change.lane)) if old else ""


def _begin(change: Change, kind: Kind, environment: Environment, since: datetime, origin: Origin) -> None:
    """Queue the items that are still as approved, and skipped the others. The change is locked."""
    items = list(Item.objects.filter(change=change, state=ItemState.WAITING).order_by("position"))
    for item in items:
        item.change = change
    right, skipped = _divided(change, kind, environment, items, since)
    move_change(change, ChangeState.RUNNING, held_until=None)
    _queue(change, right)
    _skip(skipped, origin)
    detail = {"kind": change.kind, "items": len(right), "set_aside": len(skipped)}
    record(AuditEntry(tag=Tag.CHANGE_STARTED, actor=SYSTEM, origin=origin, change_id=change.pk, detail=detail))
    if right:
        dispatch_on_commit(change_id=change.pk, lane=change.lane)
    if skipped and change.relation != Relation.ENDS:
        _carry_on(change, [item for item, _ in skipped], origin)
    finish_change(change, origin=origin)


def _divided(
    change: Change, kind: Kind, environment: Environment, items: Sequence[Item], since: datetime
) -> tuple[list[Item], list[Skipped]]:
    """Return the items that run, and those that don't."""
    found = kind.subjects(environment, [item.target_id for item in items])
    if change.relation == Relation.ENDS:
        return learned(kind, change, items, found)
    skipped: dict[int, Skipped] = {}
    for item, now in moved_since(kind, items, found):
        if now is None or kind.rests_on_before:
            skipped[item.pk] = item, MOVED
    if kind.rests_on_before:
        unread = set(stale(kind, found, since))
        skipped |= {item.pk: (item, UNREAD) for item in items if item.target_id in unread}
    return [item for item in items if item.pk not in skipped], list(skipped.values())


def _queue(change: Change, items: Sequence[Item]) -> None:
    # The items of an end have just learned in what state their targets are.
    own = ("before", {item.pk: item.before for item in items}) if change.relation == Relation.ENDS else None
    move_items(items, came_from=ItemState.WAITING, to=ItemState.QUEUED, own=own)


def _skip(skipped: Sequence[Skipped], origin: Origin) -> None:
    at = timezone.now()
    by_words: dict[str, list[Item]] = defaultdict(list)
    for item, why in skipped:
        by_words[why].append(item)
    for why, items in by_words.items():
        move_items(items, came_from=ItemState.WAITING, to=ItemState.SKIPPED, note=why, settled_at=at)
    record_all(
        item_event(Tag.ITEM_SETTLED, item, origin=origin, detail={"outcome": ItemState.SKIPPED.value, "text": why})
        for item, why in skipped
    )


def _carry_on(change: Change, items: Sequence[Item], origin: Origin) -> None:
    """Request the items that were skipped again; if that can't be done, the trail says why, and so does the change's page."""
    why = _not_requested_again(change, items, origin)
    if why:
        detail = {"kind": change.kind, "items": len(items), "text": why}
        record(AuditEntry(tag=Tag.CHANGE_NOT_CARRIED_ON, actor=SYSTEM, origin=origin, change_id=change.pk, detail=detail))


def _not_requested_again(change: Change, items: Sequence[Item], origin: Origin) -> str:
    """Request items again, in their current state, in the name of the original requester; return why not, or "".

    The requester may: a change whose requester no longer may is suspended and not started.
    """
    requester, kind = change.requested_by, sendable(change)
    own = own_parameters(items)
    link = Link(change_id=change.pk, relation=Relation.CARRIES_ON)
    ids = [item.target_id for item in items]
    planned = plan(
        kind,
        environment=Environment(change.environment),
        target_ids=ids,
        parameters=change.parameters,
        per_target=own,
        skip_reasons=left_alone(link, ids),
        requester=requester,
    )
    if not planned.sent:
        reasons = "; ".join(topic.words for topic in topics(row.skip_reason for row in planned.skipped))
        return f"nothing would be sent now ({reasons})"
    try:
        with transaction.atomic():
            again = compose(
                requester,
                planned,
                Reason(code=change.reason_code, text=change.reason_text, given=given_with(change)),
                form_key=uuid4(),
                timing=Timing(window=Window(change.window), goes_on=change.goes_on, review_by=change.review_by),
                link=link,
                approvals_at_least=1,
            )
            write(again, planned, who=SYSTEM, origin=origin, per_target=own)
    except PolicyMissing as error:
        return str(error).rstrip(".")
    except IntegrityError as error:  # such as a template's version that another one has replaced
        return reason(error).rstrip(".") or "PostgreSQL refuses it"
    return ""

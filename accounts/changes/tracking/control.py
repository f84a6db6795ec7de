"""Controlling a running change: pausing, resuming, cancelling what is not sent yet, and its priority.

Locks are taken in one order, an item's before its change's, as settling does; so cancelling marks the change in one transaction
and begins with its items in the next. Until the first is committed nothing has happened; after it nothing is sent, and the
sweeper continues by itself: with the rest of many items, and with those that come back from a call.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.approvals.subjects import NotAllowed
from accounts.changes.access import refuses
from accounts.changes.actions import call_off
from accounts.changes.audit_events import item_event
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.effects import ChangeEffects, may_liquidate
from accounts.changes.ending import finish_change, half_done
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import NOT_SUPPORTED
from accounts.changes.models import Change, Item, TargetList
from accounts.changes.moving import move_change, move_items
from accounts.changes.plan import own_parameters
from accounts.changes.scheduling.suspension import may_settle
from accounts.changes.states import CHANGE_OPEN, ITEM_FAILED, ChangeState, ItemState, Priority, Relation
from accounts.changes.targeting import targets
from accounts.changes.targeting.source import Link
from accounts.changes.targeting.targets import TargetSelection
from riskadmin.audit.actions import AuditEntry, record, record_all
from riskadmin.audit.origin import SYSTEM, Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment

CANCEL_BATCH: Final = 1000
"""Items that are cancelled in one transaction, and within the request that cancels."""


WINDOW_CLOSED: Final = "its window has closed, and it goes on in the next one"
WINDOW_CLOSED_BY: Final = "riskadmin, since its window closed"
ALTERED_BY: Final = "riskadmin, since what is stored is not what was approved"

_UNDER_WAY: Final = (ChangeState.RUNNING, ChangeState.PAUSED)


class InvalidTransition(Exception):
    """The change is no longer in a state that allows this; the message is for people. Nothing was written."""


def may_steer(person: Staff, change: Change) -> bool:
    """Say whether this person may pause, resume and cancel a change: its requester, if still allowed, and any approver.

    A suspended one: anyone who may request its kind.
    """
    asked = change.requested_by_id == person.pk and person.may(for_stored(change).capability)
    return asked or person.may("changes:decide") or may_settle(person, change)


def refuses_to_resume(person: Staff, change: Change) -> str:
    """Return why this person can't resume a paused change, or "". PostgreSQL enforces the same (`sql/`)."""
    if change.paused_by_id == person.pk or (person.may("changes:decide") and change.requested_by_id != person.pk):
        return ""
    return (
        f"{change.paused_by_name or 'Someone else'} paused it: only they, or an approver who did not request it, can resume it."
    )


def resuming_may_liquidate(change: Change) -> bool:
    """Say whether a change that goes on might close positions."""
    return may_liquidate(for_stored(change).direction, ChangeEffects.from_json(change.effects))


def pause(*, actor: Staff, origin: Origin, change_id: int) -> Change:
    """Stop a running change from sending until resumed; calls in flight are confirmed. Raises NotAllowed, InvalidTransition."""
    with transaction.atomic():
        change = _steered(actor, change_id, {ChangeState.RUNNING}, "be paused")
        move_change(change, ChangeState.PAUSED, paused_at=timezone.now(), paused_by=actor, paused_by_name=actor.who().name)
        _record_event(Tag.CHANGE_PAUSED, change, actor, origin)
    return change


def resume(*, actor: Staff, origin: Origin, change_id: int) -> Change:
    """Have a paused change continue where it was. Raises NotAllowed, InvalidTransition.

    The person who paused it may, and any approver who did not request it; an attempt by the requester is recorded.
    """
    with transaction.atomic():
        change = _steered(actor, change_id, {ChangeState.PAUSED}, "be resumed")
        refusal = refuses_to_resume(actor, change)
        if refusal:
            detail = {"kind": change.kind, "why": refusal}
            tag = Tag.CHANGE_RESUME_REFUSED
            record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, change_id=change.pk, detail=detail))
        else:
            move_change(change, ChangeState.RUNNING, paused_at=None, paused_by=None, paused_by_name="", resumed_by=actor)
            _record_event(Tag.CHANGE_RESUMED, change, actor, origin)
            dispatch_on_commit(change_id=change.pk, lane=change.lane)
    if refusal:
        raise NotAllowed(refusal)
    return change


def cancel(*, actor: Staff, origin: Origin, change_id: int) -> Change:
    """Cancel every item that is not sent yet; calls in flight end as they will. Raises NotAllowed, InvalidTransition.

    A scheduled change is cancelled before its time. An item that has taken only the first of its kind's steps stays half done,
    and its note says so.
    """
    with transaction.atomic():
        change = _steered(actor, change_id, {ChangeState.SCHEDULED, *_UNDER_WAY}, "be cancelled")
        if change.state == ChangeState.SCHEDULED:
            call_off(actor=actor, origin=origin, change=change)
            return change
        move_change(change, ChangeState.STOPPING, stopped_at=timezone.now(), stopped_by_name=actor.who().name)
        _record_event(Tag.CHANGE_STOPPED, change, actor, origin)
    cancel_queued(change, who=actor.who(), origin=origin)
    change.refresh_from_db()
    return change


def close_window(change: Change, resumes_at: datetime, *, origin: Origin) -> None:
    """The window of a running change has closed: it continues in the next one, or the rest of it is cancelled."""
    with transaction.atomic():
        locked = Change.objects.select_for_update(of=("self",)).get(pk=change.pk)
        if locked.state != ChangeState.RUNNING or locked.held_until == resumes_at:
            return  # another worker was first
        if locked.goes_on:
            locked.held_until, locked.held_why = resumes_at, WINDOW_CLOSED
            locked.save(update_fields=["held_until", "held_why"])
        else:
            move_change(locked, ChangeState.STOPPING, stopped_at=timezone.now(), stopped_by_name=WINDOW_CLOSED_BY)
        detail = {"kind": locked.kind} | ({"until": resumes_at} if locked.goes_on else {})
        record(AuditEntry(tag=Tag.CHANGE_WINDOW_CLOSED, actor=SYSTEM, origin=origin, change_id=locked.pk, detail=detail))


def suspend_altered(change: Change, why: str, *, origin: Origin) -> None:
    """Pause a running change whose stored rows are not what was approved. Resumed as it is, it is paused again."""
    with transaction.atomic():
        locked = Change.objects.select_for_update(of=("self",)).get(pk=change.pk)
        if locked.state != ChangeState.RUNNING:
            return  # another worker was first
        move_change(locked, ChangeState.PAUSED, paused_at=timezone.now(), paused_by=None, paused_by_name=ALTERED_BY)
        detail = {"kind": locked.kind, "why": why}
        record(AuditEntry(tag=Tag.CHANGE_ALTERED, actor=SYSTEM, origin=origin, change_id=locked.pk, detail=detail))


def cancel_queued(change: Change, *, who: Who, origin: Origin) -> int:
    """Cancel the next CANCEL_BATCH queued items of a change being cancelled, with an audit event each; return how many.

    Skips items that another process holds at this moment: they are sent, or come back and are cancelled by the sweeper.
    """
    steps = for_stored(change).steps
    with transaction.atomic():
        queued = (
            Item.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("change")
            .filter(change_id=change.pk, state=ItemState.QUEUED, change__state=ChangeState.STOPPING)
        )
        items = list(queued.order_by("pk")[:CANCEL_BATCH])
        at = timezone.now()
        for step, of_step in groupby(sorted(items, key=lambda item: item.step), key=lambda item: item.step):
            note = f"{half_done(steps, step)}Cancelled by {change.stopped_by_name}"
            alike = move_items(
                list(of_step), came_from=ItemState.QUEUED, to=ItemState.CANCELLED, note=note, settled_at=at, not_before=None
            )
            record_all(
                item_event(
                    Tag.ITEM_SETTLED,
                    item,
                    actor=who,
                    origin=origin,
                    detail={"outcome": ItemState.CANCELLED.value, "text": note},
                )
                for item in alike
            )
        finish_change(change, origin=origin)
    return len(items)


def cancel_put_back(*, origin: Origin) -> int:
    """Cancel what is left or came back in the queues of cancelled changes, and finish those that are done; return how many."""
    cancelled = 0
    for change in Change.objects.filter(state=ChangeState.STOPPING).order_by("pk"):
        batch = CANCEL_BATCH
        while batch == CANCEL_BATCH:
            batch = cancel_queued(change, who=SYSTEM, origin=origin)
            cancelled += batch
    return cancelled


def prioritise(*, actor: Staff, origin: Origin, change_id: int, priority: Priority) -> Change:
    """Set a change's priority among those that want the same budget; for approvers. Raises NotAllowed, InvalidTransition."""
    if not actor.may("changes:decide"):
        raise NotAllowed("Only people who may approve changes can set priorities.")
    with transaction.atomic():
        change = _there(change_id, set(CHANGE_OPEN) - {ChangeState.STOPPING}, "be moved in the queue")
        _refuse(actor, change)
        before, change.priority = change.priority, priority
        if before == priority:
            return change
        change.save(update_fields=["priority"])
        _record_event(
            Tag.CHANGE_PRIORITY_SET, change, actor, origin, before={"priority": before}, after={"priority": priority.value}
        )
    return change


def failed_items(*, actor: Staff, change_id: int) -> TargetList:
    """Freeze a change's rejected, skipped or cancelled targets, with their parameters, to be requested again.

    The result is a new change, planned and approved again under the actor's rights. Raises NotAllowed, InvalidTransition.
    """
    change = Change.objects.select_related("approval").get(pk=change_id)
    if change.is_sent_back:
        raise InvalidTransition(f"Edits of change {change.pk} were requested. {change.requested_by_name} can edit it.")
    items = [] if change.state == ChangeState.PENDING else list(change.items.filter(state__in=ITEM_FAILED).order_by("position"))
    if not items:
        raise InvalidTransition(f"Change {change.pk} has no items that were not carried out and could be asked for again.")
    return _asked_again(
        actor, change, items, source=f"What was not carried out of change {change.pk}", relation=Relation.REPEATS
    )


def taken_over(*, actor: Staff, change_id: int) -> TargetList:
    """Freeze the targets of a suspended change, with their parameters, to be requested in the actor's name.

    Submitting that request cancels the suspended change. Raises NotAllowed, InvalidTransition.
    """
    change = Change.objects.get(pk=change_id)
    if change.state != ChangeState.SCHEDULED or not change.suspended_at:
        raise InvalidTransition(f"Change {change.pk} is not suspended, so it can't be taken over.")
    items = list(change.items.filter(state=ItemState.WAITING).order_by("position"))
    return _asked_again(actor, change, items, source=f"Suspended change {change.pk}", relation=Relation.TAKES_OVER)


def _asked_again(actor: Staff, change: Change, items: Sequence[Item], *, source: str, relation: Relation) -> TargetList:
    kind = for_stored(change)
    if not isinstance(kind, Kind):
        raise InvalidTransition(NOT_SUPPORTED)
    if not actor.may(kind.capability):
        raise NotAllowed(f"You may not ask to {kind.verb.lower()} {kind.unit.value}s.")
    _refuse(actor, change)
    chosen = TargetSelection(
        environment=Environment(change.environment),
        unit=Unit(kind.unit),
        ids=tuple(item.target_id for item in items),
        source=source,
        link=Link(change_id=change.pk, relation=relation),
        parameters=change.parameters,
        per_target=own_parameters(items),
    )
    return targets.keep(actor, chosen, kind=kind)


def _steered(actor: Staff, change_id: int, states: set[ChangeState], what: str) -> Change:
    change = _there(change_id, states, what)
    if not may_steer(actor, change):
        raise NotAllowed("Only the person who requested a change, or an approver, can control it.")
    _refuse(actor, change)
    return change


def _refuse(actor: Staff, change: Change) -> None:
    """Raise NotAllowed for a change with accounts outside a person's access, or of their own or a relative's."""
    why = refuses(actor, change)
    if why:
        raise NotAllowed(why)


def _there(change_id: int, states: set[ChangeState], what: str) -> Change:
    """Lock a change and return it. Raises InvalidTransition if it is in none of these states."""
    change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
    if change.state not in states:
        raise InvalidTransition(f"Change {change.pk} can't {what} any more: it is {change.state_label.lower()}.")
    return change


def _record_event(
    tag: Tag,
    change: Change,
    actor: Staff,
    origin: Origin,
    *,
    before: dict[str, int] | None = None,
    after: dict[str, int] | None = None,
) -> None:
    record(
        AuditEntry(
            tag=tag,
            actor=actor.who(),
            origin=origin,
            change_id=change.pk,
            before=before,
            after=after,
            detail={"kind": change.kind},
        ),
    )

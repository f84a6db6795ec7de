"""Changes as something that is approved: what is checked before an approval, and what follows from each verdict."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import end_with
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState
from accounts.approvals.subjects import DecisionRefused, Line, Step, Subject
from accounts.changes.content import ContentAltered, check_all
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.effects import ChangeEffects
from accounts.changes.freshness import good_since, read_again, stale
from accounts.changes.kinds import KINDS, for_stored, sendable
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import NOT_SUPPORTED
from accounts.changes.models import Change, Item
from accounts.changes.moving import move_change, move_items_of
from accounts.changes.odd_records import readable
from accounts.changes.plan import moved_since
from accounts.changes.reasons.background import is_altered
from accounts.changes.states import CHANGE_AHEAD, ChangeState, ItemState, Relation
from riskadmin.audit.actions import AuditEntry
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.vocabulary import Environment, Lane

_TAGS: Final[Mapping[Step, Tag]] = {
    Step.APPROVED: Tag.CHANGE_APPROVED,
    Step.REJECTED: Tag.CHANGE_REJECTED,
    Step.EDITS_REQUESTED: Tag.CHANGE_EDITS_REQUESTED,
    Step.REFUSED: Tag.CHANGE_DECISION_REFUSED,
    Step.WITHDRAWN: Tag.CHANGE_CANCELLED,
    Step.EXPIRED: Tag.CHANGE_EXPIRED,
    Step.COMMENTED: Tag.CHANGE_COMMENTED,
    Step.REVIEWED: Tag.CHANGE_REVIEWED,
    Step.ACTED_ALONE: Tag.CHANGE_RUN_ALONE,
}

_ENDS: Final[Mapping[RequestState, tuple[ChangeState, str]]] = {
    RequestState.REJECTED: (ChangeState.REJECTED, "Rejected by {name}"),
    RequestState.EDITS_REQUESTED: (ChangeState.REJECTED, "Edits requested by {name}"),
    RequestState.WITHDRAWN: (ChangeState.CANCELLED, "Withdrawn by {name}"),
    RequestState.EXPIRED: (ChangeState.EXPIRED, "It was not decided in time"),
}
"""The state of a change, and the note of its items, by how its request ended."""

ALTERED: Final = "The ticket, the firm's reason or the files are not those of the request. Reject this change."

Prepared = tuple[datetime, str]
"""Since when a reading counts, and why outdated state could not be read again, or ""."""


class ChangeSubject(Subject):
    """A change as something that is approved."""

    name = "change"
    one = "change"
    many = "changes"

    def lock(self, request_id: int) -> Change:
        """Lock the change."""
        return Change.objects.select_for_update(of=("self",)).get(approval=request_id)

    def prepare(self, request: ApprovalRequest) -> Prepared:
        """Read outdated state that the plan depends on again; nothing for what certainly moved, and for the end of a lock."""
        since, change = good_since(), request.change
        if change.relation == Relation.ENDS or self.obstacle(change):
            return since, ""
        known = _Known(change, since)
        read = known.old and not known.moved()
        return since, read_again(known.kind, known.environment, known.old, lane=Lane.URGENT) if read else ""

    def obstacle(self, thing: Change) -> str:
        """Refuse what would never be sent."""
        return "" if isinstance(for_stored(thing), Kind) else f"{NOT_SUPPORTED} It can be rejected or withdrawn."

    def no_longer_as_shown(self, thing: Change, prepared: Prepared | None) -> DecisionRefused | None:
        """Refuse if what is stored is not what was requested, if an account has changed, or if that is not known."""
        if is_altered(thing):
            return DecisionRefused(ALTERED)
        try:
            check_all(thing)
        except ContentAltered as altered:
            return DecisionRefused(f"{altered} It can't be approved. Reject it, and inform an administrator.")
        if thing.relation == Relation.ENDS:
            return None  # whether an account is as its lock left it is checked when the end of the lock is due
        since, unread = prepared or (good_since(), "")
        known = _Known(thing, since)
        moved, what = known.moved(), known.kind.unit.value
        if not moved and stale(known.kind, readable(known.kind, known.found), since):
            why = unread or f"it did not name every {what}"
            return DecisionRefused(f"The {what}s can't be read from Tradovate now ({why}), and what is known of them is old.")
        moved = moved or moved_since(known.kind, known.items, known.found)
        if moved:
            unit = known.kind.unit.one.capitalize()
            return DecisionRefused(f"{unit} no longer stands as it was when this was asked for.", moved=moved)
        return None

    def event(
        self,
        step: Step,
        thing: Change,
        *,
        actor: Who,
        origin: Origin,
        detail: Mapping[str, Any],
        refusal: DecisionRefused | None,
    ) -> AuditEntry:
        """Name the change, and what moved if that is why a decision was refused."""
        more: dict[str, Any] = {}
        if step in {Step.APPROVED, Step.REJECTED, Step.EDITS_REQUESTED, Step.ACTED_ALONE}:
            more["kind"] = thing.kind
        if refusal is not None:
            more["moved"] = [{"target": item.target, "shown": item.before, "now": now} for item, now in refusal.moved]
        return AuditEntry(tag=_TAGS[step], actor=actor, origin=origin, change_id=thing.pk, detail={**detail, **more})

    def together_with(self, thing: Change) -> list[tuple[Change, ApprovalRequest]]:
        """Requested together, approved together: approving a lock also approves its end."""
        requests = ApprovalRequest.objects.select_for_update(of=("self",))
        return [(end, requests.get(pk=end.approval_id)) for end in _ends_ahead(thing).filter(state=ChangeState.PENDING)]

    def approved(self, thing: Change, *, actor: Who, origin: Origin) -> None:
        """Let it run, or wait for its time."""
        del actor, origin
        move_change(thing, thing.decided_as)
        if thing.waits:
            return  # its items wait for their time
        move_items_of(thing, came_from=ItemState.WAITING, to=ItemState.QUEUED)
        dispatch_on_commit(change_id=thing.pk, lane=thing.lane)

    def ended(self, thing: Change, state: RequestState, *, actor: Who, origin: Origin) -> None:
        """Cancel its items, and what was to end it."""
        del origin
        to, note = _ENDS[state]
        end_change(thing, to, note=note.format(name=actor.name))

    def kinds(self) -> Mapping[str, str]:
        """Return what may be requested."""
        return {name: kind.action_label for name, kind in KINDS.items()}

    def lines(self, requests: Iterable[ApprovalRequest]) -> Mapping[int, Line]:
        """Say what it would be sent for, and what its preview found; one query."""
        found = {}
        for change in Change.objects.filter(approval__in=requests):
            effects = ChangeEffects.from_json(change.effects)
            measured = effects.measured(of_accounts=True) if effects else []
            words = [f"{count:,} {measure.one if count == 1 else measure.many}" for measure, count in measured if count]
            found[change.approval_id] = Line(
                title=for_stored(change).words(change.item_count),
                effect=", ".join(words),
                url=reverse("changes:detail", args=[change.pk]),
            )
        return found


CHANGES: Final = ChangeSubject()


class _Known:
    """What the mirror has of the targets of a change that waits; `old` are those whose state was read before `since`."""

    def __init__(self, change: Change, since: datetime) -> None:
        self.kind, self.environment = sendable(change), Environment(change.environment)
        self.items = list(change.items.filter(state=ItemState.WAITING))
        self.found = self.kind.subjects(self.environment, [item.target_id for item in self.items])
        self.old = stale(self.kind, self.found, since)

    def moved(self) -> list[tuple[Item, dict[str, Any] | None]]:
        """Return the items whose targets have certainly changed: their state is not old."""
        old = set(self.old)
        return moved_since(self.kind, [item for item in self.items if item.target_id not in old], self.found)


def end_change(change: Change, state: ChangeState, *, note: str) -> None:
    """End a locked change that was not started, and the change that was to end it, without running either."""
    at = timezone.now()
    move_change(change, state, finished_at=at)
    move_items_of(change, came_from=ItemState.WAITING, to=ItemState.CANCELLED, note=note, settled_at=at)
    for end in _ends_ahead(change):
        request = ApprovalRequest.objects.select_for_update(of=("self",)).get(pk=end.approval_id)
        if request.state == RequestState.WAITING:
            end_with(request, RequestState.WITHDRAWN)
        end_change(end, ChangeState.CANCELLED, note=f"Change {change.pk}, which it was to end, was not made")


def _ends_ahead(change: Change) -> QuerySet[Change]:
    """Return the changes that would end what this one sets, as far as they have not started."""
    return change.followers.select_for_update(of=("self",)).filter(relation=Relation.ENDS, state__in=CHANGE_AHEAD)

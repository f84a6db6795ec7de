"""Changes as something that is approved: what is checked before an approval, and what follows from each verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet, prefetch_related_objects
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import end_with
from accounts.approvals.models import Approval, ApprovalRequest
from accounts.approvals.states import RequestState
from accounts.approvals.subjects import Confirmation, DecisionRefused, Line, NewContent, Step, Subject
from accounts.changes import shown as shown_effects
from accounts.changes.access import barred, conflicting_requests, refuses_requester, visible_requests
from accounts.changes.confirmation import confirmation_of
from accounts.changes.content import ContentAltered, check_all
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.editing import could_be_edited, new_versions
from accounts.changes.effects import ChangeEffects
from accounts.changes.exclusion import content_without, exclude
from accounts.changes.freshness import good_since, read_again, stale
from accounts.changes.kinds import KINDS, for_stored, sendable
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import NOT_SUPPORTED
from accounts.changes.models import Change, Item
from accounts.changes.moving import move_change, move_items_of
from accounts.changes.odd_records import readable
from accounts.changes.plan import moved_since
from accounts.changes.reasons.background import is_altered
from accounts.changes.recomputed import liquidates_more
from accounts.changes.states import CHANGE_AHEAD, ChangeState, ItemState, Relation
from riskadmin.audit.actions import AuditEntry
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane

_TAGS: Final[Mapping[Step, Tag]] = {
    Step.APPROVED: Tag.CHANGE_APPROVED,
    Step.REJECTED: Tag.CHANGE_REJECTED,
    Step.EDITS_REQUESTED: Tag.CHANGE_EDITS_REQUESTED,
    Step.REFUSED: Tag.CHANGE_DECISION_REFUSED,
    Step.WITHDRAWN: Tag.CHANGE_CANCELLED,
    Step.LAPSED: Tag.CHANGE_APPROVALS_LAPSED,
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
EXCLUDE_OR_REJECT: Final = "Exclude what it is about, or reject this change."
PARAMETERS_IN_LINE: Final = 6
"""How many parameters of a change its line in the inbox names; the others are counted, and its page shows them all."""

Prepared = tuple[datetime, str]
"""Since when a reading counts, and why outdated state could not be read again, or ""."""


class ChangeSubject(Subject):
    """A change as something that is approved."""

    name = "change"
    one = "change"
    many = "changes"
    page = "accounts.changes.views.decision_page"

    def lock(self, request_id: int) -> Change:
        """Lock the change."""
        return Change.objects.select_for_update(of=("self",)).get(approval=request_id)

    def prepare(self, request: ApprovalRequest, excluded: Sequence[str] = ()) -> Prepared:
        """Read outdated state that the plan depends on again; nothing for what certainly moved, and for the end of a lock."""
        since, change = good_since(), request.change
        if change.relation == Relation.ENDS or self.obstacle(change):
            return since, ""
        known = _Known(change, since, excluded)
        read = known.old and not known.moved()
        return since, read_again(known.kind, known.environment, known.old, lane=Lane.URGENT) if read else ""

    def shown(self, request: ApprovalRequest, viewer: Staff, sealed: str, excluded: Sequence[str]) -> Mapping[str, Any] | None:
        """Return the effects that the page of a decision carried."""
        try:
            effects = shown_effects.unsealed(request.change.pk, viewer, sealed, excluded)
        except shown_effects.NotShown as error:
            raise DecisionRefused("This is not what you were shown. Review it again.") from error
        return effects.to_json() if effects else None

    def to_confirm(self, request: ApprovalRequest, shown: Mapping[str, Any] | None) -> Confirmation | None:
        """Ask for the number of what it liquidates or loosens; what was shown nowhere is as it was requested."""
        return confirmation_of(_seen(request.change, shown))

    def content_without(self, thing: Change, keys: Sequence[str], *, by: Who) -> NewContent:
        """Refuse to leave out all of it, and parts of a lock with an end."""
        return content_without(thing, keys, by=by)

    def exclude(self, thing: Change, new: NewContent, *, actor: Who, origin: Origin) -> tuple[str, ...]:
        """Skip the items, each with a note that names the person."""
        return exclude(thing, new, actor=actor, origin=origin)

    def obstacle(self, thing: Change) -> str:
        """Refuse what would never be sent, and what its requester may no longer act on: marks and categories change."""
        if not isinstance(for_stored(thing), Kind):
            return f"{NOT_SUPPORTED} It can be rejected or withdrawn."
        why = refuses_requester(thing)
        return f"{thing.requested_by_name} may not ask for this any more. {why} {EXCLUDE_OR_REJECT}" if why else ""

    def visible(self, person: Staff) -> Q | None:
        """Leave out changes with an item outside a person's access."""
        return visible_requests(person)

    def conflicting(self, person: Staff) -> Q | None:
        """Return those with an item that belongs to a person or to a relative."""
        return conflicting_requests(person)

    def barred(self, requests: Sequence[ApprovalRequest], person: Staff | None = None) -> Mapping[tuple[int, int], str]:
        """Return both, by request."""
        by_change = dict(Change.objects.filter(approval__in=requests).values_list("pk", "approval"))
        found = barred(by_change, person) if by_change else {}
        return {(by_change[change], person_id): why for (change, person_id), why in found.items()}

    def no_longer_as_shown(
        self, thing: Change, prepared: Prepared | None, shown: Mapping[str, Any] | None
    ) -> DecisionRefused | None:
        """Refuse if what is stored is not what was requested, if an account has changed, or if that is not known.

        And if it would liquidate more than was shown; what was shown nowhere is as it was requested.
        """
        if is_altered(thing):
            return DecisionRefused(ALTERED)
        try:
            check_all(thing)
        except ContentAltered as altered:
            return DecisionRefused(altered.advice)
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
        return liquidates_more(thing, _seen(thing, shown))

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
        """Say what it would be sent for, and what its preview found; at most five queries."""
        changes = list(Change.objects.filter(approval__in=requests).select_related("approval"))
        prefetch_exclusions(changes)
        single = [change.pk for change in changes if change.item_count == 1]
        names = dict(Item.objects.filter(change__in=single).values_list("change", "target_name")) if single else {}
        again = new_versions([change.pk for change in changes if could_be_edited(change)])
        without = exclusions([change.approval for change in changes])
        return {
            change.approval_id: _line(change, names.get(change.pk, ""), again.get(change.pk), without.get(change.approval_id))
            for change in changes
        }


def _seen(change: Change, shown: Mapping[str, Any] | None) -> ChangeEffects | None:
    """Return the effects that an approver was shown: those of the page, else those of the request."""
    return ChangeEffects.from_json(change.effects if shown is None else shown)


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """How many items approvers have excluded, and the effects of the others as the last of them was shown."""

    count: int
    effects: dict[str, Any] | None


def prefetch_exclusions(changes: Iterable[Change]) -> None:
    """Read what `sent_count` counts for many changes: one query if an approver may have excluded any of their items."""
    prefetch_related_objects([change for change in changes if change.approval.version > 1], "approval__approvals")


def exclusions(requests: Iterable[ApprovalRequest]) -> dict[int, Exclusion]:
    """Return what approvers have excluded, by request; one query if there may be any."""
    edited = [request.pk for request in requests if request.version > 1]
    found: dict[int, Exclusion] = {}
    for approval in Approval.objects.filter(request__in=edited).exclude(excluded=[]).order_by("pk") if edited else ():
        earlier = found.get(approval.request_id)
        count = len(approval.excluded) + (earlier.count if earlier else 0)
        found[approval.request_id] = Exclusion(count=count, effects=approval.shown)
    return found


def _line(change: Change, name: str, again: int | None, without: Exclusion | None) -> Line:
    kind, effects = for_stored(change), ChangeEffects.from_json(without.effects if without else change.effects)
    measured = effects.measured(of_accounts=True) if effects else []
    found = [f"{count:,} {measure.one if count == 1 else measure.many}" for measure, count in measured if count]
    values = [f"{label}: {value}" for label, value in kind.parameter_words(change.parameters)]
    if len(values) > PARAMETERS_IN_LINE:
        values[PARAMETERS_IN_LINE:] = [f"and {len(values) - PARAMETERS_IN_LINE:,} more of its values"]
    may_be_edited = again is None and could_be_edited(change)
    asked = change.sent_count + (without.count if without else 0)
    excluded = f"{without.count:,} of {asked:,} excluded" if without else ""
    skipped = f"{change.item_count - asked:,} skipped" if change.item_count > asked else ""
    return Line(
        title=kind.words(change.sent_count),
        effect=", ".join(filter(None, [name, excluded, skipped, *found, *values])),
        url=reverse("changes:detail", args=[change.pk]),
        edit_url=reverse("changes:edit", args=[change.pk]) if may_be_edited else "",
    )


CHANGES: Final = ChangeSubject()


class _Known:
    """What the mirror has of the targets of a change that waits; `old` are those whose state was read before `since`."""

    def __init__(self, change: Change, since: datetime, excluded: Sequence[str] = ()) -> None:
        self.kind, self.environment = sendable(change), Environment(change.environment)
        left_out = [int(key) for key in excluded]
        self.items = list(change.items.filter(state=ItemState.WAITING).exclude(pk__in=left_out))
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

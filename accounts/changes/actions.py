"""Submitting, approving, withdrawing and expiring changes. Each is one transaction with its audit events."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.effects import ChangeEffects
from accounts.changes.freshness import good_since, read_again, stale
from accounts.changes.guards import MAY_DECIDE, STILL_OFFERED, broken_rule, reason
from accounts.changes.kinds import for_stored, sendable
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import NOT_SUPPORTED, State
from accounts.changes.models import Change, Decision, Item
from accounts.changes.moving import move_change, move_items_of
from accounts.changes.odd_records import readable
from accounts.changes.plan import Plan, moved_since, plan
from accounts.changes.reasons.background import NOTHING, Given, is_altered
from accounts.changes.scheduling.temporary_locks import end_plan
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.shown import EFFECTS
from accounts.changes.states import CHANGE_AHEAD, ChangeState, ItemState, Relation, Verdict
from accounts.changes.targeting.source import NOWHERE, Link, TargetSource
from accounts.changes.tracking.undo import left_alone
from accounts.changes.writing import Reason, compose, write, write_end
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode


class NotAllowed(Exception):
    """The person may not do this."""


class PlanMoved(Exception):
    """The plan is no longer the one that was shown; `plan` is the current one. Nothing was written."""

    def __init__(self, now: Plan) -> None:
        super().__init__("An account has changed since this page was shown.")
        self.plan = now


class NothingToDo(Exception):
    """Every target of the plan is skipped, so there is nothing to submit."""


class NoLongerOffered(NothingToDo):
    """What the parameters name has been replaced or withdrawn meanwhile; PostgreSQL says what. Nothing was written."""


class CountNotConfirmed(Exception):
    """The number of targets has to be typed for this plan (`Plan.asks_for_count`), and another number was typed."""

    def __init__(self, now: Plan) -> None:
        super().__init__(f"{now.kind.words(len(now.sent))}: type that number to go on.")
        self.plan = now


class DecisionRefused(Exception):
    """The approval or rejection was refused; `moved` lists items whose targets changed since shown, with their state now."""

    def __init__(self, message: str, *, moved: Sequence[tuple[Item, dict[str, Any] | None]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.moved = tuple(moved)


def submit(  # the parts of a form, each by name
    *,
    actor: Staff,
    origin: Origin,
    kind: Kind,
    environment: Environment,
    target_ids: Sequence[int],
    parameters: State | None = None,
    per_target: Mapping[int, State] | None = None,
    reason_code: ReasonCode,
    reason_text: str,
    form_key: UUID,
    shown_digest: str,
    confirmed_count: int | None = None,
    source: TargetSource | None = None,
    link: Link | None = None,
    timing: Timing = IMMEDIATELY,
    given: Given = NOTHING,
) -> Change:
    """Write the change, its frozen items and their audit events, and return it; the same form key returns the first one.

    `shown_digest` is the digest of the plan that the person was shown, `confirmed_count` the number that they typed if the plan
    asks for it, `source` where the targets come from, `link` the earlier change that they come from, `timing` when it runs,
    `given` what it says about why besides code and text. Raises NotAllowed, PlanMoved, NothingToDo, CountNotConfirmed,
    UploadGone, and `policy.PolicyMissing`; then nothing is written.
    """
    if not actor.may(kind.capability):
        raise NotAllowed(f"You may not ask to {kind.verb.lower()} {kind.unit.value}s.")
    earlier = _submitted_before(actor, form_key)
    if earlier:
        return earlier
    now = plan(
        kind,
        environment=environment,
        target_ids=target_ids,
        parameters=parameters,
        per_target=per_target,
        skip_reasons=left_alone(link, target_ids),
    )
    if now.digest != shown_digest:
        # The double click itself may have changed the plan: written after we looked for it, before we planned.
        earlier = _submitted_before(actor, form_key)
        if earlier:
            return earlier
        raise PlanMoved(now)
    if not now.sent:
        raise NothingToDo(f"Nothing would happen to any of these {kind.unit.value}s.")
    if now.asks_for_count and confirmed_count != len(now.sent):
        raise CountNotConfirmed(now)
    reason = Reason(code=reason_code.value, text=reason_text, given=given)
    change = compose(actor, now, reason, form_key=form_key, timing=timing, link=link)
    # Before anything is written: policy may not cover it. The files stay with the change that it ends.
    end = _end_of(actor, now, replace(reason, given=replace(given, uploads=())), form_key, timing)
    try:
        with transaction.atomic():
            write(change, now, who=actor.who(), origin=origin, source=source or NOWHERE, per_target=per_target)
            if end:
                write_end(change, *end, who=actor.who(), origin=origin)
    except IntegrityError as error:
        return _written_meanwhile(error, actor, form_key)
    return change


def _written_meanwhile(error: IntegrityError, actor: Staff, form_key: UUID) -> Change:
    """Return the change that a simultaneous double click wrote first; else raise what the integrity error means."""
    earlier = _submitted_before(actor, form_key)
    if earlier:
        return earlier
    if broken_rule(error) == STILL_OFFERED:
        raise NoLongerOffered(reason(error)) from error
    raise error


def _end_of(actor: Staff, planned: Plan, reason: Reason, form_key: UUID, timing: Timing) -> tuple[Change, Plan] | None:
    """Return the change that ends what is planned, with its plan; None if it has no end. Raises NotAllowed."""
    if timing.ends_at is None:
        return None
    end = end_plan(planned)
    if not actor.may(end.kind.capability):
        raise NotAllowed(f"You may not ask to {end.kind.verb.lower()} {end.kind.unit.value}s, so not for an end either.")
    return compose(actor, end, reason, form_key=uuid5(form_key, "end"), timing=Timing(runs_at=timing.ends_at)), end


def decide(
    *,
    actor: Staff,
    origin: Origin,
    change_id: int,
    verdict: Verdict,
    digest: str,
    comment: str,
    shown: ChangeEffects | None = None,
) -> Change:
    """Record one person's approval or rejection of a pending change and return the change as it then is.

    `digest` is the digest of what they were shown, and `shown` its effects as they were then. Before an approval, outdated
    state that the plan depends on is read again, unless the approval is refused anyway; it is refused if that can't be read or
    has changed. The last approval that policy asks for lets the change run; one rejection ends it. Raises DecisionRefused,
    after recording the refusal.
    """
    since = good_since()
    unread = _read_what_is_old(change_id, actor, digest, since) if verdict == Verdict.APPROVE else ""
    try:
        with transaction.atomic():
            change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
            refusal = _refusal(change, actor, verdict, digest)
            if refusal is None and verdict == Verdict.APPROVE:
                refusal = _no_longer_as_shown(change, since, unread)
            if refusal is None:
                _take(change, actor, origin, verdict, comment, shown=shown)
                return change
    except IntegrityError as error:
        if broken_rule(error) != MAY_DECIDE:
            raise
        refusal = DecisionRefused("You may no longer decide about changes.")  # since the request began
    detail = {
        "verdict": verdict.value,
        "digest": digest,
        "why": refusal.message,
        "moved": [{"target": item.target, "shown": item.before, "now": now} for item, now in refusal.moved],
    }
    tag = Tag.CHANGE_DECISION_REFUSED
    with transaction.atomic():
        record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, change_id=change_id, detail=detail))
    raise refusal


def withdraw(*, actor: Staff, origin: Origin, change_id: int) -> Change:
    """Withdraw a pending change; only the person who requested it may. Raises NotAllowed."""
    with transaction.atomic():
        change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
        if change.requested_by_id != actor.pk:
            raise NotAllowed("Only the person who asked for a change can withdraw it.")
        if change.state != ChangeState.PENDING:
            raise NotAllowed(f"This change is no longer waiting: {ChangeState(change.state).label.lower()}.")
        _end(change, ChangeState.CANCELLED, note=f"Withdrawn by {actor.who().name}")
        record(AuditEntry(tag=Tag.CHANGE_CANCELLED, actor=actor.who(), origin=origin, change_id=change.pk))
    return change


def expire_overdue(*, origin: Origin) -> int:
    """Expire every pending change that is past its deadline, and return how many there were."""
    ended = 0
    for change_id in Change.objects.filter(state=ChangeState.PENDING, expires_at__lte=timezone.now()).values_list(
        "pk", flat=True
    ):
        with transaction.atomic():
            change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
            if change.state == ChangeState.PENDING:
                _end(change, ChangeState.EXPIRED, note="It was not decided in time")
                record(AuditEntry(tag=Tag.CHANGE_EXPIRED, actor=SYSTEM, origin=origin, change_id=change.pk))
                ended += 1
    return ended


def _submitted_before(actor: Staff, form_key: UUID) -> Change | None:
    return Change.objects.filter(form_key=form_key, requested_by=actor).first()


def _read_what_is_old(change_id: int, actor: Staff, digest: str, since: datetime) -> str:
    """Read outdated state that a change's plan depends on again, before anything is locked; return why it can't be, or "".

    Reads nothing for an approval that our own rows refuse: what is decided for good is checked again under the lock.
    """
    change = Change.objects.get(pk=change_id)
    if _refusal(change, actor, Verdict.APPROVE, digest) is not None or change.relation == Relation.ENDS:
        return ""
    known = _Known(change, since)
    return read_again(known.kind, known.environment, known.old, lane=Lane.URGENT) if known.old and not known.moved() else ""


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


def _refusal(change: Change, actor: Staff, verdict: Verdict, digest: str) -> DecisionRefused | None:
    """Return why the approval or rejection is refused. PostgreSQL enforces the same (`sql/`)."""
    if not actor.may("changes:decide"):
        return DecisionRefused("You may not decide about changes.")
    if change.requested_by_id == actor.pk:
        return DecisionRefused("You asked for this change, so somebody else has to decide.")
    if change.state != ChangeState.PENDING:
        return DecisionRefused(f"This change is no longer waiting: {ChangeState(change.state).label.lower()}.")
    if change.expires_at <= timezone.now():
        return DecisionRefused("This change has expired. It has to be asked for again.")
    if change.decider_role and change.decider_role not in actor.role_names:
        return DecisionRefused(f"Policy asks for a decision by somebody whose role is {change.decider_role}.")
    if change.decisions.filter(staff=actor).exists():
        return DecisionRefused("You have decided about this change already.")
    if digest != change.digest:
        return DecisionRefused("This is not the change you were shown. Review it again.")
    if verdict == Verdict.APPROVE and not isinstance(for_stored(change), Kind):
        return DecisionRefused(f"{NOT_SUPPORTED} It can be rejected or withdrawn.")
    return None


def _no_longer_as_shown(change: Change, since: datetime, unread: str) -> DecisionRefused | None:
    """Return why an approval would not cover what was shown. `unread` says why targets could not be read, if so."""
    if is_altered(change):
        return DecisionRefused("The ticket, the firm's reason or the files are not those of the request. Reject this change.")
    if change.relation == Relation.ENDS:
        return None  # whether an account is as its lock left it is checked when the end of the lock is due
    known = _Known(change, since)
    moved, what = known.moved(), known.kind.unit.value
    if not moved and stale(known.kind, readable(known.kind, known.found), since):
        why = unread or f"it did not name every {what}"
        return DecisionRefused(f"The {what}s can't be read from Tradovate now ({why}), and what is known of them is old.")
    moved = moved or moved_since(known.kind, known.items, known.found)
    if moved:
        return DecisionRefused(
            f"{known.kind.unit.one.capitalize()} no longer stands as it was when this was asked for.",
            moved=moved,
        )
    return None


def _take(
    change: Change, actor: Staff, origin: Origin, verdict: Verdict, comment: str, *, shown: ChangeEffects | None = None
) -> None:
    who = actor.who()
    Decision.objects.create(
        change=change,
        staff=actor,
        staff_name=who.name,
        staff_role=who.role,
        verdict=verdict,
        digest=change.digest,
        comment=comment,
    )
    record(
        AuditEntry(
            tag=Tag.CHANGE_APPROVED if verdict == Verdict.APPROVE else Tag.CHANGE_REJECTED,
            actor=who,
            origin=origin,
            change_id=change.pk,
            detail={
                "digest": change.digest,
                "comment": comment,
                "kind": change.kind,
                **({EFFECTS: shown.to_json()} if shown else {}),
            },
        ),
    )
    # Requested together, approved together: approving a lock also approves its end, as far as the person may.
    for end in _ends_ahead(change).filter(state=ChangeState.PENDING):
        if verdict == Verdict.APPROVE and _refusal(end, actor, verdict, end.digest) is None:
            _take(end, actor, origin, verdict, comment)
    if verdict == Verdict.REJECT:
        _end(change, ChangeState.REJECTED, note=f"Rejected by {who.name}")
    elif change.decisions.filter(verdict=Verdict.APPROVE).count() >= change.decisions_needed:
        move_change(change, change.decided_as, decided_at=timezone.now())
        if change.waits:
            return  # its items wait for their time
        move_items_of(change, came_from=ItemState.WAITING, to=ItemState.QUEUED)
        dispatch_on_commit(change_id=change.pk, lane=change.lane)


def call_off(*, actor: Staff, origin: Origin, change: Change) -> None:
    """Cancel a scheduled change early. Needs an open transaction with the change locked, and the right to control it."""
    _end(change, ChangeState.CANCELLED, note=f"Cancelled by {actor.who().name}")
    record(AuditEntry(tag=Tag.CHANGE_CANCELLED, actor=actor.who(), origin=origin, change_id=change.pk))


def _ends_ahead(change: Change) -> QuerySet[Change]:
    """Return the changes that would end what this one sets, as far as they have not started."""
    return change.followers.select_for_update(of=("self",)).filter(relation=Relation.ENDS, state__in=CHANGE_AHEAD)


def _end(change: Change, state: ChangeState, *, note: str) -> None:
    """End a change that was not started, and the change that was to end it, without running either."""
    at = timezone.now()
    move_change(change, state, decided_at=change.decided_at or at, finished_at=at)
    move_items_of(change, came_from=ItemState.WAITING, to=ItemState.CANCELLED, note=note, settled_at=at)
    for end in _ends_ahead(change):
        _end(end, ChangeState.CANCELLED, note=f"Change {change.pk}, which it was to end, was not made")

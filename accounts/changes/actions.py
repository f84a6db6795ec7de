"""Submitting, deciding, withdrawing and expiring changes. Each is one transaction with its events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.freshness import good_since, read_anew, stale
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind, State
from accounts.changes.models import Change, Decision, Item, PolicyRule
from accounts.changes.plan import Plan, digest_of, moved_since, plan
from accounts.changes.policy import requirement
from accounts.changes.source import Link, Source
from accounts.changes.states import ChangeState, ItemState, Verdict
from accounts.changes.timing import AT_ONCE, Timing
from riskadmin.audit.actions import Happening, record, record_all
from riskadmin.audit.copying import copy_in, number
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode

STILL_OFFERED: Final = "change_still_offered"
"""What a trigger calls its refusal of parameters that name something which can't be asked for any more."""


class NotAllowed(Exception):
    """The person may not do this."""


class PlanMoved(Exception):
    """The plan is no longer the one that was shown; `plan` is the present one. Nothing was written."""

    def __init__(self, now: Plan) -> None:
        super().__init__("An account has changed since this page was shown.")
        self.plan = now


class NothingToDo(Exception):
    """Every target of the plan is skipped, so there is nothing to submit."""


class NoLongerOffered(NothingToDo):
    """What the parameters name has been replaced or taken back meanwhile; PostgreSQL says what. Nothing was written."""


class CountNotConfirmed(Exception):
    """The plan is one whose number of targets has to be typed (`Plan.asks_for_count`), and another number came."""

    def __init__(self, now: Plan) -> None:
        super().__init__(f"{now.kind.words(len(now.sent))}: type that number to go on.")
        self.plan = now


class DecisionRefused(Exception):
    """The decision was not taken; `moved` lists the items that no longer stand as shown, with their state now."""

    def __init__(self, message: str, *, moved: Sequence[tuple[Item, dict[str, Any] | None]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.moved = tuple(moved)


def submit(  # the parts of a form, each by name
    *,
    actor: Staff,
    origin: Origin,
    kind: Kind[Any],
    environment: Environment,
    target_ids: Sequence[int],
    parameters: State | None = None,
    per_target: Mapping[int, State] | None = None,
    reason_code: ReasonCode,
    reason_text: str,
    form_key: UUID,
    shown_digest: str,
    confirmed_count: int | None = None,
    source: Source | None = None,
    link: Link | None = None,
    timing: Timing = AT_ONCE,
) -> Change:
    """Write the change, its frozen items and their events, and return it; the same form key returns the first one.

    `shown_digest` is the digest of the plan that the person was shown, `confirmed_count` the number that they typed where
    the plan asks for it, `source` how they came by the targets, `link` the earlier change that these come from, `timing` when
    it runs. Raises NotAllowed, PlanMoved, NothingToDo, CountNotConfirmed, and `policy.PolicyMissing`; then nothing is written.
    """
    if not actor.may(kind.capability):
        raise NotAllowed(f"You may not ask to {kind.verb.lower()} {kind.unit.value}s.")
    earlier = _submitted_before(actor, form_key)
    if earlier:
        return earlier
    now = plan(kind, environment=environment, target_ids=target_ids, parameters=parameters, per_target=per_target)
    if now.digest != shown_digest:
        # The double click itself may be what moved the plan: written after we looked for it, before we planned.
        earlier = _submitted_before(actor, form_key)
        if earlier:
            return earlier
        raise PlanMoved(now)
    if not now.sent:
        raise NothingToDo(f"Nothing would happen to any of these {kind.unit.value}s.")
    if now.asks_for_count and confirmed_count != len(now.sent):
        raise CountNotConfirmed(now)
    needed = requirement(PolicyRule.objects.all(), kind=kind.name, environment=environment.value, items=len(now.sent))
    decided = needed.decisions_needed == 0
    at = timezone.now()
    change = Change(
        kind=kind.name,
        environment=environment.value,
        parameters=dict(now.parameters),
        reason_code=reason_code.value,
        reason_text=reason_text,
        lane=now.lane.value,
        form_key=form_key,
        requested_by=actor,
        requested_by_name=actor.who().name,
        submitted_at=at,
        decisions_needed=needed.decisions_needed,
        decider_role=needed.decider_role,
        expires_at=at + needed.expires_after,
        item_count=len(now.rows),
        runs_at=timing.runs_at,
        window=timing.window,
        goes_on=timing.goes_on,
        review_by=timing.review_by,
        of_change_id=link.change_id if link else None,
        relation=link.relation if link else "",
        state=(ChangeState.SCHEDULED if timing.waits else ChangeState.RUNNING) if decided else ChangeState.PENDING,
        decided_at=at if decided else None,
    )
    change.digest = _change_digest(change, now, timing)
    try:
        with transaction.atomic():
            _write(change, now, origin, actor, source or Source(), per_target or {})
    except IntegrityError as error:
        # The double click that came at the very same moment wrote it first.
        earlier = _submitted_before(actor, form_key)
        if earlier:
            return earlier
        said = getattr(error.__cause__, "diag", None)
        if said and said.constraint_name == STILL_OFFERED:
            raise NoLongerOffered(said.message_primary) from error
        raise
    return change


def decide(*, actor: Staff, origin: Origin, change_id: int, verdict: Verdict, digest: str, comment: str) -> Change:
    """Take one person's decision about a pending change and return the change as it then is.

    `digest` is the one of what they were shown. An approval reads anew what is old of what its plan rests on, and is refused
    when one can't be read or has moved. The last approval that policy asks for lets the change run; one rejection ends it.
    Raises DecisionRefused, after recording the refusal.
    """
    since = good_since()
    unread = _read_what_is_old(change_id, since) if verdict == Verdict.APPROVE else ""
    with transaction.atomic():
        change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
        refusal = _refusal(change, actor, digest)
        if refusal is None and verdict == Verdict.APPROVE:
            refusal = _no_longer_as_shown(change, since, unread)
        if refusal is None:
            _take(change, actor, origin, verdict, comment)
            return change
        # The refusal is a result of its own: it is committed, and only then told.
        record(
            Happening(
                tag=Tag.CHANGE_DECISION_REFUSED,
                actor=actor.who(),
                origin=origin,
                change_id=change.pk,
                detail={
                    "verdict": verdict.value,
                    "digest": digest,
                    "why": refusal.message,
                    "moved": [{"target": item.target, "shown": item.before, "now": now} for item, now in refusal.moved],
                },
            ),
        )
    raise refusal


def withdraw(*, actor: Staff, origin: Origin, change_id: int) -> Change:
    """Take back a change that still waits; only who asked for it may. Raises NotAllowed."""
    with transaction.atomic():
        change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
        if change.requested_by_id != actor.pk:
            raise NotAllowed("Only the person who asked for a change can withdraw it.")
        if change.state != ChangeState.PENDING:
            raise NotAllowed(f"This change is no longer waiting: {ChangeState(change.state).label.lower()}.")
        _end(change, ChangeState.CANCELLED, note=f"Withdrawn by {actor.who().name}")
        record(Happening(tag=Tag.CHANGE_CANCELLED, actor=actor.who(), origin=origin, change_id=change.pk))
    return change


def expire_overdue(*, origin: Origin) -> int:
    """End every pending change whose time has run out, and return how many there were."""
    ended = 0
    for change_id in Change.objects.filter(state=ChangeState.PENDING, expires_at__lte=timezone.now()).values_list(
        "pk", flat=True
    ):
        with transaction.atomic():
            change = Change.objects.select_for_update(of=("self",)).get(pk=change_id)
            if change.state == ChangeState.PENDING:
                _end(change, ChangeState.EXPIRED, note="Nobody decided in time")
                record(Happening(tag=Tag.CHANGE_EXPIRED, actor=SYSTEM, origin=origin, change_id=change.pk))
                ended += 1
    return ended


def _submitted_before(actor: Staff, form_key: UUID) -> Change | None:
    return Change.objects.filter(form_key=form_key, requested_by=actor).first()


def _change_digest(change: Change, planned: Plan, timing: Timing) -> str:
    return digest_of(
        {
            "plan": planned.digest,
            "parameters": change.parameters,
            "reason_code": change.reason_code,
            "reason_text": change.reason_text,
            "requested_by": change.requested_by_id,
            "form_key": change.form_key,
            **timing.to_json(),
            **({"relation": change.relation, "of_change": change.of_change_id} if change.relation else {}),
        },
    )


def _write(  # noqa: PLR0917  (all of what was asked)
    change: Change, planned: Plan, origin: Origin, actor: Staff, source: Source, per_target: Mapping[int, State]
) -> None:
    change.save(force_insert=True)
    state = ItemState.QUEUED if change.state == ChangeState.RUNNING else ItemState.WAITING
    items = [
        Item(
            change=change,
            position=position,
            target=row.target,
            account=row.account,
            target_name=row.name,
            before=row.before,
            after=row.after,
            own_parameters=per_target.get(row.target_id),
            state=state if row.is_sent else ItemState.SKIPPED,
            note=row.skip_reason,
            settled_at=None if row.is_sent else change.submitted_at,
        )
        for position, row in enumerate(planned.rows, start=1)
    ]
    number(Item, items)
    copy_in(Item, items)
    who = actor.who()
    record_all(
        Happening(
            tag=Tag.CHANGE_SUBMITTED,
            actor=who,
            origin=origin,
            subject=item.subject,
            change_id=change.pk,
            item_id=item.pk,
            reason_code=change.reason_code,
            reason_text=change.reason_text,
            before=item.before,
            after=item.after,
            detail={
                "kind": change.kind,
                "items": change.item_count,
                "digest": change.digest,
                "decisions_needed": change.decisions_needed,
                "skipped": item.note,
                **({"source": source.words} if source.words else {}),
            },
        )
        for item in items
    )
    if source.left_out:
        detail = {"source": source.words, "rows": len(source.lines_left_out), **source.left_out_in_short}
        record(Happening(tag=Tag.CHANGE_ROWS_LEFT_OUT, actor=who, origin=origin, change_id=change.pk, detail=detail))
    if state == ItemState.QUEUED:
        dispatch_on_commit(change_id=change.pk, lane=change.lane)


def _read_what_is_old(change_id: int, since: datetime) -> str:
    """Read anew what a change's plan rests on and is old, before anything is locked; return why it can't be, or ""."""
    change = Change.objects.get(pk=change_id)
    kind, environment = KINDS[change.kind].of(change.parameters), Environment(change.environment)
    waiting = [item.target_id for item in change.items.filter(state=ItemState.WAITING).only("target")]
    old = stale(kind, kind.subjects(environment, waiting), since)
    return read_anew(kind, environment, old, lane=Lane.URGENT) if old else ""


def _refusal(change: Change, actor: Staff, digest: str) -> DecisionRefused | None:
    """Return why the decision can't be taken. PostgreSQL refuses the same again (migration 0002)."""
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
        return DecisionRefused("This is not the change you were shown. Look at it again.")
    return None


def _no_longer_as_shown(change: Change, since: datetime, unread: str) -> DecisionRefused | None:
    """Return why an approval would not be of what was shown. `unread` says why targets could not be read, if so."""
    kind = KINDS[change.kind].of(change.parameters)
    items = list(change.items.filter(state=ItemState.WAITING))
    found = kind.subjects(Environment(change.environment), [item.target_id for item in items])
    what = kind.unit.value
    if stale(kind, found, since):
        why = unread or f"it did not name every {what}"
        return DecisionRefused(f"The {what}s can't be read from Tradovate now ({why}), and what is known of them is old.")
    moved = moved_since(kind, items, found)
    if moved:
        return DecisionRefused(
            f"{kind.unit.one.capitalize()} no longer stands as it was when this was asked for.",
            moved=moved,
        )
    return None


def _take(change: Change, actor: Staff, origin: Origin, verdict: Verdict, comment: str) -> None:
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
        Happening(
            tag=Tag.CHANGE_APPROVED if verdict == Verdict.APPROVE else Tag.CHANGE_REJECTED,
            actor=who,
            origin=origin,
            change_id=change.pk,
            detail={"digest": change.digest, "comment": comment, "kind": change.kind},
        ),
    )
    if verdict == Verdict.REJECT:
        _end(change, ChangeState.REJECTED, note=f"Rejected by {who.name}")
    elif change.decisions.filter(verdict=Verdict.APPROVE).count() >= change.decisions_needed:
        change.state = ChangeState.SCHEDULED if change.waits else ChangeState.RUNNING
        change.decided_at = timezone.now()
        change.save(update_fields=["state", "decided_at"])
        if change.waits:
            return  # its items wait for its time
        change.items.filter(state=ItemState.WAITING).update(state=ItemState.QUEUED)
        dispatch_on_commit(change_id=change.pk, lane=change.lane)


def _end(change: Change, state: ChangeState, *, note: str) -> None:
    """End a pending change without running it."""
    at = timezone.now()
    change.state, change.decided_at, change.finished_at = state, at, at
    change.save(update_fields=["state", "decided_at", "finished_at"])
    change.items.filter(state=ItemState.WAITING).update(state=ItemState.CANCELLED, note=note, settled_at=at)

"""Submitting changes, and calling off scheduled ones. Each is one transaction with its audit events.

Approving, rejecting and withdrawing are what is done to any request (`accounts.approvals.actions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.access.queries import conflicts, unimpeded
from accounts.approvals.subjects import NotAllowed
from accounts.changes.access import refuses
from accounts.changes.approval import end_change
from accounts.changes.guards import AS_COUNTED, STILL_OFFERED
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.plan import Plan, plan
from accounts.changes.reasons.background import NOTHING, Given
from accounts.changes.scheduling.temporary_locks import end_plan
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.states import ChangeState, Relation
from accounts.changes.targeting.source import NOWHERE, Link, TargetSource
from accounts.changes.tracking.undo import left_alone
from accounts.changes.writing import Reason, compose, write, write_end
from accounts.models.guards import broken_rule, reason
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.duty.queries import approvers
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import people
from riskadmin.tradovate.vocabulary import Environment, ReasonCode

NAMED_MAX: Final = 5
"""People whom a page names."""


class PlanMoved(Exception):
    """The plan is no longer the one that was shown; `plan` is the current one. Nothing was written."""

    def __init__(self, now: Plan) -> None:
        super().__init__("An account has changed since this page was shown.")
        self.plan = now


class NothingToDo(Exception):
    """Every target of the plan is skipped, so there is nothing to submit."""


class NoLongerOffered(NothingToDo):
    """What the parameters name has been replaced or withdrawn meanwhile; PostgreSQL says what. Nothing was written."""


class AskedMeanwhile(NothingToDo):
    """The same person asked for another change at the same moment, and together they may need more approvals."""

    def __init__(self) -> None:
        super().__init__(
            "You asked for another change at the same moment. Nothing was asked for now: review it and submit again."
        )


class CountNotConfirmed(Exception):
    """The number of targets has to be typed for this plan (`Plan.asks_for_count`), and another number was typed."""

    def __init__(self, now: Plan) -> None:
        super().__init__(f"{now.kind.words(len(now.sent))}: type that number to go on.")
        self.plan = now


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
    UploadGone, and `accounts.approvals.policy.PolicyMissing`; then nothing is written.
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
        requester=actor,
    )
    if now.digest != shown_digest:
        # The double click itself may have changed the plan: written after we looked for it, before we planned.
        earlier = _submitted_before(actor, form_key)
        if earlier:
            return earlier
        raise PlanMoved(now)
    if not now.sent:
        raise NothingToDo(f"Nothing would happen to any of these {kind.unit.value}s. {who_else(actor, now)}".strip())
    if now.asks_for_count and confirmed_count != len(now.sent):
        raise CountNotConfirmed(now)
    reason = Reason(code=reason_code.value, text=reason_text, given=given)
    change = compose(actor, now, reason, form_key=form_key, timing=timing, link=link)
    # Before anything is written: policy may not cover it. The files stay with the change that it ends.
    end = _end_of(actor, now, replace(reason, given=replace(given, uploads=())), form_key, timing)
    try:
        with transaction.atomic():
            if link and link.relation == Relation.TAKES_OVER and not _end_suspended(link.change_id, actor, origin):
                raise PlanMoved(now)  # somebody else has taken it over or cancelled it
            write(change, now, who=actor.who(), origin=origin, source=source or NOWHERE, per_target=per_target)
            if end:
                write_end(change, *end, who=actor.who(), origin=origin)
            _refuse_what_changed(actor, change, now, per_target)
    except IntegrityError as error:
        return _written_meanwhile(error, actor, form_key)
    return change


def who_else(person: Staff, planned: Plan) -> str:
    """Return who can request what somebody can't, since it belongs to them or a relative, in a sentence; "" if nothing does.

    Those on duty come first.
    """
    theirs = conflicts(person, {row.target_id: row.subject for row in planned.rows if row.subject})
    if not theirs:
        return ""
    subjects = [row.subject for row in planned.rows if row.subject and row.target_id in theirs]
    free = {each.pk for each in unimpeded(people().filter(is_active=True), subjects)}
    found = approvers(timezone.now(), capability=planned.kind.capability, may_act=lambda each: each.pk in free)
    names = [f"{each.person.display_name}{' (on duty)' if each.is_on_duty else ''}" for each in found[:NAMED_MAX]]
    others = f" and {len(found) - NAMED_MAX:,} more" if len(found) > NAMED_MAX else ""
    return f"It can be requested by {', '.join(names)}{others}." if names else "No one else can request it now."


def _refuse_what_changed(actor: Staff, change: Change, shown: Plan, per_target: Mapping[int, State] | None) -> None:
    """Raise PlanMoved if a target was marked, has moved or is out of the requester's access since it was planned."""
    if not refuses(actor, change):
        return
    now = plan(
        shown.kind,
        environment=shown.environment,
        target_ids=[row.target_id for row in shown.rows],
        parameters=shown.parameters,
        per_target=per_target,
        requester=Staff.objects.get(pk=actor.pk),
    )
    raise PlanMoved(now)


def _written_meanwhile(error: IntegrityError, actor: Staff, form_key: UUID) -> Change:
    """Return the change that a simultaneous double click wrote first; else raise what the integrity error means."""
    earlier = _submitted_before(actor, form_key)
    if earlier:
        return earlier
    if broken_rule(error) == STILL_OFFERED:
        raise NoLongerOffered(reason(error)) from error
    if broken_rule(error) == AS_COUNTED:
        raise AskedMeanwhile from error
    raise error


def _end_of(actor: Staff, planned: Plan, reason: Reason, form_key: UUID, timing: Timing) -> tuple[Change, Plan] | None:
    """Return the change that ends what is planned, with its plan; None if it has no end. Raises NotAllowed."""
    if timing.ends_at is None:
        return None
    end = end_plan(planned)
    if not actor.may(end.kind.capability):
        raise NotAllowed(f"You may not ask to {end.kind.verb.lower()} {end.kind.unit.value}s, so not for an end either.")
    return compose(actor, end, reason, form_key=uuid5(form_key, "end"), timing=Timing(runs_at=timing.ends_at)), end


def _submitted_before(actor: Staff, form_key: UUID) -> Change | None:
    return Change.objects.filter(form_key=form_key, requested_by=actor).first()


def call_off(*, actor: Staff, origin: Origin, change: Change) -> None:
    """Cancel a scheduled change early. Needs an open transaction with the change locked, and the right to control it."""
    end_change(change, ChangeState.CANCELLED, note=f"Cancelled by {actor.who().name}")
    record(AuditEntry(tag=Tag.CHANGE_CANCELLED, actor=actor.who(), origin=origin, change_id=change.pk))


def _end_suspended(change_id: int, actor: Staff, origin: Origin) -> bool:
    """Cancel a suspended change because another one takes it over; return whether it was still suspended."""
    suspended = Change.objects.select_for_update(of=("self",)).filter(pk=change_id, state=ChangeState.SCHEDULED)
    change = suspended.exclude(suspended_at=None).first()
    if change is None:
        return False
    call_off(actor=actor, origin=origin, change=change)
    return True

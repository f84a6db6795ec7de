"""Composing a change from a plan, and writing it: with its items and their audit events in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.changes.audit_events import target_event
from accounts.changes.digest import digest_of
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item, PolicyRule
from accounts.changes.plan import Plan
from accounts.changes.plan_summary import overview
from accounts.changes.policy import Requirement, requirement
from accounts.changes.reasons import background
from accounts.changes.reasons.background import NOTHING, Given
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.states import ChangeState, ItemState, Relation, decided_as
from accounts.changes.targeting.source import NOWHERE, Link, TargetSource
from riskadmin.audit.actions import AuditEntry, record, record_all
from riskadmin.audit.copying import copy_in, new_ids
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a change is requested."""

    code: str
    text: str
    given: Given = NOTHING


def compose(
    actor: Staff,
    planned: Plan,
    reason: Reason,
    *,
    form_key: UUID,
    timing: Timing = IMMEDIATELY,
    link: Link | None = None,
    decisions_at_least: int = 0,
) -> Change:
    """Return a change of what is planned, under the policy in force, not yet written. Raises `policy.PolicyMissing`.

    It can be approved until the policy's time has passed, counted from when it is to run. The effects of the plan are kept as
    they are now.
    """
    needed = _needed(planned, decisions_at_least)
    decided = needed.decisions_needed == 0
    at = timezone.now()
    change = Change(
        kind=planned.kind.name,
        environment=planned.environment.value,
        parameters=dict(planned.parameters),
        reason_code=reason.code,
        reason_text=reason.text,
        lane=planned.lane.value,
        form_key=form_key,
        requested_by=actor,
        requested_by_name=actor.who().name,
        submitted_at=at,
        decisions_needed=needed.decisions_needed,
        decider_role=needed.decider_role,
        expires_at=max(at, timing.runs_at or at) + needed.expires_after,
        item_count=len(planned.rows),
        effects=overview(planned).effects.to_json(),
        runs_at=timing.runs_at,
        window=timing.window,
        goes_on=timing.goes_on,
        review_by=timing.review_by,
        of_change_id=link.change_id if link else None,
        relation=link.relation if link else "",
        decided_at=at if decided else None,
        state=decided_as(waits=timing.waits) if decided else ChangeState.PENDING,
    )
    background.attach(change, reason.given)
    change.digest = _change_digest(change, planned, timing)
    return change


def _needed(planned: Plan, at_least: int) -> Requirement:
    rules = PolicyRule.objects.all()
    needed = requirement(rules, kind=planned.kind.name, environment=planned.environment.value, items=len(planned.sent))
    return replace(needed, decisions_needed=max(needed.decisions_needed, at_least))


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
            **background.in_digest(change),
        },
    )


def write(
    change: Change,
    planned: Plan,
    *,
    who: Who,
    origin: Origin,
    source: TargetSource = NOWHERE,
    per_target: Mapping[int, State] | None = None,
) -> None:
    """Write a composed change with its items and their audit events, and dispatch it if it runs. Needs an open transaction."""
    own = per_target or {}
    change.save(force_insert=True)
    background.store(change)
    state = ItemState.QUEUED if change.state == ChangeState.RUNNING else ItemState.WAITING
    ids = new_ids(Item, len(planned.rows))
    copy_in(
        Item,
        [
            {
                "id": item_id,
                "change_id": change.pk,
                "position": position,
                "target": row.target,
                "account_id": row.account.pk if row.account else None,
                "target_name": row.name,
                "before": row.before,
                "after": row.after,
                "own_parameters": own.get(row.target_id),
                "state": state if row.is_sent else ItemState.SKIPPED,
                "note": row.skip_reason,
                "settled_at": None if row.is_sent else change.submitted_at,
            }
            for position, (item_id, row) in enumerate(zip(ids, planned.rows, strict=True), start=1)
        ],
    )
    detail = {
        "kind": change.kind,
        "items": change.item_count,
        "digest": change.digest,
        "decisions_needed": change.decisions_needed,
        **({"source": source.words} if source.words else {}),
        **_in_time(change),
        **background.in_trail(change),
    }
    record_all(
        target_event(
            Tag.CHANGE_SUBMITTED,
            row.target,
            row.name,
            change=change,
            item_id=item_id,
            actor=who,
            origin=origin,
            before=row.before,
            after=row.after,
            detail={**detail, "skipped": row.skip_reason},
        )
        for item_id, row in zip(ids, planned.rows, strict=True)
    )
    background.record_attached(change, who, origin)
    if source.left_out:
        detail = {"source": source.words, "rows": len(source.lines_left_out), **source.left_out_in_short}
        record(AuditEntry(tag=Tag.CHANGE_ROWS_LEFT_OUT, actor=who, origin=origin, change_id=change.pk, detail=detail))
    if state == ItemState.QUEUED:
        dispatch_on_commit(change_id=change.pk, lane=change.lane)


def _in_time(change: Change) -> dict[str, Any]:
    """Return what the trail keeps of when a change runs and where it comes from: the values that are set."""
    said = {
        "runs_at": change.runs_at,
        "window": change.window,
        "goes_on": change.goes_on,
        "review_by": change.review_by,
        "relation": change.relation,
        "of_change": change.of_change_id,
    }
    return {name: value for name, value in said.items() if value}


def write_end(change: Change, end: Change, planned: Plan, *, who: Who, origin: Origin) -> None:
    """Write the change that ends another one, which was written just before in the same transaction."""
    end.of_change, end.relation = change, Relation.ENDS
    end.digest = _change_digest(end, planned, Timing(runs_at=end.runs_at))
    write(end, planned, who=who, origin=origin)

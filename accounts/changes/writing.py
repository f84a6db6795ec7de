"""Composing a change from a plan, and writing it: with its items and their audit events in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from accounts.approvals.actions import EARLIER_REQUESTERS, new_request
from accounts.changes.approval import CHANGES
from accounts.changes.audit_events import target_event
from accounts.changes.content import digest_of_change, digest_of_item
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.facts import facts_of, need_of
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan
from accounts.changes.plan_summary import overview
from accounts.changes.reasons import background
from accounts.changes.reasons.background import NOTHING, Given
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.states import ChangeState, ItemState, Relation, decided_as
from accounts.changes.targeting.source import NOWHERE, Link, TargetSource
from riskadmin.audit.actions import AuditEntry, record, record_all
from riskadmin.audit.copying import copy_in, new_ids
from riskadmin.audit.folding import POSITION
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

COUNT_NOW: Final = "SET CONSTRAINTS changes_change_counts_facts IMMEDIATE; SET CONSTRAINTS changes_change_counts_facts DEFERRED"
"""Has PostgreSQL check the facts of what was just written, so that a refusal comes here and not at the commit."""


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
    approvals_at_least: int = 0,
) -> Change:
    """Return a change of what is planned, with its request under the policy in force, neither written yet.

    Its digest is set by `write`. It can be approved until the policy's time has passed, counted from when it is to run. The
    effects of the plan are kept as they are now. Raises `accounts.approvals.policy.PolicyMissing`.
    """
    at, effects = timezone.now(), overview(planned).effects
    facts = facts_of(actor, planned, effects, at=at, timing=timing, at_least=approvals_at_least)
    need = need_of(facts)
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
        item_count=len(planned.rows),
        effects=effects.to_json(),
        runs_at=timing.runs_at,
        window=timing.window,
        goes_on=timing.goes_on,
        review_by=timing.review_by,
        of_change_id=link.change_id if link else None,
        relation=link.relation if link else "",
        state=ChangeState.PENDING if need.approvals else decided_as(waits=timing.waits),
    )
    background.attach(change, reason.given)
    change.approval = new_request(
        CHANGES,
        actor=actor,
        need=need,
        facts={**facts.to_json(), **_earlier_requesters(actor, link)},
        digest="",
        at=at,
        valid_from=timing.runs_at,
    )
    return change


def _earlier_requesters(actor: Staff, link: Link | None) -> dict[str, list[int]]:
    """Return the fact that names who asked for earlier versions of a new version, other than who asks for this one."""
    if link is None or link.relation != Relation.EDITS:
        return {}
    earlier = Change.objects.select_related("approval").get(pk=link.change_id)
    asked = {earlier.requested_by_id, *earlier.approval.facts.get(EARLIER_REQUESTERS, ())} - {actor.pk}
    return {EARLIER_REQUESTERS: sorted(asked)} if asked else {}


def write(
    change: Change,
    planned: Plan,
    *,
    who: Who,
    origin: Origin,
    source: TargetSource = NOWHERE,
    per_target: Mapping[int, State] | None = None,
) -> None:
    """Write a composed change with its items and their audit events, and dispatch it if it runs. Needs an open transaction.

    Sets the digest over everything that is approved, of the change and of its request.
    """
    contents = _contents(planned, per_target or {})
    digests = [
        digest_of_item(content, skip_reason=row.skip_reason, relation=change.relation)
        for content, row in zip(contents, planned.rows, strict=True)
    ]
    change.digest = change.approval.digest = digest_of_change(change, digests)
    change.approval.save(force_insert=True)
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
                **content,
                "digest": digest,
                "state": state if row.is_sent else ItemState.SKIPPED,
                "note": row.skip_reason,
                "settled_at": None if row.is_sent else change.submitted_at,
            }
            for item_id, content, digest, row in zip(ids, contents, digests, planned.rows, strict=True)
        ],
    )
    detail = {
        "kind": change.kind,
        "items": change.item_count,
        "digest": change.digest,
        "decisions_needed": change.approval.needed,
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
            detail={**detail, "skipped": row.skip_reason, **({POSITION: position} if position > 1 else {})},
        )
        for position, (item_id, row) in enumerate(zip(ids, planned.rows, strict=True), start=1)
    )
    background.record_attached(change, who, origin)
    if source.left_out:
        detail = {"source": source.words, "rows": source.count_left_out, **source.left_out_in_short}
        record(AuditEntry(tag=Tag.CHANGE_ROWS_LEFT_OUT, actor=who, origin=origin, change_id=change.pk, detail=detail))
    with connection.cursor() as cursor:
        cursor.execute(COUNT_NOW)
    if state == ItemState.QUEUED:
        dispatch_on_commit(change_id=change.pk, lane=change.lane)


def _contents(planned: Plan, per_target: Mapping[int, State]) -> list[dict[str, Any]]:
    """Return the columns of each item that its digest covers."""
    return [
        {
            "position": position,
            "target": row.target,
            "target_name": row.name,
            "account_id": row.account.pk if row.account else None,
            "before": row.before,
            "after": row.after,
            "own_parameters": per_target.get(row.target_id),
        }
        for position, row in enumerate(planned.rows, start=1)
    ]


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
    write(end, planned, who=who, origin=origin)

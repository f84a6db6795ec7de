"""What an approval of a change covers, as one digest: computed from a plan when it is requested, and from stored rows later."""

from collections.abc import Iterable, Mapping
from typing import Any

from accounts.changes.models import Change, Item
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ItemState, Window
from accounts.models.digests import digest_of


def change_digest(change: Change, plan_digest: str, timing: Mapping[str, Any]) -> str:
    """Return the digest over everything that is approved: the plan, the reason, the facts and the time."""
    return digest_of(
        {
            "plan": plan_digest,
            "parameters": change.parameters,
            "reason_code": change.reason_code,
            "reason_text": change.reason_text,
            "requested_by": change.requested_by_id,
            "form_key": change.form_key,
            "facts": change.approval.facts,
            **timing,
            **({"relation": change.relation, "of_change": change.of_change_id} if change.relation else {}),
        },
    )


def plan_digest(kind: str, environment: str, parameters: Mapping[str, Any], rows: Iterable[tuple[str, Any, Any, str]]) -> str:
    """Return the digest over what would be sent: each target in order, with its before, after, and why it is skipped."""
    return digest_of({"kind": kind, "environment": environment, "parameters": parameters, "items": [list(row) for row in rows]})


def stored_digest(change: Change, items: Iterable[Item], left_out: Mapping[int, str] | None = None) -> str:
    """Return the digest of a change as it is stored, with all its items in order; or as it is once more of them are skipped.

    `left_out` says why those are, by their keys.
    """
    more = left_out or {}
    rows = ((each.target, each.before, each.after, more.get(each.pk) or _skipped_because(each)) for each in items)
    timing = Timing(runs_at=change.runs_at, window=Window(change.window), goes_on=change.goes_on, review_by=change.review_by)
    return change_digest(change, plan_digest(change.kind, change.environment, change.parameters, rows), timing.to_json())


def _skipped_because(item: Item) -> str:
    return item.note if item.state == ItemState.SKIPPED else ""

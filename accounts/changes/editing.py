"""Asking again for what came back: a change that ended without having been approved, as its requester edits it."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from django.forms import Field

from accounts.approvals.states import RequestState
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.timing_form import Lasts, When
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.targeting.source import Link
from accounts.changes.targeting.targets import TargetSelection
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.clock import display_zone
from riskadmin.web.local_time import LocalTimeField

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")

ENDED: Final = (ChangeState.REJECTED, ChangeState.EXPIRED, ChangeState.CANCELLED)


def new_versions(changes: Collection[int]) -> dict[int, int]:
    """Return the change that each of these was asked for again as, if it was; one query."""
    again = Change.objects.filter(of_change__in=changes, relation=Relation.EDITS).order_by("-pk")
    return {change: pk for change, pk in again.values_list("of_change", "pk") if change is not None}


def may_be_edited(change: Change) -> bool:
    """Say whether a change that was not approved can be asked for again as a new version; one query if it ended."""
    return could_be_edited(change) and not new_versions([change.pk])


def could_be_edited(change: Change) -> bool:
    """Say the same without looking for a new version that there is already; reads its request."""
    ended = change.state in ENDED and change.approval.needed > 0 and change.approval.state != RequestState.APPROVED
    return ended and change.relation != Relation.ENDS and isinstance(for_stored(change), Kind)


def items_asked(change: Change) -> Sequence[Item]:
    """Return the items that were asked for: neither skipped then, nor excluded by an approver."""
    return list(change.items.exclude(state=ItemState.SKIPPED).order_by("position"))


def targets_typed(items: Sequence[Item]) -> str:
    """Return targets as somebody would type them, one a line: by name, or by id where the name is not plain or not unique."""
    counts = Counter(item.target_name for item in items)
    unique = {name for name, count in counts.items() if count == 1 and _PLAIN.fullmatch(name)}
    return "\n".join(item.target_name if item.target_name in unique else str(item.target_id) for item in items)


def as_new_version(change: Change, chosen: TargetSelection) -> TargetSelection:
    """Return targets as a new version of a change; those that had parameters of their own keep them."""
    own = {item.target_id: item.own_parameters for item in items_asked(change) if item.own_parameters}
    kept = {target_id: own[target_id] for target_id in chosen.ids if target_id in own}
    link = Link(change_id=change.pk, relation=Relation.EDITS)
    return replace(chosen, per_target=kept, parameters=change.parameters if kept else {}, link=link)


def as_typed(change: Change, kind: Kind) -> dict[str, str]:
    """Return what was asked for as it would be typed into the form: parameters, reason and time."""
    form = kind.form(Environment(change.environment))
    fields: Mapping[str, Field] = form.fields if form else {}
    typed = {name: _typed(fields.get(name), value) for name, value in kind.as_typed(change.parameters).items()}
    typed |= {"reason_code": change.reason_code, "reason_text": change.reason_text}
    if change.window:
        typed |= {"when": When.WINDOW.value, "goes_on": "on" if change.goes_on else ""}
    elif change.runs_at:
        typed["when"] = When.AT.value
    if change.runs_at:
        typed["runs_at"] = _typed_time(change.runs_at)
    end = change.followers.filter(relation=Relation.ENDS).first()
    if end and end.runs_at:
        typed |= {"lasts": Lasts.UNTIL.value, "ends_at": _typed_time(end.runs_at)}
    if change.review_by:
        typed["review_by"] = f"{change.review_by:%Y-%m-%d}"
    return typed


def _typed(field: Field | None, value: Any) -> str:
    if isinstance(field, LocalTimeField) and isinstance(value, str):
        at = field.to_python(value)
        return _typed_time(at) if at else ""
    return str(value)


def _typed_time(at: datetime) -> str:
    return f"{at.astimezone(display_zone()):%Y-%m-%dT%H:%M}"

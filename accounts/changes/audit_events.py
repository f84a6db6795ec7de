"""How audit events name what they are about."""

from collections.abc import Mapping
from typing import Any

from accounts.changes.models import Change, Item
from riskadmin.audit.actions import AuditEntry
from riskadmin.audit.origin import SYSTEM, Origin, Subject, Who
from riskadmin.audit.tags import Tag


def item_event(
    tag: Tag,
    item: Item,
    *,
    origin: Origin,
    actor: Who = SYSTEM,
    call_id: int | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Return an audit event about an item, with what its change and target say; `after` is the intended state by default."""
    return target_event(
        tag,
        item.target,
        item.target_name,
        change=item.change,
        item_id=item.pk,
        origin=origin,
        actor=actor,
        call_id=call_id,
        before=item.before,
        after=_with_names(after, item.after) if after is not None else item.after,
        detail=detail,
    )


def _with_names(seen: Mapping[str, Any], meant: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what was seen with the names that the plan has for a category's number, if it is the intended one."""
    if not meant or "category_id" not in seen or seen["category_id"] != meant.get("category_id"):
        return seen
    return {**{name: meant[name] for name in ("category", "was") if name in meant}, **seen}


def target_event(
    tag: Tag,
    target: str,
    name: str,
    *,
    change: Change,
    item_id: int,
    origin: Origin,
    actor: Who = SYSTEM,
    call_id: int | None = None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Return an audit event about a target, `environment:unit:id`, of a change, like `item_event` for an item at hand."""
    environment, unit, number = target.split(":")
    return AuditEntry(
        tag=tag,
        actor=actor,
        origin=origin,
        subject=Subject(environment=environment, account_id=int(number) if unit == "account" else None, account_name=name),
        change_id=change.pk,
        item_id=item_id,
        call_id=call_id,
        reason_code=change.reason_code,
        reason_text=change.reason_text,
        before=before,
        after=after,
        detail=detail or {},
    )

"""How events name what they are about."""

from collections.abc import Mapping
from typing import Any

from accounts.changes.models import Item
from riskadmin.audit.actions import Happening
from riskadmin.audit.origin import SYSTEM, Origin, Who
from riskadmin.audit.tags import Tag


def about_item(
    tag: Tag,
    item: Item,
    *,
    origin: Origin,
    actor: Who = SYSTEM,
    call_id: int | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Happening:
    """Return an event about an item, with everything that its change and target say; `after` is what was meant, if not said."""
    return Happening(
        tag=tag,
        actor=actor,
        origin=origin,
        subject=item.subject,
        change_id=item.change_id,
        item_id=item.pk,
        call_id=call_id,
        reason_code=item.change.reason_code,
        reason_text=item.change.reason_text,
        before=item.before,
        after=after if after is not None else item.after,
        detail=detail or {},
    )

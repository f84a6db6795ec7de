"""Changes that have come to their end, with what was read back, as workers leave them."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from accounts.changes.kinds import sendable
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.mirror import ACTED_AT, set_status, walk


def finish(change: Change, ends: Mapping[int, ItemState] | None = None, *, note: str = "") -> Change:
    """Let every queued item be applied, or end as said, by target; the mirror learns what was applied."""
    for item in change.items.filter(state=ItemState.QUEUED).order_by("position"):
        end = (ends or {}).get(item.target_id, ItemState.APPLIED)
        if end == ItemState.APPLIED:
            apply(change, item)
        else:
            Item.objects.filter(pk=item.pk).update(note=note)
            walk(item, end)
    Change.objects.filter(pk=change.pk).update(state=ChangeState.FINISHED, finished_at=timezone.now())
    change.refresh_from_db()
    return change


def apply(change: Change, item: Item) -> None:
    """Let Tradovate set an item's risk action, and the mirror and the item say so."""
    assert item.account is not None
    assert item.after is not None
    set_status(item.account, admin_action=item.after["admin_action"], admin_at=ACTED_AT)
    observed = state_of(change, item.target_id)
    walk(item, ItemState.SENT)
    Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED, observed=observed, settled_at=timezone.now())


def state_of(change: Change, target_id: int) -> Any:
    """How a target now stands in the terms of a change's kind."""
    kind = sendable(change)
    return kind.state(kind.subjects(Environment(change.environment), [target_id])[target_id])

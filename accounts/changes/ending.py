"""How a change ends: with the last of its items, whatever settled it."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.moving import move_change
from accounts.changes.states import CHANGE_STARTED, ITEM_OPEN, ChangeState
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag


def half_done(steps: Sequence[str], step: int) -> str:
    """Return the start of the note of an item that ends before this step of a kind; "" for the first step."""
    if not step:
        return ""
    done = ", ".join(filter(None, steps[:step]))  # a kind that is retired has no names for its steps
    return f"Half done ({done}). " if done else "Half done. "


def finish_change(change: Change, *, origin: Origin) -> bool:
    """Finish a change without open items, even a paused or cancelled one, with its audit event; return whether it did."""
    if Item.objects.filter(change_id=change.pk, state__in=ITEM_OPEN).exists():
        return False
    at = timezone.now()
    with transaction.atomic():
        started = Change.objects.select_for_update(of=("self",)).filter(pk=change.pk, state__in=CHANGE_STARTED).first()
        if started is None:
            return False
        move_change(started, ChangeState.FINISHED, finished_at=at)
        counts = Item.objects.filter(change_id=change.pk).values_list("state").annotate(Count("id")).order_by()
        record(
            AuditEntry(
                tag=Tag.CHANGE_FINISHED,
                actor=SYSTEM,
                origin=origin,
                change_id=change.pk,
                detail={"counts": dict(counts), "seconds": _seconds(change, at)},
            ),
        )
    return True


def _seconds(change: Change, at: datetime) -> float:
    return round((at - (change.approval.decided_at or change.submitted_at)).total_seconds(), 3)

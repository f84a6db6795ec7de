"""Items of a waiting change that an approver excludes: they are skipped for good, and the approval covers the rest."""

from collections.abc import Sequence

from django.utils import timezone

from accounts.approvals.subjects import DecisionRefused, NewContent
from accounts.changes.audit_events import item_event
from accounts.changes.content import ContentAltered, check_all, digests_without, is_of_this_version
from accounts.changes.models import Change, Item
from accounts.changes.moving import move_items
from accounts.changes.states import CHANGE_AHEAD, ItemState, Relation
from riskadmin.audit.actions import record_all
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag


def content_without(change: Change, keys: Sequence[str], *, by: Who) -> NewContent:
    """Return what a change is without the items that the keys of a page name. Raises DecisionRefused if it can't be."""
    if change.relation == Relation.ENDS or change.followers.filter(relation=Relation.ENDS, state__in=CHANGE_AHEAD).exists():
        raise DecisionRefused("A lock with an end is approved as a whole. Ask for edits instead.")
    if not is_of_this_version(change):
        raise DecisionRefused("This change is older than exclusions, and is approved as a whole. Ask for edits instead.")
    try:
        check_all(change)  # before it is sealed again without them
    except ContentAltered as altered:
        raise DecisionRefused(altered.advice) from altered
    wanted = {int(key) for key in keys}
    items = list(change.items.order_by("position"))
    waiting = {item.pk for item in items if item.state == ItemState.WAITING}
    if not wanted <= waiting:
        raise DecisionRefused("Some of the items to exclude are not among those that wait. Review the change again.")
    if wanted == waiting:
        raise DecisionRefused("Without these items nothing is left to approve. Reject the change instead.")
    left_out = tuple(item for item in items if item.pk in wanted)
    digest, of_items = digests_without(change, dict.fromkeys(wanted, _note(by)))
    for item in left_out:
        item.digest = of_items[item.pk]
    return NewContent(digest=digest, left_out=left_out)


def exclude(change: Change, new: NewContent, *, actor: Who, origin: Origin) -> tuple[str, ...]:
    """Skip what the new content leaves out, with an event for each item, and return the names of their targets."""
    change.digest = new.digest
    change.save(update_fields=["digest"])
    change.approval.refresh_from_db(fields=["digest", "version"])  # it has that digest by now
    at = timezone.now()
    move_items(new.left_out, came_from=ItemState.WAITING, to=ItemState.SKIPPED, note=_note(actor), settled_at=at)
    Item.objects.bulk_update(new.left_out, ["digest"], batch_size=1000)
    for item in new.left_out:
        item.change = change
    record_all(item_event(Tag.ITEM_EXCLUDED, item, actor=actor, origin=origin) for item in new.left_out)
    return tuple(item.target_name for item in new.left_out)


def _note(by: Who) -> str:
    return f"Excluded by {by.name}"

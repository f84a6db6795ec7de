"""Settling what nobody knows: a person says what became of an item, on the evidence that they were shown."""

from typing import Any

from django.db import models, transaction
from django.utils import timezone

from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.ending import finish_change, half_done
from accounts.changes.models import Item
from accounts.changes.states import ITEM_TRANSITIONS, ChangeState, ItemState
from accounts.changes.telling import about_item
from accounts.execution.evidence import Question, question
from accounts.execution.models import Call
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff


class Resolution(models.TextChoices):
    """What a person can say of an item whose outcome nobody knows; the value is the state that it comes to."""

    APPLIED = ItemState.APPLIED.value, "It was applied"
    CANCELLED = ItemState.CANCELLED.value, "It was not applied; leave it"
    QUEUED = ItemState.QUEUED.value, "Send it again"


class NotResolved(Exception):
    """It can't be settled so, or no longer; the message is for people. Nothing was written."""


class WrongName(Exception):
    """Another name was typed than the target's. Nothing was written."""


def last_call_of(item: Item) -> int:
    """Return the number of the last call that carried an item, 0 when there is none: what the evidence ends with."""
    return Call.objects.filter(items=item).order_by("-pk").values_list("pk", flat=True).first() or 0


def resolve(
    *,
    actor: Staff,
    origin: Origin,
    item_id: int,
    resolution: Resolution,
    comment: str,
    seen_call: int,
    typed_name: str = "",
) -> Item:
    """Settle an unknown item, or have it sent again, as a person says; return it as it then is.

    `seen_call` is the last call of the evidence that they were shown. Writes the item and the event, and finishes the change
    with its last item. Raises NotResolved, and WrongName where the target's name has to be typed.
    """
    with transaction.atomic():
        asked = _waiting(item_id, seen_call)
        item, who = asked.item, actor.who()
        if resolution == Resolution.QUEUED:
            _may_be_sent_again(asked, typed_name)
            # The time and the try before are forgotten; the calls stay.
            _move(item, ItemState.QUEUED, note=f"Sent again by {who.name}: {comment}", not_before=None, attempts=0, ticket="")
            tag = Tag.ITEM_RESENT
            dispatch_on_commit(change_id=item.change_id, lane=item.change.lane)
        else:
            applied = resolution == Resolution.APPLIED
            said = "It was applied" if applied else "It was not applied, and is left"
            begins = "" if applied else half_done(asked.kind.steps, item.step)
            note = f"{begins}{said}, says {who.name}: {comment}"
            _move(item, ItemState(resolution.value), note=note, settled_at=timezone.now(), not_before=None, lease_until=None)
            tag = Tag.ITEM_RESOLVED
        detail = {"outcome": resolution.value, "comment": comment, "text": item.note, "seen_call": seen_call}
        record(about_item(tag, item, actor=who, origin=origin, detail=detail))
        finish_change(item.change, origin=origin)
    return item


def read_again(*, actor: Staff, origin: Origin, item_id: int) -> Item:
    """Have an unknown item read back at once; what that proves settles it. Raises NotResolved."""
    with transaction.atomic():
        asked = _waiting(item_id, None)
        if not asked.is_readable:
            raise NotResolved("Tradovate offers no way to read this back.")
        Item.objects.filter(pk=item_id).update(not_before=timezone.now())
        detail = {"text": f"Asked for by {actor.who().name}"}
        record(about_item(Tag.ITEM_READ_AGAIN, asked.item, actor=actor.who(), origin=origin, detail=detail))
    return asked.item


def _waiting(item_id: int, seen_call: int | None) -> Question:
    """Lock an item that waits for a person, and return it. Raises NotResolved."""
    item = Item.objects.select_for_update(of=("self",)).select_related("change").get(pk=item_id)
    asked = question(item)
    if item.state != ItemState.UNKNOWN:
        raise NotResolved(f"This is settled meanwhile: {ItemState(item.state).label.lower()}.")
    if not asked.is_waiting:
        raise NotResolved("This is being read back from Tradovate at this moment.")
    if seen_call is not None and seen_call != last_call_of(item):
        raise NotResolved("Another call was made for it since this page was shown.")
    return asked


def _may_be_sent_again(asked: Question, typed_name: str) -> None:
    item = asked.item
    if item.change.state != ChangeState.RUNNING:
        raise NotResolved(f"Nothing is sent for change {item.change_id}: it is {item.change.get_state_display().lower()}.")
    if asked.name_asked and typed_name.strip() != item.target_name:
        raise WrongName(f"Type {item.target_name} to send it again.")


def _move(item: Item, to: ItemState, **fields: Any) -> None:
    if to not in ITEM_TRANSITIONS[ItemState.UNKNOWN]:
        raise ValueError(f"No item goes from unknown to {to}.")
    item.state = to
    for name, value in fields.items():
        setattr(item, name, value)
    item.save(update_fields=["state", *fields])

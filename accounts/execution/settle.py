"""Moving an item on, always with its event in the same transaction, and ending the change with its last item."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ITEM_FINAL, ITEM_OPEN, ITEM_TRANSITIONS, ChangeState, ItemState
from accounts.execution.models import Call, CallState
from riskadmin.audit.actions import Happening, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.exchange import Exchange

EVENT_RESPONSE_MAX = 2000
"""Characters of Tradovate's answer that an event repeats; the call has all of it."""


def move(item: Item, *, came_from: ItemState, to: ItemState, **fields: Any) -> bool:
    """Move an item from one state to another if it still is in the first, and say whether it was.

    Raises ValueError for a step that ITEM_TRANSITIONS does not know. A lost race is a normal False.
    """
    if to not in ITEM_TRANSITIONS[came_from]:
        raise ValueError(f"No item goes from {came_from} to {to}.")
    if to in ITEM_FINAL:
        fields.setdefault("settled_at", timezone.now())
        fields.update(not_before=None, lease_until=None)
    return bool(Item.objects.filter(pk=item.pk, state=came_from).update(state=to, **fields))


def settle(
    item: Item,
    *,
    came_from: ItemState,
    to: ItemState,
    note: str,
    origin: Origin,
    call: Call | None = None,
    observed: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Give an item its final outcome with the event, and finish the change with its last item. Needs an open transaction.

    Returns False, having done nothing, when the item is no longer in `came_from`.
    """
    if not move(item, came_from=came_from, to=to, note=note, observed=observed):
        return False
    record(
        happening(
            Tag.ITEM_SETTLED,
            item,
            origin=origin,
            call=call,
            after=observed,
            detail={"outcome": to.value, "text": note, **(detail or {})},
        ),
    )
    finish_change(item.change, origin=origin)
    return True


def happening(
    tag: Tag,
    item: Item,
    *,
    origin: Origin,
    call: Call | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Happening:
    """Return an event about an item, with everything that its change and target say."""
    return Happening(
        tag=tag,
        actor=SYSTEM,
        origin=origin,
        subject=item.subject,
        change_id=item.change_id,
        item_id=item.pk,
        call_id=call.pk if call else None,
        reason_code=item.change.reason_code,
        reason_text=item.change.reason_text,
        before=item.before,
        after=after if after is not None else item.after,
        detail=detail or {},
    )


def end_call(call: Call, *, state: CallState, exchange: Exchange | None, note: str = "") -> None:
    """Write a call's end and its evidence; a call that has ended already keeps its first end."""
    fields: dict[str, Any] = {"state": state, "ended_at": timezone.now(), "note": note}
    if exchange:
        fields |= evidence(exchange)
    Call.objects.filter(pk=call.pk, state=CallState.OPEN).update(**fields)


def evidence(exchange: Exchange) -> dict[str, Any]:
    """Return the columns of Call that an exchange fills."""
    return {
        "endpoint": exchange.endpoint,
        "method": exchange.method,
        "path": exchange.path,
        "request_body": exchange.request_body,
        "status": exchange.status,
        # PostgreSQL's text can't hold NUL, and an answer may hold anything.
        "response_text": exchange.response_text.replace("\x00", "\\u0000"),
        "elapsed_ms": exchange.elapsed_ms,
    }


def answer_detail(exchange: Exchange | None) -> dict[str, Any]:
    """Return what an event repeats of Tradovate's answer."""
    if exchange is None:
        return {}
    return {
        "status": exchange.status,
        "response": exchange.response_text[:EVENT_RESPONSE_MAX].replace("\x00", "\\u0000"),
        "elapsed_ms": exchange.elapsed_ms,
    }


def finish_change(change: Change, *, origin: Origin) -> bool:
    """Finish a running change that has no open item left, with its event; say whether this call did it."""
    if Item.objects.filter(change_id=change.pk, state__in=ITEM_OPEN).exists():
        return False
    at = timezone.now()
    with transaction.atomic():
        finished = Change.objects.filter(pk=change.pk, state=ChangeState.RUNNING).update(
            state=ChangeState.FINISHED, finished_at=at
        )
        if not finished:
            return False
        counts = Item.objects.filter(change_id=change.pk).values_list("state").annotate(Count("id")).order_by()
        record(
            Happening(
                tag=Tag.CHANGE_FINISHED,
                actor=SYSTEM,
                origin=origin,
                change_id=change.pk,
                detail={"counts": dict(counts), "seconds": _seconds(change, at)},
            ),
        )
    return True


def _seconds(change: Change, at: datetime) -> float:
    return round((at - (change.decided_at or change.submitted_at)).total_seconds(), 3)

"""Moving items on, always with their audit events in the same transaction, and ending the change with its last item."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from accounts.changes.audit_events import item_event
from accounts.changes.ending import finish_change
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item
from accounts.changes.moving import move_items
from accounts.changes.states import ITEM_FINAL, ItemState
from accounts.execution.models import Call, CallState
from riskadmin.audit.actions import AuditEntry, record_all
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.http_record import HttpRecord

EVENT_RESPONSE_MAX = 2000
"""Characters of Tradovate's response that an audit event repeats; the call has all of it."""


def settle(
    items: Sequence[Item],
    *,
    came_from: ItemState,
    to: ItemState,
    note: str,
    origin: Origin,
    call: Call | None = None,
    observed: Mapping[int, State] | None = None,
    detail: Mapping[str, Any] | None = None,
    seen_at: datetime | None = None,
) -> list[Item]:
    """Give items of one change their final outcome with the audit events, and finish the change with its last item.

    `observed` is what was read back, by target, in a reading that began at `seen_at`. Needs an open transaction. Returns the
    items that still were in `came_from`.
    """
    if to not in ITEM_FINAL:
        raise ValueError(f"{to} is not an outcome.")
    # For an item with several steps, what an earlier step's read-back showed is kept as well.
    seen = {
        item.pk: {**(item.observed or {}), **observed[item.target_id]}
        for item in items
        if observed and item.target_id in observed
    }
    fields: dict[str, Any] = {"note": note, "settled_at": timezone.now(), "not_before": None, "lease_until": None}
    if seen_at:
        fields["seen_at"] = seen_at
    there = move_items(items, came_from=came_from, to=to, own=("observed", seen) if seen else None, **fields)
    if not there:
        return []
    record_all(
        item_event(
            Tag.ITEM_SETTLED,
            item,
            origin=origin,
            call_id=call.pk if call else None,
            after=seen.get(item.pk),
            detail={"outcome": to.value, "text": note, **(detail or {})},
        )
        for item in there
    )
    finish_change(there[0].change, origin=origin)
    return there


def record_item_events(
    tag: Tag,
    items: Sequence[Item],
    *,
    origin: Origin,
    call: Call | None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record one audit event about a call's items: about the item itself if it is one, else about the change and the count."""
    record_all(item_events(tag, items, origin=origin, call=call, detail=detail))


def item_events(
    tag: Tag,
    items: Sequence[Item],
    *,
    origin: Origin,
    call: Call | None,
    detail: Mapping[str, Any] | None = None,
) -> list[AuditEntry]:
    """Return what `record_item_events` records: one audit event, or none if there are no items."""
    if not items:
        return []
    if len(items) == 1:
        return [item_event(tag, items[0], origin=origin, call_id=call.pk if call else None, detail=detail)]
    change = items[0].change
    return [
        AuditEntry(
            tag=tag,
            actor=SYSTEM,
            origin=origin,
            change_id=change.pk,
            call_id=call.pk if call else None,
            reason_code=change.reason_code,
            reason_text=change.reason_text,
            detail={"items": len(items), **(detail or {})},
        ),
    ]


def end_call(call: Call, *, state: CallState, http_record: HttpRecord | None, note: str = "") -> None:
    """Write a call's end and its evidence; a call that has ended already keeps its first end."""
    fields: dict[str, Any] = {"state": state, "ended_at": timezone.now(), "note": note}
    if http_record:
        fields |= evidence(http_record)
    Call.objects.filter(pk=call.pk, state=CallState.OPEN).update(**fields)


def end_calls(answered: Sequence[tuple[Call, HttpRecord]]) -> None:
    """Write the ends of calls that all got a response, in one statement, under the rules of `end_call`."""
    columns = [evidence(http_record) for _, http_record in answered]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE execution_call SET state = %s, ended_at = %s, endpoint = given.endpoint, method = given.method,
                   path = given.path, request_text = given.request_text, status = given.status,
                   response_text = given.response_text, elapsed_ms = given.elapsed_ms
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::int[])
                 AS given (id, endpoint, method, path, request_text, status, response_text, elapsed_ms)
            WHERE execution_call.id = given.id AND execution_call.state = %s
            """,
            [
                CallState.ANSWERED.value,
                timezone.now(),
                [call.pk for call, _ in answered],
                *(
                    [row[name] for row in columns]
                    for name in ("endpoint", "method", "path", "request_text", "status", "response_text", "elapsed_ms")
                ),
                CallState.OPEN.value,
            ],
        )


def hold(change_id: int, wait_s: float, why: str) -> bool:
    """Make a change wait for this many seconds; a longer wait in force is kept. Return whether this one is the longer."""
    until = timezone.now() + timedelta(seconds=wait_s)
    shorter = Q(held_until__isnull=True) | Q(held_until__lt=until)
    return bool(Change.objects.filter(shorter, pk=change_id).update(held_until=until, held_why=why))


def evidence(http_record: HttpRecord) -> dict[str, Any]:
    """Return the columns of Call that an HTTP record fills."""
    return {
        "endpoint": http_record.endpoint,
        "method": http_record.method,
        "path": http_record.path,
        "request_text": http_record.request_text or "",
        "status": http_record.status,
        # PostgreSQL's text can't hold NUL, and a response may contain anything.
        "response_text": http_record.response_text.replace("\x00", "\\u0000"),
        "elapsed_ms": http_record.elapsed_ms,
    }


def answer_detail(http_record: HttpRecord | None) -> dict[str, Any]:
    """Return what an audit event repeats of Tradovate's response."""
    if http_record is None:
        return {}
    return {
        "status": http_record.status,
        "response": http_record.response_text[:EVENT_RESPONSE_MAX],
        "elapsed_ms": http_record.elapsed_ms,
    }


def leave_unknown(items: Sequence[Item], came_from: ItemState, note: str) -> list[Item]:
    """Make items unknown, or keep them so, without a time to read them again; return those that still were in `came_from`.

    Needs an open transaction.
    """
    if came_from != ItemState.UNKNOWN:
        return move_items(items, came_from=came_from, to=ItemState.UNKNOWN, not_before=None, lease_until=None, note=note)
    there = still_in(items, came_from)
    Item.objects.filter(pk__in=[item.pk for item in there]).update(not_before=None, note=note)
    return there


def still_in(items: Sequence[Item], state: ItemState) -> list[Item]:
    """Lock the items' rows, in their order, and return the items that are in the state. Needs an open transaction."""
    rows = Item.objects.select_for_update(of=("self",)).filter(pk__in=[item.pk for item in items], state=state)
    there = set(rows.order_by("pk").values_list("pk", flat=True))
    return [item for item in items if item.pk in there]

"""Reading what proves an item's outcome: its calls, as far as they concern it, and its audit events."""

from typing import Final

from django.db.models import Exists, F, Func, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Greatest, Left, Length, StrIndex, Substr

from accounts.access.queries import access_of
from accounts.changes.access import of_visible_changes
from accounts.changes.models import Item
from accounts.execution.models import Call, CallItem, Purpose
from riskadmin.audit.models import NEWEST_FIRST, Event
from riskadmin.audit.rendering import EventLine
from riskadmin.staff.models import Staff

EXCERPT: Final = 2000
"""Characters of a text that a page shows; a call that reads all accounts has megabytes, and a file of its own."""

CALLS_SHOWN, EVENTS_SHOWN = 100, 200
_BEFORE_IT: Final = EXCERPT // 2


def in_short(calls: QuerySet[Call]) -> QuerySet[Call]:
    """Return calls with the beginning and length of what was sent and received instead of the whole."""
    return calls.defer("request_text", "response_text").annotate(
        sent=Left("request_text", EXCERPT),
        sent_length=Length("request_text"),
        answer=Left("response_text", EXCERPT),
        answer_length=Length("response_text"),
        answer_from=Value(1),
    )


def visible_calls(calls: QuerySet[Call], viewer: Staff) -> QuerySet[Call]:
    """Return those of some calls that a person may see.

    What Tradovate answers to a reading may name any account. With limited access, only calls that wrote something are seen, and
    only if every item that they carried is of a change that the person may see.
    """
    if access_of(viewer) is None:
        return calls
    carried = CallItem.objects.filter(call=OuterRef("pk"))
    seen = of_visible_changes(CallItem.objects.filter(pk=OuterRef("pk")), viewer, change="item__change_id")
    return calls.filter(Exists(carried), ~Exists(carried.filter(~Exists(seen))), purpose=Purpose.WRITE)


def calls_of(item: Item, viewer: Staff) -> list[Call]:
    """Return the calls that carried an item, as far as somebody sees them, newest first.

    Each has the part of its response that names the target.
    """
    text = str(item.target_id)
    found = StrIndex("response_text", Value(text))
    begins = Greatest(found - _BEFORE_IT, Value(1))
    calls = visible_calls(Call.objects.filter(items=item), viewer).order_by("-pk")
    return list(
        in_short(calls)
        .annotate(answer_from=begins, answer=Substr("response_text", begins, EXCERPT), sent=_around("request_text", text))
        .all()[:CALLS_SHOWN]
    )


def _around(column: str, text: str) -> Func:
    """Return the part of a text around the first occurrence of another text."""
    begins = Greatest(StrIndex(column, Value(text)) - _BEFORE_IT, Value(1))
    return Substr(F(column), begins, EXCERPT, output_field=TextField())


def events_of(item: Item, calls: list[Call]) -> list[EventLine]:
    """Return the audit events of an item, newest first: its own, and those of calls that it shared with others."""
    events = Event.objects.filter(change_id=item.change_id)
    own = list(events.filter(item_id=item.pk).order_by(*NEWEST_FIRST)[:EVENTS_SHOWN])
    shared = list(events.filter(item_id=None, call_id__in=[call.pk for call in calls]).order_by(*NEWEST_FIRST)[:EVENTS_SHOWN])
    both = sorted([*own, *shared], key=lambda event: (event.occurred_at, event.pk), reverse=True)
    return [EventLine(event) for event in both]

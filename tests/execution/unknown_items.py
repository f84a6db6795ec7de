"""Items whose outcome is unknown, with the calls behind them, as workers leave them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.resolving import Seen
from accounts.execution.unknown_item import question
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.world import ACTED_AT, CLOSING_ONLY, LOCKED, NORMAL, approve, ask, make_account, make_accounts, open_item
from tests.staff.people import make_person

WHY: Final = "No answer within 15 s"
AS_BEFORE: Final = {"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": False}
"""What the items of `unknown` and `unknown_many` were before."""
AS_INTENDED: Final = {"admin_action": LOCKED, "admin_at": ACTED_AT.isoformat(), "stopped_by_limit": False}
ELSEWHERE: Final = {"admin_action": CLOSING_ONLY, "admin_at": ACTED_AT.isoformat(), "stopped_by_limit": False}


def make_call(*items: Item, **columns: Any) -> Call:
    """Add a call that carried these items: a write without an answer, unless the columns say otherwise."""
    now = timezone.now()
    call = Call.objects.create(
        **{
            "purpose": Purpose.WRITE,
            "environment": "demo",
            "lane": "urgent",
            "worker": "one",
            "state": CallState.UNKNOWN,
            "started_at": now,
            "ended_at": now,
            "method": "POST",
            "path": "/v1/x",
            **columns,
        }
    )
    CallItem.objects.bulk_create([CallItem(call=call, item=item) for item in items])
    return call


def unknown(number: int = 101, kind: str = "lock", *, requested_by: Staff | None = None) -> Item:
    """An item of a running change whose outcome is unknown after its one call; requested by support, if no one is named."""
    requester = requested_by or _support()
    item = open_item(requester, make_account(number), kind, ItemState.UNKNOWN, form_key=uuid4())
    Item.objects.filter(pk=item.pk).update(note=WHY, claimed_at=timezone.now())
    make_call(item, note=WHY)
    return Item.objects.select_related("change").get(pk=item.pk)


def unknown_many(
    numbers: Sequence[int], *, requested_by: Staff | None = None, observed: Mapping[str, Any] | None = None
) -> Change:
    """A running change that locks these accounts, every outcome unknown; read back as `observed`, if that is given."""
    make_accounts(numbers)
    change = ask(requested_by or _support(), "lock", *numbers)
    if change.state == ChangeState.PENDING:
        approve(make_person(Role.SUPERVISOR, "approver"), change)
    for state in (ItemState.SENDING, ItemState.UNKNOWN):
        change.items.update(state=state)
    change.items.update(note=WHY, claimed_at=timezone.now())
    items = list(change.items.all())
    make_call(*items, note=WHY)
    if observed is not None:
        read_as(observed, *items)
    change.refresh_from_db()
    return change


def read_as(observed: Mapping[str, Any] | None, *items: Item, note: str = WHY) -> Call:
    """Let a reading show this of the items, and leave them to people."""
    call = make_call(*items, purpose=Purpose.READ_BACK, state=CallState.ANSWERED, status=200, method="GET")
    Item.objects.filter(pk__in=[item.pk for item in items]).update(observed=observed, note=note)
    return call


def _support() -> Staff:
    return Staff.objects.filter(username="support").first() or make_person(Role.SUPPORT)


def everything() -> tuple[list[Any], ...]:
    """Every row that a decision could write; that a request was refused is an event of its own."""
    rows = tuple(list(model.objects.order_by("pk").values()) for model in (Change, Item, Call))
    return *rows, list(Event.objects.exclude(tag=Tag.STAFF_REQUEST_REFUSED).order_by("pk").values())


def refused_since(before: tuple[list[Any], ...], person: Staff) -> list[str]:
    """The outcomes that this person tried to decide since then; checks that nothing but these attempts was written."""
    *rows, events = everything()
    *rows_before, events_before = before
    assert rows == rows_before
    new = events[len(events_before) :]
    assert {(each["tag"], each["staff_id"]) for each in new} <= {(Tag.ITEM_DECISION_REFUSED.value, person.pk)}
    return [each["detail"]["outcome"] for each in new]


def seen(*items: Item) -> Seen:
    """What a page would show of these items now."""
    asked = [question(Item.objects.select_related("change").get(pk=item.pk)) for item in items]
    return Seen(evidence_key=asked[0].evidence.key, calls={each.item.pk: each.calls.last for each in asked})


def states(*items: Item) -> list[str]:
    """The states that items are in now."""
    return [Item.objects.get(pk=item.pk).state for item in items]

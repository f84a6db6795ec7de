"""Events for tests, written as the application writes them."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag

SAM = Who(id=7, name="Sam Support", role="support")
SUE = Who(id=8, name="Sue Supervisor", role="supervisor")
LOCKED = Subject(environment="demo", account_id=101, account_name="EVAL-101")


def write(tag: Tag = Tag.CHANGE_SUBMITTED, *, actor: Who = SAM, origin: Origin | None = None, **content: Any) -> Event:
    """Write one event and return its row."""
    with transaction.atomic():
        record(AuditEntry(tag=tag, actor=actor, origin=origin or Origin(request_id="0" * 32), **content))
    return Event.objects.latest("id")


def write_old(count: int, *, at: datetime, tag: str = Tag.ITEM_SENT, **columns: Any) -> list[Event]:
    """Write events of one past moment, as only a test may; newest id last."""
    return Event.objects.bulk_create(Event(tag=tag, occurred_at=at, **columns) for _ in range(count))


def raw(statement: str, *values: Any) -> None:
    """Run a statement on the trail's table behind the application's back."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)

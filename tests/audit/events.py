"""Events for tests, written as the application writes them."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.declarations import DECLARATIONS
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag

SAM = Who(id=7, name="Sam Support", role="support")
SUE = Who(id=8, name="Sue Supervisor", role="supervisor")
LOCKED = Subject(environment="demo", account_id=101, account_name="EVAL-101")

_VALUES: dict[str, Any] = {
    "excluded": ["KTR50K-000102"],
    "mentions": ["Sue Supervisor"],
    "method": "POST",
    "path": "/changes/7/approve/",
    "active": True,
    "attempt": 2,
    "category": "Evaluation",
    "category_id": 31,
    "comment": "As agreed",
    "counts": {"applied": 2, "rejected": 1},
    "decisions_needed": 1,
    "digest": "d1gest",
    "effects": {"liquidated": 3},
    "elapsed_ms": 60,
    "endpoint": "/account/list",
    "environment": "live",
    "faults": {"Unknown": 2},
    "files": [["request.eml", "5ha256"]],
    "firm_reason": "Our mistake",
    "goes_on": True,
    "hours": "Monday 09:00 to 17:00",
    "host": "hooks.example.com",
    "incident": "INC-7",
    "items": 3,
    "kind": "lock",
    "known_at": "2026-11-21T16:40:12+00:00",
    "lines": [4, 5],
    "factor": "passkey Laptop",
    "operator": "Olga Operator",
    "stead": "the second factor",
    "failures": 10,
    "proven_by": "password, passkey",
    "locked_until": "2026-11-21T14:18:05+00:00",
    "missing": {"accounts": "6 of 10"},
    "move": 11,
    "moved": [{"target": "demo:account:101"}],
    "needs_person": True,
    "note": 12,
    "number": 4,
    "observed": {"admin_action": "Normal"},
    "of_change": 2,
    "access": "all of demo",
    "access_before": "every account",
    "is_wider": False,
    "whom": "Sam Support",
    "whose": "a relative of Sam Support (staff)",
    "on_duty": "Sue Supervisor",
    "outcome": "applied",
    "read_at": "2026-11-21T16:43:15+00:00",
    "reason": "penalty",
    "relation": "undoes",
    "response": "answered",
    "review_by": "2026-12-01",
    "position": 2,
    "events": 3,
    "filter": "Account: EVAL-101",
    "first": 12,
    "last": 13,
    "page": "people:list",
    "process": "web",
    "query": "environment=demo",
    "rows": 2,
    "rules": 8,
    "runs_at": "2026-11-22T15:00:00+00:00",
    "scope": "read",
    "seconds": 1.5,
    "seen_call": 9,
    "sessions": 2,
    "set_aside": 1,
    "shown": "As before",
    "skipped": "archived",
    "since": "2026-11-21T15:00:00+00:00",
    "source": "CSV limits.csv",
    "staff_id": 8,
    "act": "Give a role",
    "by_email": True,
    "command": "sync_mirror",
    "email": "sue@firm.example",
    "handed_over": ["2 requests withdrawn"],
    "link": 5,
    "options": {"environment": ["demo"]},
    "purpose": "invitation",
    "requester": "Ada Administrator",
    "rights_request": 6,
    "role": "supervisor",
    "stand_in": "Stan Supervisor",
    "status": 200,
    "step": "Lock it",
    "template": "50K evaluation",
    "text": "Read back",
    "ticket": "HELP-1234",
    "to": "Category A on demo",
    "token": "on-call (rat_abcd…)",
    "token_id": 3,
    "topics": ["decided"],
    "trial": {"compared_with": 1, "requests": 40, "more": 2},
    "until": "2026-11-21T15:00:00+00:00",
    "username": "sue",
    "verdict": "approve",
    "backup": "20261121T150000Z",
    "deleted_backups": ["20261101T150000Z"],
    "size": 123456,
    "sha256": "ab" * 32,
    "taken_at": "2026-11-21T15:00:00+00:00",
    "export": 3,
    "findings": ["audit_event 9 is not what was sealed as leaf 8"],
    "format": "jsonl",
    "verified_from": 0,
    "withheld": ["staff"],
    "wait_s": 5,
    "webhook": "risk-desk",
    "why": "It moved",
    "window": "outside_trading",
    "words": "Access to all of demo, instead of Program 1 on demo",
}


def sample(tag: Tag) -> dict[str, Any]:
    """Return the details of an event of a tag, with a value for each field that it declares."""
    return {name: _VALUES[name] for name in DECLARATIONS[tag].fields}


def write(
    tag: Tag = Tag.CHANGE_SUBMITTED,
    *,
    actor: Who = SAM,
    origin: Origin | None = None,
    detail: dict[str, Any] | None = None,
    **content: Any,
) -> Event:
    """Write one event and return its row. A field that the tag requires and `detail` lacks gets its sample value."""
    given = {name: _VALUES[name] for name in DECLARATIONS[tag].required} | (detail or {})
    with transaction.atomic():
        record(AuditEntry(tag=tag, actor=actor, origin=origin or Origin(request_id="0" * 32), detail=given, **content))
    return Event.objects.latest("id")


def write_old(count: int, *, at: datetime, tag: str = Tag.ITEM_SENT, **columns: Any) -> list[Event]:
    """Write events of one past moment, as only a test may; newest id last."""
    return Event.objects.bulk_create(Event(tag=tag, occurred_at=at, **columns) for _ in range(count))


def raw(statement: str, *values: Any) -> None:
    """Run a statement on the trail's table behind the application's back."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)

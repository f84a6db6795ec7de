"""Requests for approval as an older database had them: not judged by any version of the policy."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState
from riskadmin.staff.models import Staff

GUARD = "ALTER TABLE approvals_approvalrequest {} TRIGGER approvals_request_guard"


def old_request(person: Staff, kind: str, environment: str, *, needed: int, digest: str, **columns: Any) -> ApprovalRequest:
    """Add the request of a change, behind the guard's back; approved if it needs nothing."""
    (made,) = old_requests(1, person, kind, environment, needed=needed, digest=digest, **columns)
    return made


def old_requests(
    count: int, person: Staff, kind: str, environment: str, *, needed: int, digest: str, **others: Any
) -> list[ApprovalRequest]:
    """Add the requests of several changes."""
    columns: dict[str, Any] = {
        "subject": "change",
        "digest": digest,
        "requested_by": person,
        "requested_by_name": person.display_name,
        "requested_at": timezone.now(),
        "facts": {"subject": "change", "kind": kind, "environment": environment, "items": 1},
        "needed": needed,
        "stages": [{"approvals": needed, "role": ""}] if needed else [],
        "expires_at": timezone.now() + timedelta(hours=1),
        "state": RequestState.WAITING if needed else RequestState.APPROVED,
    }
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come can't be altered
        cursor.execute(GUARD.format("DISABLE"))
        made = ApprovalRequest.objects.bulk_create(ApprovalRequest(**{**columns, **others}) for _ in range(count))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(GUARD.format("ENABLE ALWAYS"))
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return made

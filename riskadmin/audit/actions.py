"""Write the audit trail. Each call is explicit and inside the transaction of what it records: no event, no effect."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from riskadmin.audit.copying import copy_in
from riskadmin.audit.declarations import check_fields
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag


class NoTransaction(RuntimeError):
    """An event was written outside the transaction of what it records."""


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """The content of one event, before it is written.

    `detail` has the fields that the tag declares. Raises WrongFields for a missing or an unknown one.
    """

    tag: Tag
    actor: Who
    origin: Origin
    subject: Subject | None = None
    change_id: int | None = None
    item_id: int | None = None
    call_id: int | None = None
    reason_code: str = ""
    reason_text: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self.tag, self.detail)


def record(entry: AuditEntry) -> None:
    """Write one event.

    Must be called inside an atomic block, so that the event and what it records are committed together or not at all.
    Raises NoTransaction otherwise, and DatabaseError when the trail can't be written; the caller's work then rolls back.
    """
    record_all([entry])


def record_all(entries: Iterable[AuditEntry]) -> None:
    """Write many events in their order, under the rules of `record`."""
    if not transaction.get_connection().in_atomic_block:
        message = "An event must be written inside the transaction of what it records."
        raise NoTransaction(message)
    copy_in(Event, [_row(entry) for entry in entries])


def _row(entry: AuditEntry) -> dict[str, Any]:
    actor, origin, subject = entry.actor, entry.origin, entry.subject
    return {
        "tag": entry.tag,
        "staff_id": actor.id,
        "staff_name": actor.name,
        "staff_role": actor.role,
        "job": origin.job,
        "request_id": origin.request_id,
        "address": origin.address,
        "environment": subject.environment if subject else "",
        "account_id": subject.account_id if subject else None,
        "account_name": subject.account_name if subject else "",
        "change_id": entry.change_id,
        "item_id": entry.item_id,
        "call_id": entry.call_id,
        "reason_code": entry.reason_code,
        "reason_text": entry.reason_text,
        "before": None if entry.before is None else dict(entry.before),
        "after": None if entry.after is None else dict(entry.after),
        "detail": dict(entry.detail),
    }

"""Writing the trail. Explicit calls only, each inside the transaction of what it records: no event, no effect."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from riskadmin.audit.copying import copy_in
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag


class NoTransaction(RuntimeError):
    """An event was written outside the transaction of what it records."""


@dataclass(frozen=True, kw_only=True)
class Happening:
    """The content of one event, before it is written."""

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


def record(happening: Happening) -> None:
    """Write one event.

    Must be called inside an atomic block, so that the event and what it records are committed together or not at all.
    Raises NoTransaction otherwise, and DatabaseError when the trail can't be written; the caller's work then rolls back.
    """
    record_all([happening])


def record_all(happenings: Iterable[Happening]) -> None:
    """Write many events in their order, under the rules of `record`."""
    if not transaction.get_connection().in_atomic_block:
        message = "An event must be written inside the transaction of what it records."
        raise NoTransaction(message)
    copy_in(Event, [_row(happening) for happening in happenings])


def _row(happening: Happening) -> dict[str, Any]:
    actor, origin, subject = happening.actor, happening.origin, happening.subject
    return {
        "tag": happening.tag,
        "staff_id": actor.id,
        "staff_name": actor.name,
        "staff_role": actor.role,
        "job": origin.job,
        "request_id": origin.request_id,
        "address": origin.address,
        "environment": subject.environment if subject else "",
        "account_id": subject.account_id if subject else None,
        "account_name": subject.account_name if subject else "",
        "change_id": happening.change_id,
        "item_id": happening.item_id,
        "call_id": happening.call_id,
        "reason_code": happening.reason_code,
        "reason_text": happening.reason_text,
        "before": None if happening.before is None else dict(happening.before),
        "after": None if happening.after is None else dict(happening.after),
        "detail": dict(happening.detail),
    }

"""Write the audit trail. Each call is explicit and inside the transaction of what it records: no event, no effect."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import DatabaseError, transaction

from riskadmin.audit.copying import copy_in
from riskadmin.audit.declarations import check_fields
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag
from riskadmin.audit.unwritten import note_unwritten

logger = logging.getLogger(__name__)


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


Listener = Callable[[Sequence[AuditEntry]], None]
_listeners: Final[dict[Tag, list[Listener]]] = defaultdict(list)


def listen(tag: Tag, listener: Listener) -> None:
    """Call `listener` with the events of a tag that are written together, in their transaction. A package does this at start.

    For what has to follow every event of a tag, wherever it is written, such as messages to people. What the listener writes is
    rolled back together with the events. If it fails, only that is rolled back and logged: the events stand.
    """
    _listeners[tag].append(listener)


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
    written = list(entries)
    try:
        copy_in(Event, [_row(entry) for entry in written])
    except DatabaseError:
        note_unwritten(len(written))
        raise
    for tag in _listeners.keys() & {entry.tag for entry in written}:
        _call_listeners(tag, [entry for entry in written if entry.tag == tag])


def _call_listeners(tag: Tag, entries: Sequence[AuditEntry]) -> None:
    for listener in _listeners[tag]:
        try:
            with transaction.atomic():
                listener(entries)
        except Exception:  # whatever is wrong with a message, it must not keep a lock from being requested
            logger.exception("What should follow %s of change %s could not be written", tag, entries[0].change_id)


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

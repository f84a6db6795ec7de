"""That somebody read what is sensitive: pages at most once for each person and hour, files and prints each time."""

from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag

AGAIN_AFTER: Final = timedelta(hours=1)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def record_once(person: Any, tag: Tag, *, origin: Origin, key: str, detail: dict[str, Any]) -> None:
    """Write an event of a person, unless there is one of this tag within the hour with the same value of the detail `key`.

    Concurrent requests of one person wait for each other, so that only the first writes.
    """
    of_person = Event.objects.filter(staff_id=person.pk, tag=tag, occurred_at__gt=timezone.now() - AGAIN_AFTER)
    same = of_person.filter(**{f"detail__{key}": detail[key]})
    if same.exists():
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [f"{tag}:{person.pk}:{detail[key]}"])
        if not same.exists():
            record(AuditEntry(tag=tag, actor=person.who(), origin=origin, detail=detail))


def record_exported(person: Any, *, origin: Origin, page: str, path: str, query: str) -> None:
    """Write that a person took a file, unless the action that gave it has written an event of its own."""
    if origin.request_id and Event.objects.filter(request_id=origin.request_id).exists():
        return
    with transaction.atomic():
        detail = {"page": page, "path": path, "query": query}
        record(AuditEntry(tag=Tag.FILE_EXPORTED, actor=person.who(), origin=origin, detail=detail))


def record_printed(person: Any, *, origin: Origin, words: str, query: str, count: int) -> None:
    """Write that a person opened the print of the trail."""
    with transaction.atomic():
        detail = {"filter": words, "query": query, "events": count}
        record(AuditEntry(tag=Tag.TRAIL_PRINTED, actor=person.who(), origin=origin, detail=detail))

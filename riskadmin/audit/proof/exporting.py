"""Exports that people request: written in the background, kept for some days, and downloaded."""

import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from django.http import QueryDict
from django.utils import timezone

from riskadmin.audit.access import seen_by, sees_everything
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.filters import EventFilters
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.proof.export import NothingSealed, Wanted, write_export
from riskadmin.audit.proof.keys import NoKey
from riskadmin.audit.proof.models import Export, ExportPart, ExportState
from riskadmin.audit.tags import Tag

logger = logging.getLogger(__name__)

PART_BYTES: Final = 1 << 20
KEPT: Final = timedelta(days=7)
"""How long an export can be downloaded."""

STUCK_AFTER: Final = timedelta(hours=2)
"""An export that was begun before has lost its worker."""


class NotAvailable(Exception):
    """Who requested it may not read the trail any more, or its filter can't be read."""


def request_export(*, actor: Who, origin: Origin, query: str, data_format: str, withheld: list[str]) -> Export:
    """Note that somebody wants an export of what a filtered list shows; a worker writes it."""
    with transaction.atomic():
        export = Export.objects.create(
            requested_by_id=actor.id or 0,
            requested_by_name=actor.name,
            query=query,
            data_format=data_format,
            withheld=withheld,
        )
        detail = {"export": export.pk, "filter": query, "format": data_format, "withheld": withheld}
        record(AuditEntry(tag=Tag.TRAIL_EXPORT_REQUESTED, actor=actor, origin=origin, detail=detail))
    return export


def record_download(export: Export, *, actor: Who, origin: Origin) -> None:
    """Record that somebody downloads an export."""
    with transaction.atomic():
        detail = {"export": export.pk, "rows": export.rows}
        record(AuditEntry(tag=Tag.TRAIL_EXPORT_DOWNLOADED, actor=actor, origin=origin, detail=detail))


def parts_of(export: Export) -> Iterator[bytes]:
    """Yield the file of an export, a part at a time."""
    for position in range(-(-export.size // PART_BYTES)):
        yield bytes(ExportPart.objects.values_list("content", flat=True).get(export_id=export.pk, position=position))


def has_file(export: Export) -> bool:
    """Whether it can be downloaded still."""
    return export.state == ExportState.READY and ExportPart.objects.filter(export_id=export.pk, position=0).exists()


def write_waiting() -> int:
    """Write the exports that wait, one after the other; return how many. May run concurrently with itself."""
    Export.objects.filter(state=ExportState.RUNNING, began_at__lt=timezone.now() - STUCK_AFTER).update(
        state=ExportState.FAILED, failure="Its worker ended before it was written. Request it again.", ended_at=timezone.now()
    )
    written = 0
    while (export := _next()) is not None:
        _write(export)
        written += 1
    return written


def forget_exports() -> int:
    """Delete the files that are kept no longer; return how many parts."""
    return ExportPart.objects.filter(made_at__lt=timezone.now() - KEPT).delete()[0]


def _next() -> Export | None:
    with transaction.atomic():
        waiting = Export.objects.select_for_update(skip_locked=True).filter(state=ExportState.WAITING).order_by("pk").first()
        if waiting is not None:
            waiting.state, waiting.began_at = ExportState.RUNNING, timezone.now()
            waiting.save(update_fields=["state", "began_at"])
        return waiting


def _write(export: Export) -> None:
    mine = Export.objects.filter(pk=export.pk)

    def show(rows: int) -> None:
        mine.update(rows=rows)

    parts = _Parts(export)
    try:
        rows = write_export(parts, _wanted(export), progress=show)
        parts.flush_all()
    except (NothingSealed, NoKey, DatabaseError, NotAvailable) as error:
        logger.warning("Export %s could not be written", export.pk, exc_info=True)
        ExportPart.objects.filter(export_id=export.pk).delete()
        why = str(error) if not isinstance(error, DatabaseError) else "PostgreSQL refused it. The worker's log says why."
        mine.update(state=ExportState.FAILED, failure=why, ended_at=timezone.now())
        return
    mine.update(state=ExportState.READY, rows=rows, size=parts.size, ended_at=timezone.now())


def _wanted(export: Export) -> Wanted:
    person: Any = get_user_model().objects.filter(pk=export.requested_by_id, is_active=True).first()
    if person is None or not person.may("audit:view"):
        raise NotAvailable("Who requested it may not read the trail any more.")
    filters = EventFilters(QueryDict(export.query))
    if not filters.is_valid():
        raise NotAvailable("Its filter can't be read.")
    unlimited = sees_everything(person)
    chosen = {name: value for name, value in filters.form.cleaned_data.items() if value not in (None, "", [])}
    return Wanted(
        events=None if unlimited and not chosen else seen_by(person, filters.qs),
        evidence=unlimited,
        data_format=export.data_format,
        withheld=frozenset(export.withheld),
        described={name: str(value) for name, value in chosen.items()},
        made_by={"id": person.pk, "name": export.requested_by_name, "export": export.pk},
    )


class _Parts(io.RawIOBase):
    """A file that is written into parts."""

    def __init__(self, export: Export) -> None:
        super().__init__()
        self._export = export
        self._buffer = bytearray()
        self._position = 0
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self._buffer += content
        self.size += len(content)
        while len(self._buffer) >= PART_BYTES:
            self._store(PART_BYTES)
        return len(content)

    def flush_all(self) -> None:
        """Store the rest."""
        if self._buffer:
            self._store(len(self._buffer))

    def _store(self, count: int) -> None:
        content = bytes(self._buffer[:count])
        ExportPart.objects.create(export_id=self._export.pk, position=self._position, content=content)
        del self._buffer[:count]
        self._position += 1

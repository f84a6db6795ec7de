"""What an administrator does with the firm's reasons. Each is one transaction with its audit event."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.changes.reasons.models import Attachment, FirmReason
from accounts.changes.reasons.queries import offered
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import ReasonCode

Way = Literal["up", "down"]

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('reasons_firmreason'), hashtext(%s))"
"""Two people may edit the list of one kind at the same time."""


class NameTaken(Exception):
    """Another reason of the kind, offered or retired, has this name."""


def add_reason(*, actor: Staff, origin: Origin, kind_name: str, name: str, code: ReasonCode, text: str) -> FirmReason:
    """Add a reason at the end of a kind's list and return it. Raises NameTaken."""
    with transaction.atomic():
        _lock(kind_name)
        _demand_free(kind_name, name)
        last = FirmReason.objects.filter(kind=kind_name).aggregate(last=Max("position"))["last"] or 0
        reason = FirmReason.objects.create(kind=kind_name, position=last + 1, name=name, code=code, text=text)
        _record_event(Tag.REASON_ADDED, reason, actor, origin, after=_said(reason))
    return reason


def edit_reason(*, actor: Staff, origin: Origin, reason: FirmReason, name: str, code: ReasonCode, text: str) -> FirmReason:
    """Change a reason for later requests and return it: changes keep what they were requested with. Raises NameTaken."""
    with transaction.atomic():
        _lock(reason.kind)
        reason = FirmReason.objects.select_for_update().get(pk=reason.pk)
        _demand_free(reason.kind, name, besides=reason)
        before = _said(reason)
        reason.name, reason.code, reason.text = name, code, text
        if _said(reason) != before:
            reason.save(update_fields=["name", "code", "text"])
            _record_event(Tag.REASON_EDITED, reason, actor, origin, before=before, after=_said(reason))
    return reason


def move_reason(*, actor: Staff, origin: Origin, reason: FirmReason, way: Way) -> None:
    """Exchange a reason's place with that of the one before or after it; at the end of the list, do nothing."""
    with transaction.atomic():
        _lock(reason.kind)
        order = list(offered(reason.kind))
        place = next((number for number, each in enumerate(order) if each.pk == reason.pk), None)
        other = None if place is None else place + (-1 if way == "up" else 1)
        if place is None or other is None or not 0 <= other < len(order):
            return
        first, second = order[place], order[other]
        before = {"position": place + 1}
        first.position, second.position = second.position, first.position
        FirmReason.objects.bulk_update([first, second], ["position"])
        _record_event(Tag.REASON_MOVED, first, actor, origin, before=before, after={"position": other + 1})


def retire_reason(*, actor: Staff, origin: Origin, reason: FirmReason) -> None:
    """No longer offer a reason; nothing happens to one that is retired already."""
    with transaction.atomic():
        if FirmReason.objects.filter(pk=reason.pk, retired_at=None).update(retired_at=timezone.now()):
            _record_event(Tag.REASON_RETIRED, reason, actor, origin)


def restore_reason(*, actor: Staff, origin: Origin, reason: FirmReason) -> None:
    """Offer a retired reason again; nothing happens to one that is offered already."""
    with transaction.atomic():
        if FirmReason.objects.filter(pk=reason.pk).exclude(retired_at=None).update(retired_at=None):
            _record_event(Tag.REASON_RESTORED, reason, actor, origin)


def download(*, actor: Staff, origin: Origin, attachment: Attachment) -> bytes:
    """Return what is in an attached file, after recording who takes it."""
    detail = {"files": [[attachment.name, attachment.sha256]]}
    tag = Tag.CHANGE_FILE_DOWNLOADED
    with transaction.atomic():
        record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, change_id=attachment.change_id, detail=detail))
        return bytes(attachment.content)


def _lock(kind_name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME, [kind_name])


def _demand_free(kind_name: str, name: str, *, besides: FirmReason | None = None) -> None:
    others = FirmReason.objects.filter(kind=kind_name, name__iexact=name)
    if (others.exclude(pk=besides.pk) if besides else others).exists():
        raise NameTaken


def _said(reason: FirmReason) -> dict[str, str]:
    return {"name": reason.name, "code": reason.code, "text": reason.text}


def _record_event(
    tag: Tag,
    reason: FirmReason,
    actor: Staff,
    origin: Origin,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    detail = {"kind": reason.kind, "firm_reason": reason.name}
    record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, before=before, after=after, detail=detail))

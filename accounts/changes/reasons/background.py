"""What a request says about why, besides reason code and text: the firm's reason, a ticket, and attached files."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import TextField
from django.db.models.expressions import RawSQL

from accounts.changes.models import Change
from accounts.changes.reasons.models import Attachment, Background, FirmReason, Upload
from accounts.models.digests import digest_of
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag

ATTACH: Final = """
INSERT INTO reasons_attachment (change_id, position, name, size, sha256, content)
SELECT %s, wanted.position, upload.name, upload.size, upload.sha256, upload.content
FROM unnest(%s::uuid[]) WITH ORDINALITY AS wanted (id, position) JOIN reasons_upload AS upload ON upload.id = wanted.id
"""


class UploadGone(Exception):
    """An uploaded file was deleted before its request was written. Nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was given with a request."""

    firm_reason_id: int | None = None
    firm_reason_name: str = ""
    ticket: str = ""
    uploads: tuple[Upload, ...] = ()

    @classmethod
    def of(cls, firm_reason: FirmReason | None, ticket: str, uploads: Iterable[Upload] = ()) -> "Given":
        """Return what a form says."""
        return cls(
            firm_reason_id=firm_reason.pk if firm_reason else None,
            firm_reason_name=firm_reason.name if firm_reason else "",
            ticket=ticket,
            uploads=tuple(uploads),
        )


NOTHING: Final = Given()


def given_with(change: Change) -> Given:
    """Return what was given with a stored change, for a change that continues it. Its files stay with the first one."""
    kept = Background.objects.filter(change=change).first()
    if kept is None:
        return NOTHING
    return Given(firm_reason_id=kept.firm_reason_id, firm_reason_name=kept.firm_reason_name, ticket=kept.ticket)


def attach(change: Change, given: Given) -> None:
    """Give a change that is not written yet its background; none if nothing was given."""
    if given != NOTHING:
        background = Background(
            change=change, firm_reason_id=given.firm_reason_id, firm_reason_name=given.firm_reason_name, ticket=given.ticket
        )
        background.uploads = given.uploads
        background.digest = _digest(background, [(each.name, each.sha256) for each in given.uploads])


def in_digest(change: Change) -> dict[str, str]:
    """Return what the digest of a change covers of this: nothing for a change without it."""
    background = _background(change)
    return {"background": background.digest} if background else {}


def in_trail(change: Change) -> dict[str, str]:
    """Return what the event of a request says of this: the values that were given."""
    background = _background(change)
    said = {"firm_reason": background.firm_reason_name, "ticket": background.ticket} if background else {}
    return {name: value for name, value in said.items() if value}


def store(change: Change) -> None:
    """Write what was given with a change, which was written just before; its items come after. Needs an open transaction.

    Raises UploadGone.
    """
    background = _background(change)
    if background is None:
        return
    background.save(force_insert=True)
    if background.uploads:
        with connection.cursor() as cursor:
            cursor.execute(ATTACH, [change.pk, [each.pk for each in background.uploads]])
            if cursor.rowcount != len(background.uploads):
                raise UploadGone("A file that you attached is no longer here. Attach it again.")


def record_attached(change: Change, who: Who, origin: Origin) -> None:
    """Record which files were attached to a change, if any."""
    background = _background(change)
    if background and background.uploads:
        detail = {"files": [[each.name, each.sha256] for each in background.uploads]}
        record(AuditEntry(tag=Tag.CHANGE_FILES_ATTACHED, actor=who, origin=origin, change_id=change.pk, detail=detail))


def is_altered(change: Change) -> bool:
    """Whether what is stored with a change, files included, is not what was requested. PostgreSQL hashes the files again."""
    background = Background.objects.filter(change=change).first()
    hashed = RawSQL("encode(sha256(content), 'hex')", [], output_field=TextField())
    stored = Attachment.objects.filter(change=change).order_by("position").annotate(hashed=hashed)
    files = list(stored.values_list("name", "hashed"))
    if background is None:
        return bool(files)
    return background.digest != _digest(background, files)


def _background(change: Change) -> Background | None:
    # Django puts it on the change when it is made for it (`attach`), and reads it only for a stored change.
    found: Background | None = getattr(change, "background", None)
    return found


def _digest(background: Background, files: Iterable[tuple[str, str]]) -> str:
    listed = [list(each) for each in files]
    content: dict[str, Any] = {
        "firm_reason": [background.firm_reason_id, background.firm_reason_name],
        "ticket": background.ticket,
        **({"attachments": listed} if listed else {}),
    }
    return digest_of(content)

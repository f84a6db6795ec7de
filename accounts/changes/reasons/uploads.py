"""Files on their way to a request: checked and kept as they arrive, so that a form that comes back still has them."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from accounts.changes.reasons.file_check import NotAccepted, check, safe_name
from accounts.changes.reasons.models import Upload
from accounts.changes.reasons.virus_check import NotScanned, virus_in
from riskadmin.staff.models import Staff

KEPT_FOR: Final = timedelta(days=2)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Received:
    """What came with a form: the ids of all its files that are kept, and why others are not."""

    ids: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def receive(actor: Staff, files: "Sequence[UploadedFile[Any]]", already: Sequence[str]) -> Received:
    """Keep the files that a form sent, in addition to those that it names `already`; write nothing for one that is refused."""
    ids, errors = list(dict.fromkeys(already)), []
    for file in files:
        name = safe_name(file.name or "")
        if len(ids) >= settings.ATTACHMENTS_MAX:
            errors.append(f"{name} is not attached: a request has at most {settings.ATTACHMENTS_MAX} files.")
            continue
        try:
            ids.append(str(_keep(actor, name, file).pk))
        except NotAccepted as error:
            errors.append(str(error))
    return Received(ids=tuple(ids), errors=tuple(errors))


def own(actor: Staff, ids: Sequence[str]) -> QuerySet[Upload]:
    """Return those of the uploads that this person made, without their content."""
    return Upload.objects.defer("content").filter(created_by=actor, pk__in=_uuids(ids)).order_by("created_at", "pk")


def forget_uploads() -> int:
    """Delete the uploads that can no longer be in use, and return how many there were."""
    deleted, _ = Upload.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted


def _keep(actor: Staff, name: str, file: "UploadedFile[Any]") -> Upload:
    most = settings.ATTACHMENT_MAX_BYTES
    size = file.size or 0
    if size > most:
        raise NotAccepted(
            f"{name} is not attached: it has {filesizeformat(size)}, and at most {filesizeformat(most)} are accepted."
        )
    content = file.read()
    check(name, content)
    _scan(name, content)
    return Upload.objects.create(
        created_by=actor, name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest(), content=content
    )


def _scan(name: str, content: bytes) -> None:
    """Refuse a file that has a virus, or that the scanner can't be asked about, if there is a scanner. Raises NotAccepted."""
    if settings.VIRUS_SCANNER is None:
        return
    try:
        virus = virus_in(content, settings.VIRUS_SCANNER)
    except NotScanned as error:
        logger.warning("A file could not be scanned for viruses: %s", error)
        raise NotAccepted(
            f"{name} is not attached: it can't be checked for viruses now. Send the request without it, or try again later."
        ) from error
    if virus is not None:
        logger.warning("A file with a virus was refused: %s", virus)
        raise NotAccepted(f"{name} is not attached: the virus scanner found {virus} in it.")


def _uuids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found

"""The firm's own reasons, and what else a request says about why. PostgreSQL keeps it as requested (`sql/`)."""

from typing import Final
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.template.defaultfilters import filesizeformat

from accounts.changes.models import Change
from accounts.changes.reasons.file_check import FILE_NAME_MAX
from riskadmin.database.privileges import append_only, kept, never_changed
from riskadmin.tradovate.vocabulary import REASON_TEXT_MAX, ReasonCode
from riskadmin.web.tickets import TICKET_MAX

NAME_MAX: Final = 80


@kept()
class FirmReason(models.Model):
    """A reason of the firm's own for one kind of change. It is retired, never deleted: changes refer to it."""

    kind = models.CharField(max_length=32)
    # Its place in the list of its kind, from 1; retired ones keep theirs.
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=NAME_MAX)
    # What choosing it fills in: Tradovate's code, and a text in which the person replaces the parts in square brackets.
    code = models.CharField(max_length=64, choices=[(code.value, code.value) for code in ReasonCode])
    text = models.TextField(blank=True, max_length=REASON_TEXT_MAX)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="firm_reason_once_per_kind"),
            models.CheckConstraint(condition=~Q(code=ReasonCode.OTHER.value) | ~Q(text=""), name="firm_reason_other_has_text"),
        ]

    def __str__(self) -> str:
        return self.name


@append_only()
class Background(models.Model):
    """What a change's request says besides reason code and text; without any of it, a change has no such row.

    `digest` is the SHA-256 over all of it, attachments included, and part of the change's digest.
    """

    change = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="background")
    firm_reason = models.ForeignKey(FirmReason, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    # Its name when the change was requested: an administrator may edit it later.
    firm_reason_name = models.CharField(max_length=NAME_MAX, blank=True)
    ticket = models.CharField(max_length=TICKET_MAX, blank=True)
    digest = models.CharField(max_length=64)

    uploads: "tuple[Upload, ...]" = ()
    """What its attachments are made of, while it is not written yet."""

    def __str__(self) -> str:
        return f"Background of change {self.change_id}"


class StoredFile(models.Model):
    """A checked file, in PostgreSQL: it is written and backed up together with the change that it belongs to."""

    name = models.CharField(max_length=FILE_NAME_MAX)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name}, {filesizeformat(self.size)}"


@never_changed()
class Upload(StoredFile):
    """A file that a person has uploaded for a request that is not submitted yet; deleted after two days.

    It stays here when the form comes back with an error, or the preview is shown again.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())


@append_only()
class Attachment(StoredFile):
    """A file that was given with a request, such as what the trader wrote."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="attachments", db_index=False)
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "position"], name="attachment_in_order")]

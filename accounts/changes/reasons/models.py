"""The firm's own reasons, and what else a request says about why. PostgreSQL keeps it as requested (migration 0001)."""

from typing import Final

from django.db import models
from django.db.models import Q

from accounts.changes.models import Change
from riskadmin.tradovate.vocabulary import REASON_TEXT_MAX, ReasonCode
from riskadmin.web.tickets import TICKET_MAX

NAME_MAX: Final = 80


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

    def __str__(self) -> str:
        return f"Background of change {self.change_id}"

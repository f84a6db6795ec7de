"""Reading the firm's reasons."""

from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change
from accounts.changes.reasons.models import Attachment, FirmReason


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The reasons of one kind: those that are offered, in their order, and those that are retired."""

    kind: Kind
    offered: list[FirmReason]
    retired: list[FirmReason]


def offered(kind_name: str) -> QuerySet[FirmReason]:
    """Return the reasons that a request of a kind may name, in their order."""
    return FirmReason.objects.filter(kind=kind_name, retired_at=None).order_by("position", "pk")


def attachments_of(change: Change) -> QuerySet[Attachment]:
    """Return the files that were given with a change, in their order, without their content."""
    return Attachment.objects.defer("content").filter(change=change).order_by("position")


def by_kind() -> list[Listed]:
    """Return every reason by kind, in the order of the kinds. One query."""
    kept: dict[str, list[FirmReason]] = {}
    for reason in FirmReason.objects.order_by("position", "pk"):
        kept.setdefault(reason.kind, []).append(reason)
    return [
        Listed(
            kind=kind,
            offered=[reason for reason in kept.get(name, []) if reason.retired_at is None],
            retired=[reason for reason in kept.get(name, []) if reason.retired_at is not None],
        )
        for name, kind in KINDS.items()
    ]

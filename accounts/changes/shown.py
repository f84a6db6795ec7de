"""The effects that an approver was shown: the page sends them back signed, and the approval's audit event keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core import signing

from accounts.changes.effects import ChangeEffects, Measure, differing
from accounts.changes.models import Change
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

EFFECTS: Final = "effects"
"""The key of the effects in the detail of an approval's audit event."""

_SALT: Final = "accounts.changes.shown"


class NotShown(ValueError):
    """What was sent back is not what this person was shown of this change."""


def sealed(change: Change, viewer: Staff, effects: ChangeEffects) -> str:
    """Return effects in the signed form that the approval page carries."""
    return signing.dumps([change.pk, viewer.pk, effects.to_json()], salt=_SALT, compress=True)


def unsealed(change_id: int, viewer: Staff, text: str) -> ChangeEffects | None:
    """Return the effects that a page carried; None if it showed none. Raises NotShown."""
    if not text:
        return None
    try:
        number, viewer_id, stored = signing.loads(text, salt=_SALT)
    except signing.BadSignature as error:
        raise NotShown from error
    if (number, viewer_id) != (change_id, viewer.pk):
        raise NotShown
    return ChangeEffects.from_json(stored)


@dataclass(frozen=True, kw_only=True)
class Approved:
    """What someone was shown when they approved a change, as far as it differs from what was requested."""

    by: str
    at: datetime
    differing: Sequence[tuple[Measure, int, int]]


def approved(change: Change) -> list[Approved]:
    """Return the approvals of a change whose approvers were shown other effects than were requested; one query."""
    requested = ChangeEffects.from_json(change.effects)
    events = Event.objects.filter(change_id=change.pk, tag=Tag.CHANGE_APPROVED).order_by("pk")
    found = [
        Approved(by=event.staff_name, at=event.occurred_at, differing=differing(requested, _recorded(event)))
        for event in events
    ]
    return [each for each in found if each.differing]


def _recorded(event: Event) -> ChangeEffects | None:
    stored: dict[str, Any] | None = event.detail.get(EFFECTS)
    return ChangeEffects.from_json(stored)

"""The effects that an approver was shown: the page sends them back signed, and the approval's audit event keeps them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.core import signing

from accounts.approvals.states import Verdict
from accounts.changes.effects import ChangeEffects, Measure, differing
from accounts.changes.models import Change
from riskadmin.staff.models import Staff

_SALT: Final = "accounts.changes.shown"


class NotShown(ValueError):
    """What was sent back is not what this person was shown of this change."""


def sealed(change: Change, viewer: Staff, effects: ChangeEffects, excluded: Iterable[str] = ()) -> str:
    """Return effects in the signed form that the approval page carries; `excluded` are the keys of items left out of them."""
    return signing.dumps([change.pk, viewer.pk, effects.to_json(), sorted(excluded)], salt=_SALT, compress=True)


def unsealed(change_id: int, viewer: Staff, text: str, excluded: Iterable[str] = ()) -> ChangeEffects | None:
    """Return the effects that a page carried; None if it showed none. Raises NotShown, also if it left out other items."""
    if not text:
        return None
    try:
        number, viewer_id, stored, left_out = signing.loads(text, salt=_SALT)
    except (signing.BadSignature, ValueError) as error:
        raise NotShown from error
    if (number, viewer_id, left_out) != (change_id, viewer.pk, sorted(excluded)):
        raise NotShown
    return ChangeEffects.from_json(stored)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What somebody was shown when they approved a change, as far as it differs from what it would do now."""

    by: str
    differing: Sequence[tuple[Measure, int, int]]


def seen_otherwise(change: Change, now: ChangeEffects) -> list[Seen]:
    """Return the approvals of the present content of a change whose approvers were shown other effects; one query."""
    request = change.approval
    approvals = request.approvals.filter(verdict=Verdict.APPROVE, version=request.version).order_by("pk")
    found = [Seen(by=each.staff_name, differing=differing(ChangeEffects.from_json(each.shown), now)) for each in approvals]
    return [each for each in found if each.differing]

"""Records of an account that can't be read and that a kind of change depends on."""

from collections.abc import Mapping
from typing import Any

from accounts.changes.kinds.kind import Kind
from accounts.models import Account, MirroredEntity, Trader, UnreadableRecord
from accounts.sync.unreadable import attach


def unreadable_for(kind: Kind, subject: Account | Trader) -> UnreadableRecord | None:
    """Return an unreadable record of an account that a kind depends on, if any. Reads what `attach` has set."""
    if not isinstance(subject, Account):
        return None
    needed = {MirroredEntity.RISK_STATUS, *(entity for part in kind.parts for entity in part.entities)}
    return next((record for record in subject.unreadable if record.entity in needed), None)


def readable(kind: Kind, subjects: Mapping[int, Any]) -> dict[int, Any]:
    """Return the targets for which everything that the kind's plan depends on can be read.

    A target that can't be read keeps its age, and must not keep others from being approved: nothing is sent for it.
    """
    attach(subject for subject in subjects.values() if isinstance(subject, Account))
    return {target_id: subject for target_id, subject in subjects.items() if unreadable_for(kind, subject) is None}

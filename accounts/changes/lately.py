"""What the requester of a change asked for lately for the same targets: an approver sees the whole of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import TextField
from django.utils import timezone

from accounts.changes.kinds import for_stored
from accounts.changes.kinds.stored import StoredKind
from accounts.changes.models import Change, Item
from accounts.models.ids import AnyOf

WITHIN: Final = timedelta(days=7)
CHANGES_NAMED: Final = 5
"""Changes that a page names; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class EarlierChange:
    """An earlier change, and how many of the same targets it had."""

    change: Change
    kind: StoredKind
    targets: int


@dataclass(frozen=True, kw_only=True)
class Lately:
    """The requester's other changes of the same targets, newest first, and the targets that they had."""

    changes: tuple[EarlierChange, ...] = ()
    more: int = 0
    targets: frozenset[str] = frozenset()


def lately(change: Change, targets: Sequence[str]) -> Lately:
    """Return what the requester of a change asked for within 7 days for its targets, whatever came of it; two queries."""
    items = Item.objects.filter(
        AnyOf("target", list(targets), TextField()),
        change__requested_by=change.requested_by_id,
        change__submitted_at__gte=timezone.now() - WITHIN,
    ).exclude(change=change.pk)
    found = list(items.values_list("change_id", "target"))
    counts = Counter(number for number, _ in found)
    named = sorted(counts, reverse=True)[:CHANGES_NAMED]
    changes = Change.objects.select_related("approval").in_bulk(named)
    return Lately(
        changes=tuple(
            EarlierChange(change=changes[number], kind=for_stored(changes[number]), targets=counts[number]) for number in named
        ),
        more=len(counts) - len(named),
        targets=frozenset(target for _, target in found),
    )

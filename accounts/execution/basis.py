"""What an item starts from and leads to, once its target was read right before the call."""

from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.models import Item


def basis(kind: Kind, item: Item) -> tuple[State, State]:
    """Return the states that an item's call starts from and should lead to.

    They are those that were shown, except for fields that the change does not name and someone else has changed since: those
    are kept.
    """
    before, after = item.before or {}, item.after or {}
    return (before, after) if item.found is None else kind.rebased(before=before, after=after, now=item.found)

"""Which messages a person may see: all of theirs, less those about what has come to be outside their access since.

The packages that messages are about know whose access is limited to what, and this one must not know them: they register a
filter each.
"""

from collections.abc import Callable

from django.db.models import QuerySet

from riskadmin.notifications.models import Message
from riskadmin.staff.models import Staff

Filter = Callable[[QuerySet[Message], Staff], QuerySet[Message]]
"""Takes messages and a person; returns those of them that the person may see."""

_filters: list[Filter] = []


def register(keep_visible: Filter) -> None:
    """Keep messages from people who may not see what they are about. A package calls this once, as it starts."""
    _filters.append(keep_visible)


def seen_by(person: Staff, messages: QuerySet[Message]) -> QuerySet[Message]:
    """Return those of some messages that a person may see."""
    for keep_visible in _filters:
        messages = keep_visible(messages, person)
    return messages

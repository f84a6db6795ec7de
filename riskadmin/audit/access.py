"""Which events a person may see: all of them, less what the packages that events are about keep from somebody.

Those packages know whose access is limited to what, and this one must not know them: they register a condition each.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet

from riskadmin.audit.models import Event

Condition = Callable[[Any], Q | None]
"""Takes a person; returns the condition on the events that they may see, or None for all."""

_conditions: list[Condition] = []


def register(condition: Condition) -> None:
    """Keep events from people who may not see them. A package calls this as it starts."""
    _conditions.append(condition)


def sees_everything(person: Any) -> bool:
    """Whether no event is kept from a person."""
    return all(condition(person) is None for condition in _conditions)


def seen_by(person: Any, events: QuerySet[Event]) -> QuerySet[Event]:
    """Return those of some events that a person may see."""
    for condition in _conditions:
        limit = condition(person)
        if limit is not None:
            events = events.filter(limit)
    return events

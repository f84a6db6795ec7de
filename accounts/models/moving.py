"""Moving rows on by the map of their states. Each function needs an open transaction, and the row locked."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import models

STATE: Final = "state"

Transitions = Mapping[Any, frozenset[Any]]


class NoSuchTransition(ValueError):
    """The map of transitions does not have it; nothing was written."""


def check_transition(transitions: Transitions, came_from: models.TextChoices, to: models.TextChoices) -> None:
    """Raise NoSuchTransition if the map does not have this transition."""
    if to not in transitions[came_from]:
        raise NoSuchTransition(f"There is no way from {came_from} to {to}.")


def move_row(row: models.Model, transitions: Transitions, to: models.TextChoices, **fields: Any) -> None:
    """Move a locked row on by the map of its model, together with some of its columns. Raises NoSuchTransition."""
    check_transition(transitions, type(to)(getattr(row, STATE)), to)
    for name, value in {STATE: to, **fields}.items():
        setattr(row, name, value)
    row.save(update_fields=[STATE, *fields])

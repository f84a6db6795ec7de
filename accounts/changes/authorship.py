"""Whether a change made here can have caused a difference that a reading found. The one rule, for every page.

A reading shows an account as it was at some moment after it began and before it was written. So a call can have caused a move
unless it began only after the move was recorded, or had ended before the old values were last read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.changes.kinds.limit_fields import digits, in_json
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, ValueType


@dataclass(frozen=True, kw_only=True)
class Act:
    """What an item was sent to do: the state it was shown, the intended state, and when it can have had its effect.

    `over_at` is None while its call is still open.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    began_at: datetime
    over_at: datetime | None

    def fits(self, *, known_at: datetime, noted_at: datetime) -> bool:
        """Say whether it can have caused a move recorded at `noted_at`, with the old values last read at `known_at`."""
        return self.began_at <= noted_at and (self.over_at is None or known_at <= self.over_at)

    def meant(self, name: str, value: Any) -> bool:
        """Say whether it was meant to set a field to this value."""
        return bool(self.before.get(name) != self.after.get(name) and self.after.get(name) == value)


def as_recorded(name: str, value: Any) -> Any:
    """Return a limit's value from a move in the terms of an item's states."""
    if value is None:
        return None
    if AUTO_LIQ_FIELDS[name].is_number:
        return digits(Decimal(value))
    if AUTO_LIQ_FIELDS[name].value_type is ValueType.TIME:
        return in_json(datetime.fromisoformat(value))
    return in_json(value)

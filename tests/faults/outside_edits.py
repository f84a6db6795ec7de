"""What our calls changed of values that somebody else had set: read from the simulator's log of effects alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from tests.faults.evidence import TouchedField

CONSEQUENCES: Final = frozenset({"adminTimestamp", "timestamp"})
"""Fields that every write of their record moves along."""

# Effect of a write that leaves the rest of a record alone, and the fields that the changes of a run name there.
NAMED: Final[Mapping[str, frozenset[str]]] = {
    "limits_updated": frozenset({"dailyLossAutoLiq"}),
    "category_switched": frozenset({"riskCategoryId"}),
    "admin_action": frozenset({"adminAction", "liquidateOnly"}),
}

Field = tuple[str, int, str]
"""Kind of record, its id, and the name of one of its fields."""


class OutsideEdits:
    """When somebody else last set which field, as the log of effects goes on."""

    def __init__(self, real_time: Callable[[datetime], datetime]) -> None:
        self._real_time = real_time
        self._set_at: dict[Field, datetime] = {}
        self._moved: dict[tuple[int, Field], datetime] = {}  # by effect: what was set by then
        self.reached: set[tuple[int, str, Any]] = set()
        """Account, field, and a value that somebody else gave it."""

    def learn(self, effect: dict[str, Any]) -> None:
        """Take in one more effect, in the order of the log."""
        if effect["source"] == "control":
            for name in changed_fields(effect):
                self._set_at[effect["entity"], effect["entity_id"], name] = self._at(effect)
            for name, value in (effect["after"] or {}).items():
                self.reached.add((effect["account_id"], name, value if isinstance(value, str | int | float) else None))
            return
        for name in changed_fields(effect):
            field = (effect["entity"], effect["entity_id"], name)
            if field in self._set_at:
                self._moved[effect["id"], field] = self._set_at[field]
            # From here on the value is ours again.
            self._set_at.pop(field, None)

    def touched(self, effect: dict[str, Any], *, item_id: int, arrived_at: datetime) -> Iterator[TouchedField]:
        """Yield each field that a call's effect changed in a record that was there before."""
        named = NAMED.get(effect["action"])
        if named is None or effect["before"] is None:
            return
        for name in changed_fields(effect) - CONSEQUENCES:
            field = (effect["entity"], effect["entity_id"], name)
            yield TouchedField(
                item_id=item_id,
                call_id=effect["call_id"],
                field=name,
                is_named=name in named,
                action=str((effect["after"] or {}).get("adminAction", "")) if effect["action"] == "admin_action" else "",
                before=effect["before"].get(name),
                after=(effect["after"] or {}).get(name),
                arrived_at=arrived_at,
                moved_at=self._moved.get((effect["id"], field)),
            )

    def _at(self, effect: dict[str, Any]) -> datetime:
        return self._real_time(datetime.fromisoformat(effect["at"]))


def changed_fields(effect: dict[str, Any]) -> set[str]:
    """Return the names of the fields whose value an effect changed."""
    before, after = effect["before"] or {}, effect["after"] or {}
    return {name for name in before.keys() | after.keys() if not _is_same(before.get(name), after.get(name))}


def _is_same(one: object, other: object) -> bool:
    """Say whether two values of a field mean the same: an absent boolean is false."""
    return one == other or all(each is None or each is False for each in (one, other))

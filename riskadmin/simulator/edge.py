"""Settings and faults that change answers and never the stored state.

Lists that are cut, rows in another order, rows left out or edited by a fault, false booleans left out, and ids of the
account's extensions that differ from the account's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar

from riskadmin.simulator.json_text import decode, encode
from riskadmin.simulator.tables import EXTENSIONS
from riskadmin.simulator.vocabulary import Entity

if TYPE_CHECKING:
    from riskadmin.simulator.calls import SimulatedCall
    from riskadmin.simulator.faults import Fault
    from riskadmin.simulator.settings import Settings

DAY_MS: Final = 86_400_000

_Each = TypeVar("_Each")


class RowRule:
    """A fault that edits or leaves out rows, for one call. It counts as a hit with the first row that it affects."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._acts: bool | None = None

    @property
    def has_acted(self) -> bool:
        """Return whether it has changed this call's answer."""
        return self._acts is True

    def meets(self, kind: str, key: int | None, account_id: int | None) -> bool:
        """Return whether it changes this row of the answer."""
        if not self.fault.is_about(kind, key, account_id):
            return False
        if self._acts is None:
            self._acts = self.fault.spend()
        return self._acts


def chosen_rows(call: SimulatedCall, kind: str, keys: Iterable[int]) -> list[int]:
    """Return the ids of the rows that an array answer includes, in order."""
    host = call.host
    shown = list(keys)
    omitting = [rule for rule in call.row_rules if rule.fault.kind == "omit"]
    if omitting:
        rows = host.tables[kind].rows
        shown = [key for key in shown if not _meets_any(omitting, kind, key, host.account_of(kind, rows[key]))]
    return in_order(call, _capped(call, shown))


def kept_items(call: SimulatedCall, kind: str, account_ids: list[int]) -> list[int]:
    """Return the accounts whose item is included in the answer to a write of many, in order."""
    omitting = [rule for rule in call.row_rules if rule.fault.kind == "omit"]
    kept = [each for each in account_ids if not _meets_any(omitting, kind, each, each)]
    # Only a cap that names this path: the general cap is for reads.
    return in_order(call, _capped(call, kept) if call.endpoint.path.lower() in call.world.settings.entity_caps else kept)


def in_order(call: SimulatedCall, rows: list[_Each]) -> list[_Each]:
    """Return the rows unchanged, or shuffled when the setting says so."""
    if call.world.settings.answer_order == "shuffled":
        _dice(call, "order").shuffle(rows)
    return rows


def cap_of(settings: Settings, path: str, now_ms: int, call_id: int) -> int:
    """Return the most entities that an answer of this path may hold now. 0 means no cap."""
    cap = settings.entity_caps.get(path, settings.entity_cap)
    least = settings.entity_cap_min
    if not cap or not least or least >= cap:
        return cap
    moment = now_ms // DAY_MS if settings.entity_cap_varies == "day" else f"call {call_id}"
    return Random(f"{settings.variant_seed} {path} {moment}").randint(least, cap)  # noqa: S311 - reproducible, no secret


def _capped(call: SimulatedCall, rows: list[int]) -> list[int]:
    """Cut silently at the entity cap, like the real API's undisclosed one."""
    settings = call.world.settings
    cap = cap_of(settings, call.endpoint.path.lower(), call.now_ms, call.id)
    if not cap or len(rows) <= cap:
        return rows
    if settings.entity_cap_drops == "tail":
        return rows[:cap]
    kept = sorted(_dice(call, "cap").sample(range(len(rows)), cap))
    return [rows[index] for index in kept]


def _dice(call: SimulatedCall, purpose: str) -> Random:
    return Random(f"{call.world.settings.variant_seed} {purpose} {call.id}")  # noqa: S311 - reproducible, no secret


def shown_many(call: SimulatedCall, kind: str, keys: list[int]) -> list[bytes]:
    """Return the JSON of stored entities as this call's answer includes them."""
    table = call.host.tables[kind]
    if _is_plain(call, kind):
        return [table.encoded(key) for key in keys]
    return [shown(call, kind, key) for key in keys]


def shown(call: SimulatedCall, kind: str, key: int) -> bytes:
    """Return the JSON of one stored entity as this call's answer includes it."""
    table = call.host.tables[kind]
    if _is_plain(call, kind):
        return table.encoded(key)
    return shown_entity(call, kind, table.rows[key], call.host.account_of(kind, table.rows[key]))


def shown_entity(call: SimulatedCall, kind: str, entity: Entity, account_id: int | None) -> bytes:
    """Return the JSON of an entity, stored or not, as this call's answer includes it."""
    edited: object = entity
    if kind in EXTENSIONS and call.world.settings.extension_id_offset:
        edited = {**entity, "id": entity["id"] + call.world.settings.extension_id_offset}
    for rule in call.row_rules:
        if rule.fault.kind == "odd" and rule.meets(kind, entity.get("id"), account_id):
            edited = rule.fault.edited(edited)
    return encode(edited)


def asked_id(call: SimulatedCall, kind: str, given: int) -> int:
    """Return the simulator's own id of the entity that a request names."""
    return given - call.world.settings.extension_id_offset if kind in EXTENSIONS else given


def without_false(body: bytes) -> bytes:
    """Return a JSON answer without its false booleans, at any depth."""
    return encode(_without_false(decode(body))) if b"false" in body else body


def _without_false(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_false(each) for name, each in value.items() if each is not False}
    return [_without_false(each) for each in value] if isinstance(value, list) else value


def _is_plain(call: SimulatedCall, kind: str) -> bool:
    return not call.row_rules and not (kind in EXTENSIONS and call.world.settings.extension_id_offset)


def _meets_any(rules: list[RowRule], kind: str, key: int, account_id: int | None) -> bool:
    return any(rule.meets(kind, key, account_id) for rule in rules)

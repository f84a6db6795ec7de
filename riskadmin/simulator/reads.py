"""The read operations: item, items, deps, ldeps, list and find, within what the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from riskadmin.simulator.access import may_see, visible
from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, plain
from riskadmin.simulator.edge import asked_id, chosen_rows, shown, shown_many
from riskadmin.simulator.fields import BadRequestError, id_list
from riskadmin.simulator.vocabulary import NOT_FOUND

_FAMILIES: dict[str, tuple[str, ...]] = {
    "account": ("list", "item", "items", "deps", "ldeps", "find"),
    "user": ("list", "item", "items", "find"),
    "tradingPermission": ("list", "item", "items", "deps", "ldeps"),
    "accountRiskStatus": ("list", "item", "items", "deps", "ldeps"),
    "userAccountAutoLiq": ("list", "item", "items", "deps", "ldeps"),
    "permissionedAccountAutoLiq": ("list", "item", "items", "deps", "ldeps"),
    "userAccountPositionLimit": ("item", "items", "deps", "ldeps"),
    "userAccountRiskParameter": ("item", "items", "deps", "ldeps"),
    "position": ("list", "item", "items", "deps", "ldeps"),
    "cashBalance": ("list", "item", "items", "deps", "ldeps"),
    "contractMargin": ("item", "items", "deps", "ldeps"),
    "productMargin": ("list", "item", "items", "deps", "ldeps"),
    "riskCategory": ("list",),
    "accountRiskStatusLog": ("item", "items", "deps", "ldeps"),
}
_NEWER = frozenset({"accountRiskStatusLog"})


def read_endpoints() -> list[Endpoint]:
    """Return every read operation that the simulator answers."""
    operations: dict[str, Callable[[str, SimulatedCall], Answer]] = {
        "list": _list,
        "item": _item,
        "items": _items,
        "deps": _deps,
        "ldeps": _ldeps,
        "find": _find,
    }
    return [
        Endpoint(path=f"/{kind}/{name}", answer=partial(operations[name], kind), newer=kind in _NEWER)
        for kind, names in _FAMILIES.items()
        for name in names
    ]


def _many(call: SimulatedCall, kind: str, keys: Iterable[int]) -> Answer:
    """Answer with an array of the rows, after this host's settings and faults have removed some."""
    return Answer(200, b"[" + b",".join(shown_many(call, kind, chosen_rows(call, kind, keys))) + b"]")


def _seen(call: SimulatedCall, kind: str, keys: Iterable[int]) -> list[int]:
    """Return the visible ones of ``keys`` once each, by id. The order of the request is not kept."""
    return sorted(key for key in set(keys) if may_see(call, kind, key))


def _list(kind: str, call: SimulatedCall) -> Answer:
    keys = visible(call, kind)
    if kind == "account" and not call.world.settings.list_archived:
        rows = call.host.tables[kind].rows
        keys = [key for key in keys if not rows[key].get("archived")]
    return _many(call, kind, keys)


def _item(kind: str, call: SimulatedCall) -> Answer:
    keys = id_list(call.parameters.get("id"), "id")
    if len(keys) != 1:
        raise BadRequestError("id must be one id")
    key = asked_id(call, kind, keys[0])
    if not may_see(call, kind, key):
        return plain(404, NOT_FOUND)
    return Answer(200, shown(call, kind, key))


def _items(kind: str, call: SimulatedCall) -> Answer:
    asked = [asked_id(call, kind, given) for given in id_list(call.parameters.get("ids"), "ids")]
    return _many(call, kind, _seen(call, kind, asked))


def _deps(kind: str, call: SimulatedCall) -> Answer:
    masters = id_list(call.parameters.get("masterid"), "masterid")
    if len(masters) != 1:
        raise BadRequestError("masterid must be one id")
    return _dependents(kind, call, masters)


def _ldeps(kind: str, call: SimulatedCall) -> Answer:
    return _dependents(kind, call, id_list(call.parameters.get("masterids"), "masterids"))


def _dependents(kind: str, call: SimulatedCall, masters: list[int]) -> Answer:
    table = call.host.tables[kind]
    return _many(call, kind, _seen(call, kind, (key for master in masters for key in table.of_master(master))))


def _find(kind: str, call: SimulatedCall) -> Answer:
    name = str(call.parameters.get("name", "")).lower()
    rows = call.host.tables[kind].rows
    for key in visible(call, kind):
        if rows[key]["name"].lower() == name:
            return Answer(200, shown(call, kind, key))
    return plain(404, NOT_FOUND)

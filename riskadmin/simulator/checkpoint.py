"""A state of both hosts that can be returned to. It is kept in memory and lost with the process."""

from __future__ import annotations

from riskadmin.simulator.tables import PRIVATE_KINDS, PUBLIC_KINDS
from riskadmin.simulator.vocabulary import Entity
from riskadmin.simulator.world import World

_KINDS = (*PUBLIC_KINDS, *PRIVATE_KINDS)
"""Owners come before their dependents."""


class NothingKeptError(LookupError):
    """There is no state to return to."""


class Checkpoint:
    """Keeps every entity and the end of the effects log; clock, settings and calls are not part of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rows: dict[tuple[str, str], dict[int, Entity]] = {}
        self._last_effect = 0

    def keep(self) -> None:
        """Keep the present state, in place of what was kept before."""
        self._last_effect = self._world.last_effect
        # Entities are replaced when they change, never written to, so the rows can be shared.
        self._rows = {(host.name, kind): dict(host.tables[kind].rows) for host in self._world.hosts.values() for kind in _KINDS}

    def restore(self) -> None:
        """Put back every entity that has changed, and delete the later rows of the effects log. Raises NothingKeptError.

        Calls that are held, and effects that are still to come, take no effect any more.
        """
        if not self._rows:
            raise NothingKeptError("no checkpoint was kept")
        world = self._world
        world.returns += 1
        for host in world.hosts.values():
            for kind in reversed(_KINDS):
                for key in host.tables[kind].rows.keys() - self._rows[host.name, kind].keys():
                    host.remove(kind, key)
                    world.store.drop_entity(host.name, kind, key)
            for kind in _KINDS:
                rows = host.tables[kind].rows
                for key, entity in self._rows[host.name, kind].items():
                    if rows.get(key) is not entity:
                        world.put(host, kind, entity)
        world.store.later("DELETE FROM effect WHERE id > ?", (self._last_effect,))

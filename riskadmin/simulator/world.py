"""The state of the simulated exchange, and the only way to change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from riskadmin.simulator.clock import Clock, iso
from riskadmin.simulator.json_text import encode
from riskadmin.simulator.settings import Settings
from riskadmin.simulator.store import PUT_EFFECT, Store
from riskadmin.simulator.tables import Host
from riskadmin.simulator.vocabulary import Entity


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of a change: a call of the API, the control port, or the clock."""

    source: str
    call_id: int | None = None
    user_id: int | None = None
    endpoint: str | None = None


BY_CONTROL: Final = Cause("control")
BY_CLOCK: Final = Cause("clock")


class World:
    """Both hosts, the clock and the settings. Every change is queued for the store."""

    def __init__(self, *, hosts: dict[str, Host], store: Store, clock: Clock, settings: Settings) -> None:
        self.hosts = hosts
        self.store = store
        self.clock = clock
        self.settings = settings
        self.due_ms = 0
        """When time next changes something by itself; see trading.Calendar."""
        self.returns = 0
        """How often a kept state was returned to: what was under way before belongs to a state that is gone."""
        self._next_effect = store.next_id("effect")

    @property
    def last_effect(self) -> int:
        """Return the id of the newest row of the effects log, 0 if there was none."""
        return self._next_effect - 1

    def now(self) -> str:
        """Return the simulated moment in the API's form."""
        return iso(self.clock.now_ms())

    def put(self, host: Host, kind: str, entity: Entity) -> None:
        """Store an entity without a row in the effects log: for bookkeeping only."""
        host.put(kind, entity)
        self.store.put_entity(host.name, kind, entity["id"], host.tables[kind].encoded(entity["id"]))

    def change(
        self,
        host: Host,
        kind: str,
        entity: Entity,
        *,
        action: str,
        cause: Cause,
        detail: Entity | None = None,
    ) -> None:
        """Store an entity and write one row to the effects log, even when its content stays the same.

        A write that is carried out twice must appear as two effects: tests count them.
        """
        key: int = entity["id"]
        table = host.tables[kind]
        before = table.encoded(key) if key in table.rows else None
        self.put(host, kind, entity)
        self.log(host, kind, key, action=action, cause=cause, before=before, after=table.encoded(key), detail=detail)

    def remove(self, host: Host, kind: str, key: int, *, action: str, cause: Cause) -> None:
        """Delete an entity and write one row to the effects log, with null as ``after``."""
        self.log(host, kind, key, action=action, cause=cause, before=host.tables[kind].encoded(key))
        host.remove(kind, key)
        self.store.drop_entity(host.name, kind, key)

    def log(
        self,
        host: Host,
        kind: str,
        entity_id: int,
        *,
        action: str,
        cause: Cause,
        before: bytes | None = None,
        after: bytes | None = None,
        detail: Entity | None = None,
    ) -> None:
        """Write one row to the effects log about an existing entity. Before and after are JSON."""
        texts = (before, after, None if detail is None else encode(detail))
        self.store.later(
            PUT_EFFECT,
            (
                self._next_effect,
                self.clock.now_ms(),
                host.name,
                cause.source,
                cause.call_id,
                cause.user_id,
                cause.endpoint,
                action,
                kind,
                entity_id,
                host.account_of(kind, host.tables[kind].rows[entity_id]),
                *(None if text is None else text.decode() for text in texts),
            ),
        )
        self._next_effect += 1

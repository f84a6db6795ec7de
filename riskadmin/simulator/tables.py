"""Entities in memory: one table per host and kind, with the indexes that the read operations need."""

from __future__ import annotations

from typing import Final

from riskadmin.simulator.json_text import encode
from riskadmin.simulator.vocabulary import HOSTS, Entity

EVERYBODY: Final = 0
"""The organization id of entities that no organization owns: every caller sees them."""

# Kinds that the API returns. A kind that starts with "_" is the simulator's own, and only the control port returns it.
PUBLIC_KINDS: Final = (
    "user",
    "riskCategory",
    "account",
    "tradingPermission",
    "accountRiskStatus",
    "userAccountAutoLiq",
    "permissionedAccountAutoLiq",
    "userAccountPositionLimit",
    "userAccountRiskParameter",
    "position",
    "cashBalance",
    "contractMargin",
    "productMargin",
    "accountRiskStatusLog",
)
PRIVATE_KINDS: Final = ("_role", "_lockout", "_state", "_lots")

# These have the id of their account and no accountId of their own.
EXTENSIONS: Final = frozenset({"accountRiskStatus", "userAccountAutoLiq", "permissionedAccountAutoLiq", "_state"})
_BY_USER: Final = frozenset({"account", "tradingPermission"})
# These have the id of a contract or product, which is their master and is not stored here [?].
_MARGINS: Final = frozenset({"contractMargin", "productMargin"})
_UNOWNED: Final = _MARGINS | {"riskCategory", "_role", "_lockout", "_lots"}


class Table:
    """The entities of one kind on one host."""

    def __init__(self) -> None:
        self.rows: dict[int, Entity] = {}
        self.orgs: dict[int, int] = {}
        # Dictionaries instead of sets: they keep the insertion order, so answers are reproducible.
        self._by_org: dict[int, dict[int, None]] = {}
        self._by_master: dict[int, dict[int, None]] = {}
        self._encoded: dict[int, bytes] = {}
        self.next_id = 1
        """An id above all existing ones."""

    def put(self, entity: Entity, *, org: int, master: int | None) -> None:
        """Insert or replace. An entity never changes its organization or master."""
        key: int = entity["id"]
        self.rows[key] = entity
        self._encoded.pop(key, None)
        self.next_id = max(self.next_id, key + 1)
        if key not in self.orgs:
            self.orgs[key] = org
            self._by_org.setdefault(org, {})[key] = None
            if master is not None:
                self._by_master.setdefault(master, {})[key] = None

    def remove(self, key: int, *, master: int | None) -> None:
        """Delete an entity. Its id is not used again."""
        del self.rows[key]
        self._encoded.pop(key, None)
        del self._by_org[self.orgs.pop(key)][key]
        if master is not None:
            del self._by_master[master][key]

    def of_org(self, org: int) -> list[int]:
        """Return the ids that a member of ``org`` may see."""
        return [*self._by_org.get(EVERYBODY, ()), *self._by_org.get(org, ())]

    def of_master(self, master: int) -> list[int]:
        """Return the ids of a master's dependents."""
        return list(self._by_master.get(master, ()))

    def encoded(self, key: int) -> bytes:
        """Return the JSON of one entity, created once per version: most of a mirror's traffic is lists."""
        found = self._encoded.get(key)
        if found is None:
            found = self._encoded[key] = encode(self.rows[key])
        return found


class Host:
    """The entities of one of the two hosts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tables: dict[str, Table] = {kind: Table() for kind in (*PUBLIC_KINDS, *PRIVATE_KINDS)}

    def get(self, kind: str, key: int) -> Entity | None:
        """Return a stored entity. Callers copy it before they change it."""
        return self.tables[kind].rows.get(key)

    def put(self, kind: str, entity: Entity) -> None:
        """Insert or replace. Organization and master are derived from the entity itself."""
        self.tables[kind].put(entity, org=self._org_of(kind, entity), master=self._master_of(kind, entity))

    def remove(self, kind: str, key: int) -> None:
        """Delete an entity whose owner still exists."""
        table = self.tables[kind]
        table.remove(key, master=self._master_of(kind, table.rows[key]))

    def _org_of(self, kind: str, entity: Entity) -> int:
        if kind in _UNOWNED:
            return EVERYBODY
        if kind == "user":
            return int(entity["organizationId"])
        users = self.tables["user"].rows
        if kind == "account":
            return int(users[entity["userId"]]["organizationId"])
        account = self.account_of(kind, entity)
        return EVERYBODY if account is None else self.tables["account"].orgs[account]

    def account_of(self, kind: str, entity: Entity) -> int | None:
        """Return the id of the account that an entity belongs to, or None."""
        if kind == "account" or kind in EXTENSIONS:
            return int(entity["id"])
        if kind == "userAccountRiskParameter":
            entity = self.tables["userAccountPositionLimit"].rows[entity["userAccountPositionLimitId"]]
        found = entity.get("accountId")
        return None if found is None else int(found)

    def _master_of(self, kind: str, entity: Entity) -> int | None:
        if kind in _BY_USER:
            return int(entity["userId"])
        if kind == "userAccountRiskParameter":
            return int(entity["userAccountPositionLimitId"])
        return int(entity["id"]) if kind in _MARGINS else self.account_of(kind, entity)


def empty_hosts() -> dict[str, Host]:
    """Return both hosts, empty."""
    return {name: Host(name) for name in HOSTS}

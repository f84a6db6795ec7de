"""The data that the control port returns: counters, calls, effects, and the full state of an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from riskadmin.simulator.clock import iso
from riskadmin.simulator.json_text import decode
from riskadmin.simulator.tables import Host
from riskadmin.simulator.trading import lockout_active, permissions_of, restrictions, state_of
from riskadmin.simulator.vocabulary import Entity
from riskadmin.simulator.world import World

ROWS_MAX: Final = 10_000

CALL_FILTERS: Final = ("host", "method", "endpoint", "ip", "user_id", "status", "outcome", "fault")
EFFECT_FILTERS: Final = ("host", "source", "call_id", "user_id", "endpoint", "action", "entity", "entity_id", "account_id")
_WHOLE: Final = frozenset({"user_id", "status", "call_id", "entity_id", "account_id"})


class BadFilterError(ValueError):
    """A filter that does not exist or is invalid."""


def counters(world: World, filters: dict[str, str]) -> dict[str, Any]:
    """Return how many calls were made since the last reset: in total, by endpoint and status, by user."""
    where, values = _where(filters, CALL_FILTERS)
    store = world.store
    by_endpoint: dict[str, dict[str, int]] = {}
    total = 0
    query = f"SELECT host, endpoint, status, count(*) AS n FROM call {where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"  # noqa: S608 - names from a list
    for row in store.rows(query, values):
        status = "none" if row["status"] is None else str(row["status"])
        by_endpoint.setdefault(f"{row['host']} {row['endpoint']}", {})[status] = row["n"]
        total += row["n"]
    query = f"SELECT subject, count(*) AS n FROM call {where} GROUP BY 1 ORDER BY 1"  # noqa: S608 - names from a list
    by_subject = {row["subject"]: row["n"] for row in store.rows(query, values)}
    query = f"SELECT outcome, count(*) AS n FROM call {where} GROUP BY 1 ORDER BY 1"  # noqa: S608 - names from a list
    by_outcome = {row["outcome"]: row["n"] for row in store.rows(query, values)}
    return {"calls": total, "by_endpoint": by_endpoint, "by_subject": by_subject, "by_outcome": by_outcome}


def calls(world: World, filters: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of calls, oldest first."""
    return list(_rows(world, "call", filters, CALL_FILTERS))


def effects(world: World, filters: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of the effects log, oldest first."""
    found = []
    for row in _rows(world, "effect", filters, EFFECT_FILTERS):
        parsed = {name: None if row[name] is None else decode(row[name]) for name in ("before", "after", "detail")}
        found.append(row | parsed)
    return found


def _rows(world: World, table: str, filters: dict[str, str], known: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    rest = dict(filters)
    try:
        since, limit = int(rest.pop("since_id", "0")), int(rest.pop("limit", "1000"))
    except ValueError as error:
        raise BadFilterError("since_id and limit are numbers") from error
    where, values = _where(rest, known)
    where = f"{where} AND id > ?" if where else "WHERE id > ?"
    query = f"SELECT * FROM {table} {where} ORDER BY id LIMIT ?"  # noqa: S608 - names from a list
    for row in world.store.rows(query, (*values, since, min(limit, ROWS_MAX))):
        yield {"id": row.pop("id"), "at": iso(row.pop("at_ms")), **row}


def _where(filters: dict[str, str], known: tuple[str, ...]) -> tuple[str, tuple[object, ...]]:
    conditions, values = [], []
    for name, value in filters.items():
        if name not in known:
            raise BadFilterError(f"no filter {name!r}; there are {', '.join(known)}")
        if name in _WHOLE and not value.isdigit():
            raise BadFilterError(f"{name} is a number")
        # Endpoints are compared without case, as on the API ports.
        conditions.append(f"{name} = ? COLLATE NOCASE" if name == "endpoint" else f"{name} = ?")
        values.append(int(value) if name in _WHOLE else value)
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), tuple(values)


def account_state(world: World, host: Host, account_id: int) -> Entity | None:
    """Return everything about an account, or None when it does not exist."""
    account = host.get("account", account_id)
    if account is None:
        return None
    now_ms = world.clock.now_ms()
    why_not = restrictions(host, account_id, now_ms)
    traders = [permission["userId"] for permission in permissions_of(host, account_id)]
    state = state_of(host, account_id)
    return {
        "account": account,
        "traders": [host.get("user", trader) for trader in traders],
        "accountRiskStatus": host.get("accountRiskStatus", account_id),
        "userAccountAutoLiq": host.get("userAccountAutoLiq", account_id),
        "permissionedAccountAutoLiq": host.get("permissionedAccountAutoLiq", account_id),
        "userAccountPositionLimits": _dependents(host, "userAccountPositionLimit", account_id),
        "userAccountRiskParameters": [
            parameter
            for limit in host.tables["userAccountPositionLimit"].of_master(account_id)
            for parameter in _dependents(host, "userAccountRiskParameter", limit)
        ],
        "positions": _dependents(host, "position", account_id),
        "cashBalances": _dependents(host, "cashBalance", account_id),
        "riskStatusLog": _dependents(host, "accountRiskStatusLog", account_id),
        "scenario": state["scenario"],
        "openPnL": state["openPnL"],
        "breach": state["breach"],
        "restrictions": why_not,
        "may_open_positions": not why_not,
    }


def user_state(world: World, host: Host, user_id: int) -> Entity | None:
    """Return a user with lockout and accounts, or None when it does not exist."""
    user = host.get("user", user_id)
    if user is None:
        return None
    lockout = host.get("_lockout", user_id)
    permissions = host.tables["tradingPermission"]
    return {
        "user": user,
        "admin": host.get("_role", user_id) is not None,
        "account_ids": [permissions.rows[key]["accountId"] for key in permissions.of_master(user_id)],
        "locked_out": lockout_active(host, user_id, world.clock.now_ms()),
        "lockout": None
        if lockout is None
        else {"startedAt": iso(lockout["startedAt"]), "expiresAt": iso(lockout["expiresAt"])},
    }


def accounts_in(host: Host, scenario: str | None, limit: int) -> list[dict[str, Any]]:
    """Return id, name, initial scenario, open profit and breach of accounts, by id."""
    found: list[dict[str, Any]] = []
    for key, account in sorted(host.tables["account"].rows.items()):
        if len(found) >= limit:
            break
        state = state_of(host, key)
        if scenario in {None, state["scenario"]}:
            shown = {name: state[name] for name in ("scenario", "openPnL", "breach")}
            found.append({"id": key, "name": account["name"], **shown})
    return found


def _dependents(host: Host, kind: str, master: int) -> list[Entity]:
    table = host.tables[kind]
    return [table.rows[key] for key in table.of_master(master)]

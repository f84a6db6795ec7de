"""How accounts behave: admin actions, breaches, session starts, lockouts, and who may trade.

Breaches [?]: the documents say what a breach does, not which fields show it. Here a breach closes the positions and sets
``liquidateOnly`` to its time; with ``doNotUnlock`` it also sets ``adminAction`` to ``LockTradingImmediately``. The session
start clears the former, only ``Normal`` the latter.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

from riskadmin.simulator.clock import iso, next_roll_ms, starts_week, trade_date
from riskadmin.simulator.tables import Host
from riskadmin.simulator.vocabulary import (
    DISABLE_AUTO_LIQ,
    HOLD_AUTO_LIQ,
    LIQUIDATE,
    LIQUIDATE_ONLY,
    LOCK,
    MINUTE_LONG_ACTIONS,
    NORMAL,
    Entity,
)
from riskadmin.simulator.world import BY_CLOCK, Cause, World

MINUTE_MS: Final = 60_000
BREACHES: Final = ("daily", "weekly", "trailing")


def state_of(host: Host, account_id: int) -> Entity:
    """Return a copy of the simulator's own data about an account, which the API does not return."""
    found = host.get("_state", account_id)
    return dict(found) if found else {"id": account_id, "scenario": "", "openPnL": 0.0, "breach": None, "revertAt": None}


def set_admin_action(
    world: World, host: Host, account_id: int, action: str, *, cause: Cause, detail: Entity | None = None
) -> None:
    """Apply an admin action. The risk status's log line is the call's only effect."""
    status = dict(host.get("accountRiskStatus", account_id) or {"id": account_id})
    now_ms = world.clock.now_ms()
    status["adminAction"] = action
    status["adminTimestamp"] = iso(now_ms)
    state = state_of(host, account_id)
    state["revertAt"] = None
    if action in MINUTE_LONG_ACTIONS:
        state["revertAt"] = now_ms + MINUTE_MS
        world.due_ms = min(world.due_ms, state["revertAt"])
    if action == NORMAL:
        status.pop("liquidateOnly", None)
        state["breach"] = None
    elif action == LIQUIDATE_ONLY:
        status["liquidateOnly"] = status["adminTimestamp"]
    if state != host.get("_state", account_id):
        world.put(host, "_state", state)
    world.change(host, "accountRiskStatus", status, action="admin_action", cause=cause, detail=detail)
    _remember(world, host, status)
    if action == LIQUIDATE:
        close_positions(world, host, account_id, cause=cause)


def reset_auto_liq(world: World, host: Host, account_id: int, *, cause: Cause) -> None:
    """Undo what a limit did to the account [?]: ``liquidateOnly`` and the breach are cleared, every admin action stays.

    The operation's page does not say. According to the page of the admin actions, a lock by staff or doNotUnlock is
    persistent until ``Normal``; so is the liquidate-only mode that staff set.
    """
    status = dict(host.get("accountRiskStatus", account_id) or {"id": account_id})
    if status.get("adminAction") != LIQUIDATE_ONLY:
        status.pop("liquidateOnly", None)
    state = state_of(host, account_id)
    if state["breach"] is not None:
        world.put(host, "_state", {**state, "breach": None})
    world.change(host, "accountRiskStatus", status, action="auto_liq_reset", cause=cause)
    _remember(world, host, status)


def set_max_net_liq(
    world: World, host: Host, account_id: int, peak: float, *, action: str, cause: Cause, detail: Entity | None = None
) -> None:
    """Set the peak that the trailing drawdown depends on. The floor below it moves with it [?]."""
    status = dict(host.get("accountRiskStatus", account_id) or {"id": account_id})
    before, floor = status.get("maxNetLiq"), status.get("minNetLiq")
    status["maxNetLiq"] = peak
    if before is not None and floor is not None:
        status["minNetLiq"] = round(floor + peak - before, 2)
    world.change(host, "accountRiskStatus", status, action=action, cause=cause, detail=detail)
    _remember(world, host, status)


def _remember(world: World, host: Host, status: Entity) -> None:
    """Append to accountRiskStatusLog, Tradovate's own history (in newer documents)."""
    entry = {**status, "id": host.tables["accountRiskStatusLog"].next_id, "accountId": status["id"]}
    entry["timestamp"] = world.now()
    world.put(host, "accountRiskStatusLog", entry)


def close_positions(world: World, host: Host, account_id: int, *, cause: Cause) -> int:
    """Close every open position without gain or loss. Return how many there were. Rows with 0 contracts stay."""
    closed = 0
    table = host.tables["position"]
    for key in table.of_master(account_id):
        position = dict(table.rows[key])
        size = position["netPos"]
        if not size:
            continue
        value = abs(size) * position["netPrice"]
        side, worth = ("sold", "soldValue") if size > 0 else ("bought", "boughtValue")
        position[side] += abs(size)
        position[worth] += value
        position["netPos"] = 0
        position.pop("netPrice")
        position["timestamp"] = world.now()
        world.change(host, "position", position, action="liquidated", cause=cause)
        closed += 1
    if closed:
        book_open_profit(world, host, account_id)
    return closed


def book_open_profit(world: World, host: Host, account_id: int) -> None:
    """Turn the open profit into cash, as closing the positions does."""
    state = state_of(host, account_id)
    profit, state["openPnL"] = state["openPnL"], 0.0
    world.put(host, "_state", state)
    table = host.tables["cashBalance"]
    for key in table.of_master(account_id)[:1]:
        cash = dict(table.rows[key])
        for name in ("amount", "realizedPnL", "weekRealizedPnL"):
            cash[name] = round(cash[name] + profit, 2)
        cash["timestamp"] = world.now()
        world.put(host, "cashBalance", cash)


def breach(world: World, host: Host, account_id: int, kind: str, *, cause: Cause) -> None:
    """Apply a loss limit: close positions, restrict the account, keep it restricted with doNotUnlock."""
    close_positions(world, host, account_id, cause=cause)
    limits = host.get("userAccountAutoLiq", account_id) or {}
    status = dict(host.get("accountRiskStatus", account_id) or {"id": account_id, "adminAction": NORMAL})
    status["liquidateOnly"] = world.now()
    if limits.get("doNotUnlock") or kind == "trailing":  # a used-up drawdown is never restored by itself [?]
        status["adminAction"] = LOCK
        status["adminTimestamp"] = status["liquidateOnly"]
    world.put(host, "_state", {**state_of(host, account_id), "breach": kind})
    world.change(host, "accountRiskStatus", status, action="breached", cause=cause, detail={"kind": kind})
    _remember(world, host, status)


def broken_limits(host: Host, account_id: int) -> Iterator[str]:
    """Yield the limits that the account's current figures break, in the order in which they apply."""
    keys = host.tables["cashBalance"].of_master(account_id)
    if not keys:
        return
    cash = host.tables["cashBalance"].rows[keys[0]]
    open_profit = state_of(host, account_id)["openPnL"]
    day = cash["realizedPnL"] + open_profit
    week = cash["weekRealizedPnL"] + open_profit
    for kind in ("userAccountAutoLiq", "permissionedAccountAutoLiq"):
        limits = host.get(kind, account_id) or {}
        if _at_least(-day, limits.get("dailyLossAutoLiq")) or _at_least(day, limits.get("dailyProfitAutoLiq")):
            yield "daily"
        if _at_least(week, limits.get("weeklyProfitAutoLiq")) or _at_least(-week, limits.get("weeklyLossAutoLiq")):
            yield "weekly"
        share = limits.get("dailyLossPercentageAutoLiq")
        if share is not None and cash["amountSOD"] > 0 and -day >= cash["amountSOD"] * share / 100:
            yield "daily"
        drawdown = limits.get("trailingMaxDrawdown")
        peak = (host.get("accountRiskStatus", account_id) or {}).get("maxNetLiq")
        if drawdown is not None and peak is not None and cash["amount"] + open_profit <= peak - drawdown:
            yield "trailing"


def _at_least(figure: float, limit: float | None) -> bool:
    return limit is not None and figure >= limit


def enforce_limits(world: World, host: Host, account_id: int, *, cause: Cause, kinds: Container[str] = BREACHES) -> str | None:
    """Breach the account if its figures break a limit of ``kinds`` and it is not restricted yet. Return the limit."""
    account = host.get("account", account_id)
    status = host.get("accountRiskStatus", account_id) or {}
    if account is None or account.get("archived") or account.get("closed") or "liquidateOnly" in status:
        return None
    if status.get("adminAction") in {DISABLE_AUTO_LIQ, HOLD_AUTO_LIQ}:
        return None
    kind = next((kind for kind in broken_limits(host, account_id) if kind in kinds), None)
    if kind is not None:
        breach(world, host, account_id, kind, cause=cause)
    return kind


def lockout_active(host: Host, user_id: int, now_ms: int) -> bool:
    """Return whether a trader's own lockout is active."""
    lockout = host.get("_lockout", user_id)
    return lockout is not None and lockout["expiresAt"] > now_ms


def restrictions(host: Host, account_id: int, now_ms: int) -> list[str]:
    """Return why the account may not open positions. Empty when it may trade."""
    account = host.get("account", account_id) or {}
    status = host.get("accountRiskStatus", account_id) or {}
    found = [flag for flag in ("archived", "closed", "restricted") if account.get(flag)]
    if status.get("adminAction") in {LOCK, LIQUIDATE, LIQUIDATE_ONLY}:
        found.append(status["adminAction"])
    if "liquidateOnly" in status:
        found.append("liquidateOnly")
    traders = (p["userId"] for p in permissions_of(host, account_id))
    if any(lockout_active(host, trader, now_ms) for trader in traders):
        found.append("manual lockout")
    return found


def permissions_of(host: Host, account_id: int) -> list[Entity]:
    """Return the account's accepted trading permissions. They name its traders."""
    rows = host.tables["tradingPermission"].rows.values()
    return [p for p in rows if p["accountId"] == account_id and p["status"] == "Accepted"]


class Calendar:
    """What time alone causes: session starts and the end of one-minute actions."""

    def __init__(self, world: World, settled_ms: int) -> None:
        self._world = world
        self._next_roll = next_roll_ms(settled_ms)

    def settle(self) -> None:
        """Bring both hosts up to the clock, session start by session start. Changes are queued, not flushed."""
        now_ms = self._world.clock.now_ms()
        while self._next_roll <= now_ms:
            for host in self._world.hosts.values():
                roll_session(self._world, host, self._next_roll)
            self._next_roll = next_roll_ms(self._next_roll)
        pending = [self._next_roll, *self._end_minutes(now_ms)]
        self._world.store.put_meta("settled_ms", now_ms)
        self._world.due_ms = min(pending)

    def _end_minutes(self, now_ms: int) -> list[int]:
        later = []
        for host in self._world.hosts.values():
            for state in list(host.tables["_state"].rows.values()):
                at = state["revertAt"]
                if at is None:
                    continue
                if at > now_ms:
                    later.append(at)
                else:
                    set_admin_action(self._world, host, state["id"], NORMAL, cause=BY_CLOCK)
        return later


def roll_session(world: World, host: Host, at_ms: int) -> None:
    """Start a session: daily figures become zero, on Sunday weekly figures too, and ordinary breaches end."""
    weekly = starts_week(at_ms)
    date = trade_date(at_ms)
    for cash in list(host.tables["cashBalance"].rows.values()):
        fresh = {**cash, "tradeDate": date, "timestamp": iso(at_ms), "realizedPnL": 0.0, "amountSOD": cash["amount"]}
        if weekly:
            fresh["weekRealizedPnL"] = 0.0
        world.put(host, "cashBalance", fresh)
    for position in list(host.tables["position"].rows.values()):
        fresh = {**position, "tradeDate": date, "prevPos": position["netPos"]}
        fresh |= {"bought": 0, "boughtValue": 0.0, "sold": 0, "soldValue": 0.0}
        fresh["prevPrice"] = position.get("netPrice", 0.0)
        world.put(host, "position", fresh)
    for state in list(host.tables["_state"].rows.values()):
        if state["breach"] == "daily" or (state["breach"] == "weekly" and weekly):
            _unlock_at_session(world, host, state)


def _unlock_at_session(world: World, host: Host, state: Entity) -> None:
    status = dict(host.tables["accountRiskStatus"].rows[state["id"]])
    # With doNotUnlock the breach set a lock, which is persistent like any other lock.
    if status.get("adminAction") in {LOCK, LIQUIDATE, LIQUIDATE_ONLY}:
        return
    status.pop("liquidateOnly", None)
    world.put(host, "_state", {**state, "breach": None})
    world.change(host, "accountRiskStatus", status, action="session_unlock", cause=BY_CLOCK)
    _remember(world, host, status)

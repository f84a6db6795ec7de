"""The cash of simulation accounts: POST /cashBalance/changedemobalance and /cashBalance/getcashbalancesnapshot."""

from __future__ import annotations

from typing import Final

from riskadmin.simulator import vocabulary as words
from riskadmin.simulator.access import ignored, may_see
from riskadmin.simulator.calls import Answer, Endpoint, SimulatedCall, plain
from riskadmin.simulator.clock import trade_date
from riskadmin.simulator.edge import shown_entity
from riskadmin.simulator.faults import SNAPSHOT
from riskadmin.simulator.fields import not_positive, number, text, whole_number
from riskadmin.simulator.tables import Host
from riskadmin.simulator.trading import set_max_net_liq, state_of
from riskadmin.simulator.vocabulary import Entity

HOUR_MS: Final = 3_600_000


def cash_endpoints() -> list[Endpoint]:
    """Return the two operations."""
    return [
        Endpoint(path="/cashBalance/changedemobalance", answer=_change_demo_balance, writes=True),
        Endpoint(path="/cashBalance/getcashbalancesnapshot", answer=_get_snapshot),
    ]


# --- POST /cashBalance/changedemobalance -----------------------------------------------------------


def _change_demo_balance(call: SimulatedCall) -> Answer:
    """Add to an account's cash. Every refusal is HTTP 200 with errorText, also for an unknown account."""
    body = call.parameters
    account_id = whole_number(body.get("accountId", 0), "accountId")
    change = number(body.get("cashChange"), "cashChange")
    comment = text(body.get("comment"), "comment") or words.COMMENT_DEFAULT
    error = _request_error(call, account_id, change, comment) or _account_error(call, account_id, change)
    if error is not None:
        return call.endpoint.refuse(error)
    if not ignored(call, account_id):
        _add_cash(call, account_id, change, comment)
    return _snapshot_answer(call, account_id)


def _request_error(call: SimulatedCall, account_id: int, change: float, comment: str) -> str | None:
    """Return what is wrong with the call itself, in an order that no document gives [?]."""
    if call.host.name != "demo":
        return words.ONLY_ON_DEMO
    if account_id <= 0:
        return words.ACCOUNT_ID_TEXT
    if change <= -words.CASH_CHANGE_BOUND:
        return words.CASH_CHANGE_LOW
    if change >= words.CASH_CHANGE_BOUND:
        return words.CASH_CHANGE_HIGH
    return words.COMMENT_LENGTH_TEXT if len(comment) > words.COMMENT_MAX else None


def _account_error(call: SimulatedCall, account_id: int, change: float) -> str | None:
    """Return why this account's balance may not be changed by this caller, or None."""
    # No text names an unknown account: it is denied like another organization's account [?].
    if not may_see(call, "account", account_id):
        return words.CASH_ACCESS_DENIED
    if call.host.tables["account"].rows[account_id].get("closed"):
        return words.DEMO_ACCOUNT_CLOSED
    admin = call.who.admin
    capped = not admin or call.world.settings.demo_cash_cap_for_admins
    if capped and change > 0 and _cash(call, account_id)["amount"] + change > words.CASH_MOST:
        return words.CASH_ABOVE_MOST
    last = None if admin else state_of(call.host, account_id).get("cashChangedAt")
    return words.CASH_ONCE_AN_HOUR if last is not None and last > call.now_ms - HOUR_MS else None


def _add_cash(call: SimulatedCall, account_id: int, change: float, comment: str) -> None:
    """Book the change. The peak of net liq moves with it, so that the remaining drawdown stays the same."""
    world, host = call.world, call.host
    detail: Entity = {"cashChange": change, "comment": comment}
    cash = _cash(call, account_id)
    # The day's figures stay: a correction is neither a profit nor a new start of the day [?].
    cash |= {"amount": round(cash["amount"] + change, 2), "timestamp": world.now()}
    world.change(host, "cashBalance", cash, action="demo_balance_changed", cause=call.cause, detail=detail)
    if not call.who.admin:
        world.put(host, "_state", {**state_of(host, account_id), "cashChangedAt": call.now_ms})
    peak = (host.get("accountRiskStatus", account_id) or {}).get("maxNetLiq")
    if peak is not None:
        set_max_net_liq(
            world, host, account_id, round(peak + change, 2), action="max_net_liq_shifted", cause=call.cause, detail=detail
        )


def _cash(call: SimulatedCall, account_id: int) -> Entity:
    """Return a copy of the account's cash balance, or an empty one."""
    table = call.host.tables["cashBalance"]
    keys = table.of_master(account_id)
    if keys:
        return dict(table.rows[keys[0]])
    empty: Entity = {"id": table.next_id, "accountId": account_id, "timestamp": call.world.now(), "currencyId": 1}
    empty |= {"tradeDate": trade_date(call.now_ms), "amount": 0.0, "realizedPnL": 0.0}
    return empty | {"weekRealizedPnL": 0.0, "amountSOD": 0.0}


# --- POST /cashBalance/getcashbalancesnapshot ------------------------------------------------------


def _get_snapshot(call: SimulatedCall) -> Answer:
    account_id = whole_number(call.parameters.get("accountId", 0), "accountId")
    problem = not_positive(account_id, "accountId")
    if problem is not None:
        return call.endpoint.refuse(problem.text)
    # 404 as for any other read [?]: refusals as HTTP 200 are documented for changedemobalance only.
    if not may_see(call, "account", account_id):
        return plain(404, words.NOT_FOUND)
    return _snapshot_answer(call, account_id)


def _snapshot_answer(call: SimulatedCall, account_id: int) -> Answer:
    snapshot = _snapshot(call.host, account_id)
    return Answer(200, shown_entity(call, SNAPSHOT, snapshot, account_id))


def _snapshot(host: Host, account_id: int) -> Entity:
    """Return a CashBalanceSnapshot in US dollars, with those documented fields that are simulated."""
    table = host.tables["cashBalance"]
    open_profit = state_of(host, account_id)["openPnL"]
    initial, maintenance = _margins(host, account_id)
    found: Entity = {"openPnL": open_profit, "initialMargin": initial, "maintenanceMargin": maintenance}
    for key in table.of_master(account_id)[:1]:
        cash = table.rows[key]
        found |= {"totalCashValue": cash["amount"], "cashUSD": cash["amount"]}
        found |= {"totalCashValueSOD": cash["amountSOD"], "cashSODUSD": cash["amountSOD"]}
        found |= {"realizedPnL": cash["realizedPnL"], "weekRealizedPnL": cash["weekRealizedPnL"]}
        found["totalPnL"] = round(cash["realizedPnL"] + open_profit, 2)
        found["netLiq"] = round(cash["amount"] + open_profit, 2)
    return found


def _margins(host: Host, account_id: int) -> tuple[float, float]:
    """Return the initial and maintenance margin of the open positions. A contract without a margin counts as zero."""
    positions, margins = host.tables["position"], host.tables["contractMargin"].rows
    initial = maintenance = 0.0
    for key in positions.of_master(account_id):
        position = positions.rows[key]
        margin = margins.get(position["contractId"])
        if margin is not None:
            initial += abs(position["netPos"]) * margin["initialMargin"]
            maintenance += abs(position["netPos"]) * margin["maintenanceMargin"]
    return initial, maintenance

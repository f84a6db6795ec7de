"""What time does: session starts, breaches with and without doNotUnlock, one-minute actions, maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.driver import SET_ACTION, Simulator, SimulatorError

# A Monday at noon in Chicago (UTC-5): the next session starts at 22:00 UTC.
MONDAY_NOON = "2026-06-01T17:00:00.000Z"
MONDAY_ROLL = "2026-06-01T22:00:00.000Z"
FRIDAY_AFTER_ROLL_TIME = "2026-06-05T22:00:01.000Z"
SUNDAY_ROLL = "2026-06-07T22:00:00.000Z"


@pytest.fixture
def monday(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path, traders=20, accounts=60, now=MONDAY_NOON, stopped=True) as simulator:
        yield simulator


def action(simulator: Simulator, account: int) -> str:
    found: str = simulator.account(account)["accountRiskStatus"]["adminAction"]
    return found


def set_action(simulator: Simulator, account: int, name: str) -> None:
    body = {"accountId": account, "adminAction": name, "adminActionReasonCode": "RestrictedAccountsRequest"}
    assert simulator.call("POST", SET_ACTION, token=simulator.token(), body=body).status_code == 200


def test_an_ordinary_breach_unlocks_at_the_session_start_and_one_with_do_not_unlock_stays(monday: Simulator) -> None:
    ordinary, stays = monday.account_ids("active", limit=2)
    monday.patch("userAccountAutoLiq", ordinary, doNotUnlock=False)
    monday.patch("userAccountAutoLiq", stays, doNotUnlock=True)
    for account in (ordinary, stays):
        monday.breach(account)

    monday.advance_to("2026-06-01T21:59:50Z")
    assert [monday.account(account)["breach"] for account in (ordinary, stays)] == ["daily", "daily"]
    monday.advance_to("2026-06-01T22:00:01Z")

    assert monday.account(ordinary)["may_open_positions"] is True
    assert action(monday, stays) == "LockTradingImmediately"
    monday.advance_to(SUNDAY_ROLL)
    assert action(monday, stays) == "LockTradingImmediately"
    set_action(monday, stays, "Normal")
    state = monday.account(stays)
    assert state["may_open_positions"] is True
    assert state["userAccountAutoLiq"]["doNotUnlock"] is True


def test_a_weekly_breach_lasts_until_sunday(monday: Simulator) -> None:
    [account] = monday.account_ids("active", limit=1)
    monday.patch("userAccountAutoLiq", account, doNotUnlock=False)
    monday.breach(account, "weekly")
    monday.advance_to(FRIDAY_AFTER_ROLL_TIME)
    assert monday.account(account)["breach"] == "weekly"
    monday.advance_to(SUNDAY_ROLL)
    assert monday.account(account)["breach"] is None


def test_an_admin_lock_survives_every_session_start(monday: Simulator) -> None:
    [account] = monday.account_ids("active", limit=1)
    set_action(monday, account, "LockTradingImmediately")
    monday.advance(15 * 86_400)
    assert action(monday, account) == "LockTradingImmediately"


def test_day_and_week_figures_are_reset(monday: Simulator) -> None:
    [account] = monday.account_ids("positions", limit=1)
    before = monday.account(account)["cashBalances"][0]

    monday.advance_to(MONDAY_ROLL)
    state = monday.account(account)
    cash = state["cashBalances"][0]
    assert (cash["realizedPnL"], cash["amountSOD"]) == (0.0, before["amount"])
    assert cash["weekRealizedPnL"] == before["weekRealizedPnL"]
    assert cash["tradeDate"] == {"year": 2026, "month": 6, "day": 2}
    assert state["positions"][0]["prevPos"] == state["positions"][0]["netPos"]

    monday.advance_to(SUNDAY_ROLL)
    cash = monday.account(account)["cashBalances"][0]
    assert cash["weekRealizedPnL"] == 0.0
    assert cash["tradeDate"] == {"year": 2026, "month": 6, "day": 8}


@pytest.mark.parametrize("name", ["PlaceAutoLiqOnHold", "AgreedOnLiqOnlyModeByAutoLiq"])
def test_one_minute_actions_end_by_themselves(monday: Simulator, name: str) -> None:
    [account] = monday.account_ids("active", limit=1)
    set_action(monday, account, name)
    monday.advance(50)
    assert action(monday, account) == name
    monday.advance(11)
    assert action(monday, account) == "Normal"
    assert [e["source"] for e in monday.effects(account_id=account)] == ["call", "clock"]


def test_profit_and_loss_set_by_the_control_port_meets_the_limits(monday: Simulator) -> None:
    [account] = monday.account_ids("positions", limit=1)
    limit = monday.account(account)["userAccountAutoLiq"]["dailyLossAutoLiq"]
    assert monday.control("POST", f"/demo/accounts/{account}/pnl", {"open_pnl": 0})["breach"] is None
    state = monday.control("POST", f"/demo/accounts/{account}/pnl", {"open_pnl": -2 * limit})
    assert state["breach"] in {"daily", "weekly"}
    assert "liquidateOnly" in state["accountRiskStatus"]
    assert {p["netPos"] for p in state["positions"]} == {0}
    assert state["openPnL"] == 0.0


def test_scheduled_maintenance(monday: Simulator) -> None:
    monday.set(token_life_s=10**7, maintenance="schedule")
    token = monday.token()
    for moment, expected in (
        ("2026-06-01T20:59:00Z", 200),
        ("2026-06-01T21:30:00Z", 503),
        ("2026-06-01T22:00:30Z", 200),
        ("2026-06-06T00:30:00Z", 503),
        ("2026-06-07T03:30:00Z", 503),
        ("2026-06-07T12:00:00Z", 200),
    ):
        monday.advance_to(moment)
        assert monday.call("GET", "/riskCategory/list", token=token).status_code == expected, moment


def test_the_clock_never_goes_back(monday: Simulator) -> None:
    with pytest.raises(SimulatorError, match="only goes forward"):
        monday.advance(-1)
    with pytest.raises(SimulatorError, match="only goes forward"):
        monday.advance_to("2026-05-01T00:00:00Z")


def test_a_stopped_clock_moves_only_on_request_and_stays_stopped_over_a_restart(tmp_path: Path) -> None:
    with Simulator(tmp_path, traders=20, accounts=60, now=MONDAY_NOON, stopped=True) as simulator:
        assert simulator.control("GET", "/clock")["now"] == MONDAY_NOON
        assert simulator.advance(1.5) == "2026-06-01T17:00:01.500Z"
        simulator.kill()
        simulator.start()
        assert simulator.control("GET", "/clock")["now"] == "2026-06-01T17:00:01.500Z"

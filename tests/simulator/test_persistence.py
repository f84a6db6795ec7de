"""Restarts, kills, determinism, and the command line."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from riskadmin.simulator.tables import PUBLIC_KINDS
from tests.simulator.driver import DELETE_POSITION_LIMIT, DEMO_BALANCE, SET_ACTION, Simulator, SimulatorError

CREATE_POSITION_LIMIT = "/userAccountPositionLimit/create"
NOW = "2026-06-01T17:00:00Z"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Simulator]:
    """A simulator that this test alone has, to be stopped and started."""
    with Simulator(tmp_path / "data", traders=20, accounts=60) as simulator:
        yield simulator


def lock(simulator: Simulator, token: str, account: int) -> requests.Response:
    body = {"accountId": account, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseFraud"}
    return simulator.call("POST", SET_ACTION, token=token, body=body)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_everything_survives_a_restart_on_the_same_ports(own: Simulator, how: str) -> None:
    [account] = own.account_ids("active", limit=1)
    trader = own.account(account)["traders"][0]["id"]
    token = own.token()
    evicted, _, third = own.token("api-viewer"), own.token("api-viewer"), own.token("api-viewer")
    lock(own, token, account)
    own.start_lockout(trader, minutes=30)
    own.advance(100)
    own.set(user_calls_per_hour=3)
    before = {"account": own.account(account), "counters": own.counters(), "ports": own.ports}
    effects = own.effects()

    getattr(own, how)()
    own.start()

    assert before == {"account": own.account(account), "counters": own.counters(), "ports": own.ports}
    assert own.effects() == effects
    assert own.control("GET", "/clock")["offset_s"] == 100
    assert own.user(trader)["locked_out"] is True
    codes = [own.call("GET", "/riskCategory/list", token=text).status_code for text in (third, evicted, token, token, token)]
    assert codes == [200, 408, 200, 200, 429]
    getattr(own, how)()
    own.start()
    own.set(user_calls_per_hour=5000)
    assert own.call("GET", "/riskCategory/list", token=token).status_code == 429
    own.advance(1701)
    assert own.user(trader)["locked_out"] is False


def test_a_deletion_survives_a_kill_and_its_id_is_not_given_again(own: Simulator) -> None:
    [account] = own.account_ids("active", limit=1)
    token = own.token()
    body = {"accountId": account, "active": True, "totalBy": "Overall"}
    kept, gone = (own.call("POST", CREATE_POSITION_LIMIT, token=token, body=body).json()["id"] for _ in range(2))
    own.call("POST", DELETE_POSITION_LIMIT, token=token, body={"userAccountPositionLimitId": gone})
    before = own.account(account)
    own.kill()
    own.start()
    assert own.account(account) == before
    assert kept in {limit["id"] for limit in before["userAccountPositionLimits"]}
    assert own.call("POST", CREATE_POSITION_LIMIT, token=token, body=body).json()["id"] == gone + 1


def test_a_change_of_balance_and_its_hour_survive_a_kill(own: Simulator) -> None:
    [account] = own.account_ids("active", limit=1)
    state = own.account(account)
    own.patch("cashBalance", state["cashBalances"][0]["id"], amount=1000.0)
    own.patch("user", state["traders"][0]["id"], status="Active")
    token = own.token(state["traders"][0]["name"])
    body = {"accountId": account, "cashChange": 5.5}
    assert own.call("POST", DEMO_BALANCE, token=token, body=body).json()["totalCashValue"] == 1005.5
    before = own.account(account)
    own.kill()
    own.start()
    assert own.account(account) == before
    assert "permitted per hour" in own.call("POST", DEMO_BALANCE, token=token, body=body).json()["errorText"]


def test_a_ticket_survives_a_kill(own: Simulator) -> None:
    [account] = own.account_ids("active", limit=1)
    token = own.token()
    own.fault("p-ticket", count=1, p_time=3)
    ticket = lock(own, token, account).json()["p-ticket"]
    own.kill()
    own.start()
    own.advance(3)
    body = {"accountId": account, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseFraud"}
    answer = own.call("POST", SET_ACTION, token=token, body={**body, "p-ticket": ticket}).json()
    assert answer["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"


@pytest.mark.parametrize(("when", "expected"), [("before", 0), ("after", 1)])
def test_a_kill_while_a_call_is_held_keeps_its_count_and_its_effect(own: Simulator, when: str, expected: int) -> None:
    [account] = own.account_ids("active", limit=1)
    token = own.token()
    fault = own.fault("hold", account_id=account, when=when)
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(lock, own, token, account)
        own.wait_held(fault)
        own.kill()
        with pytest.raises(requests.ConnectionError):
            pending.result()
    own.start()
    assert own.call_count(SET_ACTION) == 1
    assert len(own.effects(account_id=account)) == expected
    assert own.control("GET", "/faults") == {"faults": []}


def world(simulator: Simulator) -> dict[str, object]:
    token = simulator.token()
    served = set(simulator.control("GET", "/")["endpoints"])
    kinds = [kind for kind in PUBLIC_KINDS if f"/{kind}/list" in served]
    listed = {
        f"{host} {kind}": simulator.call("GET", f"/{kind}/list", host=host, token=token).json()
        for host in ("demo", "live")
        for kind in kinds
    }
    accounts = [account["id"] for account in listed["demo account"]]
    limits = simulator.call("GET", "/userAccountPositionLimit/ldeps", token=token, query={"masterids": accounts}).json()
    return {**listed, "demo position limits": limits}


def test_the_same_seed_makes_the_same_firm_and_another_another(tmp_path: Path) -> None:
    with ExitStack() as stack:
        first, second, other = (
            stack.enter_context(Simulator(tmp_path / name, seed=seed, traders=20, accounts=60, now=NOW))
            for name, seed in (("a", 5), ("b", 5), ("c", 6))
        )
        made = world(first)
        assert world(second) == made
        assert world(other) != made


def test_the_default_firm_has_accounts_in_every_state(tmp_path: Path) -> None:
    with Simulator(tmp_path, traders=600, accounts=1500) as simulator:
        rows = simulator.control("GET", "/demo/accounts", query={"limit": 10_000})["accounts"]
        live = simulator.control("GET", "/live/accounts", query={"limit": 10_000})["accounts"]
        assert (len(rows), len(live)) == (1503, 150)
        states = {row["scenario"] for row in rows}
        assert states >= {"active", "closed", "locked", "liquidate_only", "breached", "breached_do_not_unlock"}
        assert states >= {"positions", "near_limit", "archived", "restricted", "liquidated", "trader_liquidate_only"}
        assert len({row["name"] for row in rows}) == 1503
        token = simulator.token()
        users = simulator.call("GET", "/user/list", token=token).json()
        assert len([user for user in users if "." in user["name"]]) == 600
        assert {user["email"].rpartition("@")[2] for user in users} == {"example.com", "example.net", "example.org"}
        permissions = simulator.call("GET", "/tradingPermission/list", token=token).json()
        assert len({permission["userId"] for permission in permissions}) == 600


def test_an_accounts_figures_agree_with_its_state(tmp_path: Path) -> None:
    with Simulator(tmp_path, traders=50, accounts=300) as simulator:
        rows = simulator.control("GET", "/demo/accounts", query={"limit": 300})["accounts"]
        token = simulator.token()
        kinds = ("cashBalance", "accountRiskStatus", "userAccountAutoLiq")
        cash, risk, limits = (
            {
                entity.get("accountId", entity["id"]): entity
                for entity in simulator.call("GET", f"/{kind}/list", token=token).json()
            }
            for kind in kinds
        )
        for row in rows:
            key, scenario = row["id"], row["scenario"]
            day = cash[key]["realizedPnL"] + row["openPnL"]
            daily = limits[key]["dailyLossAutoLiq"]
            assert (day <= -daily) is scenario.startswith("breached"), row
            assert cash[key]["amount"] + row["openPnL"] > risk[key]["minNetLiq"], row
            if scenario == "near_limit":
                assert day <= -0.84 * daily
            if scenario == "breached_do_not_unlock":
                assert (limits[key]["doNotUnlock"], risk[key]["adminAction"]) == (True, "LockTradingImmediately")


def test_a_second_process_on_the_same_data_is_refused(own: Simulator) -> None:
    with pytest.raises(SimulatorError, match="another simulator"):
        Simulator(own.data, traders=20, accounts=60).start()
    assert own.account_ids(limit=1)


def test_other_parameters_on_the_same_data_are_refused(own: Simulator) -> None:
    own.stop()
    with pytest.raises(SimulatorError, match="use another directory"):
        Simulator(own.data, seed=2, traders=20, accounts=60).start()
    own.start()


def test_settings_from_the_command_line(tmp_path: Path) -> None:
    with Simulator(tmp_path / "a", traders=1, accounts=1, settings={"latency_ms": 3, "list_archived": "false"}) as simulator:
        settings = simulator.control("GET", "/settings")
        assert (settings["latency_ms"], settings["list_archived"]) == (3, False)
    with pytest.raises(SimulatorError, match="no setting 'colour'"):
        Simulator(tmp_path / "b", settings={"colour": "red"}).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_even_with_a_call_held(own: Simulator, number: signal.Signals) -> None:
    token = own.token()
    fault = own.fault("hold")
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(own.call, "GET", "/riskCategory/list", token=token)
        own.wait_held(fault)
        assert own.end(number) == 0
        assert pending.result().status_code == 500
    own.start()
    assert own.call_count("/riskCategory/list") == 1


def test_the_ports_file_holds_the_announced_line(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    with Simulator(tmp_path / "a", traders=1, accounts=1, arguments=["--ports-file", str(ports_file)]) as simulator:
        written = json.loads(ports_file.read_text())
        assert written == {"ready": True, "pid": simulator.pid, **simulator.ports}


def test_a_store_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with Simulator(tmp_path, traders=3, accounts=3) as simulator:
        simulator.stop()
        with closing(sqlite3.connect(tmp_path / "simulator.sqlite3")) as store:
            store.execute("ALTER TABLE call DROP COLUMN answer")
            store.commit()
        simulator.start()
        simulator.token()
        assert [call["answer"] for call in simulator.calls()] == [None]

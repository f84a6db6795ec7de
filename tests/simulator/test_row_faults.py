"""Faults that edit rows of answers or leave them out; the state behind them stays as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.driver import SET_ACTION, SNAPSHOT, UPDATE_LIMITS, Simulator, SimulatorError

LOCK = {"adminAction": "LockTradingImmediately", "adminActionReasonCode": "RestrictedRiskRestriction"}


def rows(simulator: Simulator, token: str, path: str, **query: object) -> Any:
    answer = simulator.call("GET", path, token=token, query=query)
    assert answer.status_code == 200
    return answer.json()


def with_id(found: list[Any], key: int) -> Any:
    return next(row for row in found if isinstance(row, dict) and row.get("id") == key)


def hits(simulator: Simulator, fault: int) -> int:
    return int(simulator.control("GET", f"/faults/{fault}")["hits"])


ODD = {
    "NaN": (math.nan, "NaN"),
    "a number beyond all limits": (1e17, "1e+17"),
    "text for a number": ("many", '"many"'),
    "NUL in a text": ("a\x00b", '"a\\u0000b"'),
    "half a surrogate pair": ("a\ud800b", '"a\\ud800b"'),
    "a time before time": ("0001-01-01T00:00:00Z", '"0001-01-01T00:00:00Z"'),
    "null": (None, "null"),
    "an object": ({"a": [1]}, '{"a":[1]}'),
}


@pytest.mark.parametrize(("value", "text"), ODD.values(), ids=ODD)
def test_a_field_holds_anything_wherever_its_row_appears(
    simulator: Simulator, token: str, account: int, value: object, text: str
) -> None:
    before = simulator.account(account)["account"]
    fault = simulator.fault("odd", entity="account", account_ids=[account], fields={"name": value})
    assert simulator.control("GET", "/faults")["faults"][0]["id"] == fault
    for path, query in (
        ("/account/list", {}),
        ("/account/item", {"id": account}),
        ("/account/items", {"ids": account}),
        ("/account/deps", {"masterid": before["userId"]}),
        ("/account/ldeps", {"masterids": before["userId"]}),
        ("/account/find", {"name": before["name"]}),
    ):
        assert f'"name":{text}' in simulator.call("GET", path, token=token, query=query).text
    assert hits(simulator, fault) == 6
    assert simulator.account(account)["account"] == before


def test_writes_answer_with_odd_rows_and_take_effect(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("odd", entity="accountRiskStatus", account_ids=[account], fields={"adminAction": "Vaporize"})
    answer = simulator.call("POST", SET_ACTION, token=token, body={"accountId": account, **LOCK}).json()
    assert answer["accountRiskStatus"]["adminAction"] == "Vaporize"
    assert simulator.account(account)["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    [effect] = simulator.effects(account_id=account, action="admin_action")
    assert effect["after"]["adminAction"] == "LockTradingImmediately"
    assert simulator.calls(endpoint=SET_ACTION)[0]["fault"] == "odd"


@pytest.mark.parametrize("row", ["gone", None, 7, [1], {}])
def test_anything_may_come_in_place_of_a_row(simulator: Simulator, token: str, untouched: Iterator[int], row: object) -> None:
    account, neighbour = next(untouched), next(untouched)
    simulator.fault("odd", entity="userAccountAutoLiq", account_ids=[account], row=row)
    found = rows(simulator, token, "/userAccountAutoLiq/ldeps", masterids=[account, neighbour])
    assert row in found
    assert with_id(found, neighbour) == simulator.account(neighbour)["userAccountAutoLiq"]
    body = {"items": [{"accountId": account, "dailyLossAlert": 1.5}, {"accountId": neighbour, "dailyLossAlert": 2.5}]}
    pairs = simulator.call("POST", UPDATE_LIMITS, token=token, body=body).json()["userAutoLiqs"]
    assert [pair["userAccountAutoLiq"] for pair in pairs] == [row, {"id": neighbour, "dailyLossAlert": 2.5}]
    assert simulator.account(account)["userAccountAutoLiq"] == {"id": account, "dailyLossAlert": 1.5}


def test_a_field_may_be_missing(simulator: Simulator, token: str, account: int) -> None:
    status = simulator.account(account)["accountRiskStatus"]
    simulator.fault("odd", entity="accountRiskStatus", account_ids=[account], without=["id"])
    [row] = rows(simulator, token, "/accountRiskStatus/items", ids=account)
    assert row == {name: value for name, value in status.items() if name != "id"}


def test_numbers_leave_with_the_text_that_was_given(simulator: Simulator, token: str, account: int) -> None:
    rule = '{"kind": "odd", "entity": "account", "account_ids": [%d], "fields": {"evaluationSize": 1e17, "x": 3000000000}}'
    answer = simulator._session.post(simulator.control_url + "/faults", data=rule % account, timeout=10)
    assert answer.status_code == 200
    text = simulator.call("GET", "/account/item", token=token, query={"id": account}).text
    assert '"evaluationSize":1e17' in text
    assert '"x":3000000000' in text


def test_the_snapshot_of_a_balance_may_be_odd(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("odd", entity="cashBalanceSnapshot", account_ids=[account], fields={"netLiq": math.nan})
    assert '"netLiq":NaN' in simulator.call("POST", SNAPSHOT, token=token, body={"accountId": account}).text


def test_rows_are_left_out_of_arrays_and_found_alone(simulator: Simulator, token: str, untouched: Iterator[int]) -> None:
    account, neighbour = sorted((next(untouched), next(untouched)))
    fault = simulator.fault("omit", account_ids=[account])
    both = [account, neighbour]
    for kind in ("account", "accountRiskStatus"):
        assert account not in [row["id"] for row in rows(simulator, token, f"/{kind}/list")]
        assert [row["id"] for row in rows(simulator, token, f"/{kind}/items", ids=both)] == [neighbour]
        assert rows(simulator, token, f"/{kind}/item", id=account)["id"] == account
    assert [row["id"] for row in rows(simulator, token, "/userAccountAutoLiq/ldeps", masterids=both)] == [neighbour]
    assert rows(simulator, token, "/cashBalance/deps", masterid=account) == []
    assert hits(simulator, fault) == 6
    body = {"items": [{"accountId": each, "dailyLossAlert": 1.5} for each in both]}
    [pair] = simulator.call("POST", UPDATE_LIMITS, token=token, body=body).json()["userAutoLiqs"]
    assert pair["userAccountAutoLiq"]["id"] == neighbour
    assert simulator.account(account)["userAccountAutoLiq"] == {"id": account, "dailyLossAlert": 1.5}


def test_one_position_of_two_is_missing(simulator: Simulator, token: str, account: int) -> None:
    simulator.open_position(account)
    first, second = (position["id"] for position in simulator.open_position(account)["positions"])
    simulator.fault("omit", entity="position", ids=[second])
    assert [row["id"] for row in rows(simulator, token, "/position/ldeps", masterids=account)] == [first]
    assert second not in [row["id"] for row in rows(simulator, token, "/position/list")]


def test_count_skip_endpoint_and_the_rows_met_narrow_a_row_fault(simulator: Simulator, token: str, account: int) -> None:
    other = simulator.account_ids("locked")[0]
    fault = simulator.fault("omit", account_ids=[account], endpoint="/account/items", count=2, skip=1)

    def is_there(key: int, path: str = "/account/items") -> bool:
        return bool(rows(simulator, token, path, ids=key))

    assert is_there(other)
    assert is_there(account, "/accountRiskStatus/items")
    assert [is_there(account) for _ in range(4)] == [True, False, False, True]
    assert hits(simulator, fault) == 2


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "odd", "fields": {"name": 1}},
        {"kind": "odd", "entity": "account"},
        {"kind": "odd", "entity": "spaceship", "row": 1},
        {"kind": "odd", "entity": "account", "row": 1, "when": "after"},
        {"kind": "odd", "entity": "account", "row": 1, "account_ids": ["1"]},
        {"kind": "omit", "row": 1},
        {"kind": "500", "entity": "account"},
        {"kind": "500", "account_ids": [1]},
        {"kind": "latency", "effect_after_ms": 5},
        {"kind": "p-ticket", "effect_after_ms": 5},
        {"kind": "errorText", "effect_after_ms": 5, "when": "after"},
    ],
)
def test_row_faults_that_make_no_sense_are_refused(simulator: Simulator, rule: dict[str, object]) -> None:
    with pytest.raises(SimulatorError, match="400"):
        simulator.control("POST", "/faults", rule)
    assert simulator.control("GET", "/faults") == {"faults": []}

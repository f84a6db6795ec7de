"""Returning to a kept state: PUT and POST /checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import CREATE_POSITION_LIMIT, SET_ACTION, Simulator, SimulatorError


def everything(simulator: Simulator) -> dict[int, dict[str, Any]]:
    """Everything about each account of the demo host."""
    return {each: simulator.account(each) for each in simulator.account_ids(limit=1000)}


def test_what_was_changed_created_and_deleted_is_as_it_was(simulator: Simulator, post: Post, account: int) -> None:
    with_position = next(each for each in simulator.account_ids("positions", limit=100))
    position = simulator.account(with_position)["positions"][0]["id"]
    simulator.control("PUT", "/checkpoint")
    before, effects = everything(simulator), len(simulator.effects())

    post(SET_ACTION, {"accountId": account, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseFraud"})
    post(CREATE_POSITION_LIMIT, {"accountId": account, "active": True, "totalBy": "Overall", "exposedLimit": 3})
    simulator.patch("position", position, netPos=77)
    simulator.open_position(account, 5)
    assert everything(simulator) != before
    assert len(simulator.effects()) > effects

    simulator.control("POST", "/checkpoint")
    assert everything(simulator) == before
    assert len(simulator.effects()) == effects
    assert simulator.account(account)["accountRiskStatus"]["adminAction"] == "Normal"


def test_a_late_effect_of_a_state_that_was_left_never_comes(simulator: Simulator, post: Post, account: int) -> None:
    simulator.control("PUT", "/checkpoint")
    fault = simulator.fault("500", endpoint=SET_ACTION, effect_after_ms=3_600_000, count=1)
    post(SET_ACTION, {"accountId": account, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseFraud"})
    simulator.wait_held(fault)

    simulator.control("POST", "/checkpoint")
    simulator.release(fault)

    assert simulator.account(account)["accountRiskStatus"]["adminAction"] == "Normal"
    assert simulator.effects(account_id=account, action="admin_action") == []


def test_a_restored_state_is_what_a_restart_finds(tmp_path: Path) -> None:
    with Simulator(tmp_path / "data", traders=5, accounts=20) as own:
        [one] = own.account_ids("active", limit=1)
        own.control("PUT", "/checkpoint")
        own.open_position(one, 3)
        own.control("POST", "/checkpoint")
        before = everything(own)
        own.kill()
        own.start()
        assert everything(own) == before
        with pytest.raises(SimulatorError, match="no checkpoint"):
            own.control("POST", "/checkpoint")

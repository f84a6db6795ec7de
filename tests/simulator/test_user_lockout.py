"""POST /user/expireuserlockout, by its page and the texts of its sister endpoints."""

from __future__ import annotations

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import EXPIRE_LOCKOUT, OTHER_ADMIN, VIEWER, Simulator


@pytest.fixture
def trader(simulator: Simulator, account: int) -> int:
    found: int = simulator.account(account)["traders"][0]["id"]
    return found


def test_it_ends_the_lockout_on_all_accounts_of_the_trader(simulator: Simulator, post: Post, trader: int) -> None:
    simulator.start_lockout(trader, minutes=600)
    accounts = simulator.user(trader)["account_ids"]
    locked = [account for account in accounts if "manual lockout" in simulator.account(account)["restrictions"]]
    assert locked

    assert post(EXPIRE_LOCKOUT, {"userId": trader, "notes": "asked by phone"}).json() == {"ok": True}

    assert simulator.user(trader)["locked_out"] is False
    assert all("manual lockout" not in simulator.account(account)["restrictions"] for account in accounts)
    [effect] = simulator.effects(entity="_lockout", entity_id=trader, action="lockout_expired")
    assert effect["detail"] == {"notes": "asked by phone"}


def test_without_an_active_lockout_it_fails(simulator: Simulator, post: Post, trader: int) -> None:
    refused = {"ok": False, "errorText": "User does not have an active lockout."}
    assert post(EXPIRE_LOCKOUT, {"userId": trader}).json() == refused

    simulator.start_lockout(trader, minutes=5)
    simulator.advance(301)
    assert simulator.user(trader)["locked_out"] is False
    assert post(EXPIRE_LOCKOUT, {"userId": trader}).json() == refused


def test_unknown_foreign_unauthorized_live_and_too_long(simulator: Simulator, post: Post, trader: int) -> None:
    unauthorized = {"ok": False, "errorText": "Unauthorized: only org admins may expire a trading lockout."}
    simulator.start_lockout(trader)
    body = {"userId": trader}

    assert post(EXPIRE_LOCKOUT, {"userId": 1}).json() == {"ok": False, "errorText": "User not found."}
    assert post(EXPIRE_LOCKOUT, body, token=simulator.token(VIEWER)).json() == unauthorized
    assert post(EXPIRE_LOCKOUT, body, token=simulator.token(OTHER_ADMIN)).json() == unauthorized
    assert post(EXPIRE_LOCKOUT, body, host="live").json() == {"ok": False, "errorText": "Access is denied"}
    long = {"ok": False, "errorText": "Notes should be no longer than 8192"}
    assert post(EXPIRE_LOCKOUT, {**body, "notes": "x" * 8193}).json() == long
    assert simulator.user(trader)["locked_out"] is True

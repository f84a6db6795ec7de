"""The peak of net liq, the reset of the auto-liq status, and notes: little is documented of any of them."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.simulator.conftest import Post
from tests.simulator.driver import ACCOUNT_NOTES, MAX_NET_LIQ, RESET_STATUS, SET_ACTION, VIEWER, Simulator

PATHS = (RESET_STATUS, MAX_NET_LIQ, ACCOUNT_NOTES)


def body(path: str, account: object, **changes: object) -> dict[str, object]:
    peak = {"maxNetLiq": 60_000.5} if path == MAX_NET_LIQ else {}
    return {"accountId": account, **peak, **changes}


def status(simulator: Simulator, account: int) -> dict[str, Any]:
    found: dict[str, Any] = simulator.account(account)["accountRiskStatus"]
    return found


@pytest.mark.parametrize("path", PATHS)
def test_ids_that_are_none_unknown_or_mistyped(simulator: Simulator, post: Post, path: str) -> None:
    for account in (0, -5):
        assert post(path, body(path, account)).json()["errorText"] == "Account Id should be greater than 0"
    assert post(path, body(path, 999)).status_code == 404
    assert post(path, body(path, "1")).status_code == 400
    assert simulator.effects(endpoint=path, account_id=999) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_user_who_is_no_admin_is_refused(simulator: Simulator, post: Post, account: int, path: str) -> None:
    viewer = simulator.token(VIEWER)

    assert post(path, body(path, account), token=viewer).status_code == 401
    simulator.set(not_admin_status=200)
    assert post(path, body(path, account), token=viewer).json()["errorText"] == "Access is denied"
    assert simulator.effects(account_id=account) == []


@pytest.mark.parametrize("path", PATHS)
def test_archived_accounts_are_accepted_silently(simulator: Simulator, post: Post, path: str) -> None:
    archived = simulator.account_ids("archived")[0]
    before = simulator.account(archived)

    answer = post(path, body(path, archived))

    assert answer.status_code == 200
    assert not answer.json().get("errorText")
    assert simulator.account(archived) == before
    assert simulator.effects(account_id=archived, endpoint=path) == []


def test_the_peak_is_set_and_the_floor_moves_along(simulator: Simulator, post: Post, account: int) -> None:
    before = status(simulator, account)
    peak = round(before["maxNetLiq"] + 100.5, 2)

    answer = post(MAX_NET_LIQ, {"accountId": account, "maxNetLiq": peak}).json()["accountRiskStatus"]

    assert answer == {**before, "maxNetLiq": peak, "minNetLiq": round(before["minNetLiq"] + 100.5, 2)}
    assert status(simulator, account) == answer
    [effect] = simulator.effects(account_id=account)
    assert (effect["action"], effect["after"]) == ("max_net_liq_set", answer)
    assert [entry["maxNetLiq"] for entry in simulator.account(account)["riskStatusLog"]] == [peak]


def test_a_peak_that_uses_up_the_drawdown_liquidates(simulator: Simulator, post: Post, account: int) -> None:
    simulator.open_position(account, 1)

    answer = post(MAX_NET_LIQ, {"accountId": account, "maxNetLiq": 1_000_000.0}).json()["accountRiskStatus"]

    state = simulator.account(account)
    assert state["breach"] == "trailing"
    assert answer == state["accountRiskStatus"]
    assert answer["adminAction"] == "LockTradingImmediately"
    assert [position["netPos"] for position in state["positions"]] == [0]


def test_a_day_s_loss_that_was_forgiven_does_not_strike_again(simulator: Simulator, post: Post, account: int) -> None:
    cash = simulator.account(account)["cashBalances"][0]
    simulator.patch("cashBalance", cash["id"], realizedPnL=-1_000_000.0)

    post(MAX_NET_LIQ, {"accountId": account, "maxNetLiq": status(simulator, account)["maxNetLiq"]})

    assert simulator.account(account)["breach"] is None


@pytest.mark.parametrize("peak", ["null", '"1"', "true", "NaN", "Infinity", "[1]"])
def test_the_peak_must_be_a_finite_number(simulator: Simulator, token: str, account: int, peak: str) -> None:
    body = f'{{"accountId": {account}, "maxNetLiq": {peak}}}'
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.post(simulator.demo_url + MAX_NET_LIQ, headers=headers, data=body, timeout=10).status_code == 400
    assert simulator.effects(account_id=account) == []


def test_the_peak_is_refused_on_live(simulator: Simulator, post: Post) -> None:
    [account] = simulator.account_ids("active", host="live", limit=1)
    refused = post(MAX_NET_LIQ, {"accountId": account, "maxNetLiq": 1.0}, host="live")
    assert refused.json() == {"errorText": "Access is denied"}
    assert simulator.effects(account_id=account, endpoint=MAX_NET_LIQ) == []


def test_a_reset_ends_an_ordinary_breach(simulator: Simulator, post: Post, account: int) -> None:
    simulator.patch("userAccountAutoLiq", account, doNotUnlock=False)
    simulator.breach(account, "daily")
    assert "liquidateOnly" in status(simulator, account)

    answer = post(RESET_STATUS, {"accountId": account}).json()["accountRiskStatus"]

    state = simulator.account(account)
    assert "liquidateOnly" not in answer
    assert (state["accountRiskStatus"], state["breach"], state["restrictions"]) == (answer, None, [])
    [effect] = simulator.effects(account_id=account, source="call")
    assert effect["action"] == "auto_liq_reset"
    assert len(state["riskStatusLog"]) == 2


@pytest.mark.parametrize("action", ["LockTradingImmediately", "LiquidateOnlyModeImmediately"])
def test_a_reset_leaves_what_staff_set(simulator: Simulator, post: Post, account: int, action: str) -> None:
    post(SET_ACTION, {"accountId": account, "adminAction": action, "adminActionReasonCode": "CloseFraud"})
    before = status(simulator, account)

    assert post(RESET_STATUS, {"accountId": account}).json()["accountRiskStatus"] == before


def test_a_reset_leaves_the_lock_of_do_not_unlock(simulator: Simulator, post: Post, account: int) -> None:
    simulator.patch("userAccountAutoLiq", account, doNotUnlock=True)
    simulator.breach(account, "daily")

    post(RESET_STATUS, {"accountId": account})

    assert simulator.account(account)["restrictions"] == ["LockTradingImmediately"]


@pytest.mark.parametrize("host", ["demo", "live"])
def test_notes_are_accepted_and_nothing_shows(simulator: Simulator, post: Post, host: str) -> None:
    account = simulator.account_ids("active", host=host, limit=1)[0]
    before = simulator.account(account, host=host)

    assert post(ACCOUNT_NOTES, {"accountId": account, "notes": "called back"}, host=host).json() == {"ok": True}

    assert simulator.account(account, host=host) == before
    effect = simulator.effects(account_id=account, endpoint=ACCOUNT_NOTES)[-1]
    assert (effect["action"], effect["before"], effect["after"]) == ("notes_accepted", None, None)

"""POST /userAccountAutoLiq/updateuserautoliqs, by its page and the choices where it is silent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import UPDATE_LIMITS, VIEWER, Simulator

FULL = {
    "changesLocked": False,
    "dailyLossAlert": 800.0,
    "dailyLossAutoLiq": 5000.0,
    "trailingMaxDrawdown": 20000.0,
    "trailingMaxDrawdownLimit": 250000.0,
    "trailingMaxDrawdownMode": "EOD",
    "flattenTimestamp": "2026-12-01T20:00:00Z",
    "doNotUnlock": True,
    "steppedCooldown": {"steps": [{"stepNumber": 1, "stepDistance": 100.5, "cooldownMinutes": 5}]},
    "steppedUnlimited": False,
}


def test_items_are_stored_and_answered_in_order(simulator: Simulator, post: Post, untouched: Iterator[int]) -> None:
    first, second = next(untouched), next(untouched)
    items = [{"accountId": second, "asOwner": True, **FULL}, {"accountId": first, "asOwner": True, **FULL}]

    answered = post(UPDATE_LIMITS, {"items": items}).json()["userAutoLiqs"]

    assert [pair["userAccountAutoLiq"]["id"] for pair in answered] == [second, first]
    assert simulator.account(first)["userAccountAutoLiq"] == {"id": first, **FULL}
    assert len(simulator.effects(account_id=first, action="limits_updated")) == 1


def test_without_as_owner_flag_set_the_traders_own_record_is_written(simulator: Simulator, post: Post, account: int) -> None:
    before = simulator.account(account)["userAccountAutoLiq"]

    post(UPDATE_LIMITS, {"items": [{"accountId": account, "asOwner": False, **FULL}]})

    state = simulator.account(account)
    assert state["userAccountAutoLiq"] == before
    assert state["permissionedAccountAutoLiq"] == {
        "id": account,
        "changesLocked": False,
        "dailyLossAlert": 800.0,
        "dailyLossAutoLiq": 5000.0,
    }


def test_omitted_fields_are_cleared_or_by_setting_kept(simulator: Simulator, post: Post, account: int) -> None:
    post(UPDATE_LIMITS, {"items": [{"accountId": account, **FULL}]})
    simulator.set(omitted_limits="keep")
    post(UPDATE_LIMITS, {"items": [{"accountId": account, "dailyLossAlert": 700.0}]})
    assert simulator.account(account)["userAccountAutoLiq"] == {"id": account, **FULL, "dailyLossAlert": 700.0}

    simulator.set(omitted_limits="clear")
    post(UPDATE_LIMITS, {"items": [{"accountId": account, "dailyLossAlert": 600.0}]})
    assert simulator.account(account)["userAccountAutoLiq"] == {"id": account, "dailyLossAlert": 600.0}


def test_a_limit_below_the_present_loss_liquidates(simulator: Simulator, post: Post, account: int) -> None:
    simulator.open_position(account, 1)
    cash = simulator.account(account)["cashBalances"][0]
    simulator.patch("cashBalance", cash["id"], realizedPnL=-300.0)

    post(UPDATE_LIMITS, {"items": [{"accountId": account, "dailyLossAutoLiq": 250.0, "doNotUnlock": True}]})

    state = simulator.account(account)
    assert state["breach"] == "daily"
    assert state["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    assert [p["netPos"] for p in state["positions"]] == [0]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"accountId": 0}, "Account Id should be greater than 0"),
        ({"dailyLossAutoLiq": -1}, "Daily Loss Auto Liq should be greater than or equal to 0"),
        ({"trailingMaxDrawdownMode": "Weekly"}, "Trailing Max Drawdown Mode should be between EOD and RealTime"),
    ],
)
def test_one_bad_item_refuses_all(
    simulator: Simulator, post: Post, untouched: Iterator[int], item: dict[str, object], text: str
) -> None:
    good, bad = next(untouched), next(untouched)

    answer = post(UPDATE_LIMITS, {"items": [{"accountId": good, **FULL}, {"accountId": bad, **item}]})

    assert answer.json() == {"userAutoLiqs": [], "errorText": text}
    assert simulator.effects(account_id=good) == []


def test_empty_unknown_and_mistyped(simulator: Simulator, post: Post, account: int) -> None:
    assert post(UPDATE_LIMITS, {"items": []}).json() == {"userAutoLiqs": [], "errorText": "Empty items"}
    assert post(UPDATE_LIMITS, {"items": [{"accountId": account}, {"accountId": 999}]}).status_code == 404
    assert post(UPDATE_LIMITS, {"items": {"accountId": account}}).status_code == 400
    mistyped: list[dict[str, object]] = [
        {"dailyLossAlert": "1"},
        {"doNotUnlock": 1},
        {"flattenTimestamp": "soon"},
        {"steppedCooldown": {}},
    ]
    for wrong in mistyped:
        assert post(UPDATE_LIMITS, {"items": [{"accountId": account, **wrong}]}).status_code == 400
    assert simulator.effects(account_id=account) == []


def test_a_user_who_is_no_admin_is_refused(simulator: Simulator, post: Post, account: int) -> None:
    viewer = simulator.token(VIEWER)
    assert post(UPDATE_LIMITS, {"items": [{"accountId": account}]}, token=viewer).status_code == 401
    simulator.set(not_admin_status=200)
    refused = post(UPDATE_LIMITS, {"items": [{"accountId": account}]}, token=viewer).json()
    assert refused == {"userAutoLiqs": [], "errorText": "Access is denied"}
